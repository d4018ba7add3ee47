//! The metadata of objects that routers create or take over: owner, labels, and the annotations that keep Flux off.
//!
//! Only our own keys are enforced. A label or annotation of somebody else's stays.

use std::collections::BTreeMap;

use canary_core::{Metadata, Owner, RouteSpec};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Flux would take generated objects for drift of its own.
const TOOLKIT_ANNOTATIONS: [&str; 2] =
    ["kustomize.toolkit.fluxcd.io/reconcile", "helm.toolkit.fluxcd.io/driftDetection"];

/// Labels and annotations that objects named like the apex Service carry.
///
/// Flagger: `service.apex` as written plus both opt-outs of Flux, which win. When `service.apex` is given, even empty, its
/// Service reconciler leaks the selector label onto them; users select by it.
pub fn apex_metadata(route: &RouteSpec) -> Metadata {
    let mut metadata = route.apex_metadata.clone().unwrap_or_default();
    if let (Some(_), Some((key, _))) = (&route.apex_metadata, &route.selector) {
        metadata.labels.insert(key.clone(), route.apex.clone());
    }
    for key in TOOLKIT_ANNOTATIONS {
        metadata.annotations.insert(key.to_owned(), "disabled".to_owned());
    }
    metadata
}

/// The metadata of a foreign object; what is not named here survives in `rest`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ObjectMetadata {
    /// `labels`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// `annotations`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// All other fields, the name and the resourceVersion among them.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl ObjectMetadata {
    /// The metadata of an object that is to be created beside the canary of `route`, owned by that canary.
    pub fn created(route: &RouteSpec, name: &str) -> Self {
        let mut rest = Map::new();
        rest.insert("name".into(), name.into());
        rest.insert("namespace".into(), route.namespace.clone().into());
        if let Some(Owner { api_version, kind, name, uid }) = &route.owner {
            let owner = json!({
                "apiVersion": api_version,
                "kind": kind,
                "name": name,
                "uid": uid,
                "controller": true,
                "blockOwnerDeletion": true,
            });
            rest.insert("ownerReferences".into(), json!([owner]));
        }
        Self { labels: None, annotations: None, rest }
    }

    /// Sets the labels and annotations of `wanted` and leaves all others alone.
    pub fn enforce(&mut self, wanted: &Metadata) {
        let groups = [(&mut self.labels, &wanted.labels), (&mut self.annotations, &wanted.annotations)];
        for (live, wanted) in groups {
            if !wanted.is_empty() {
                let wanted = wanted.iter().map(|(key, value)| (key.clone(), value.clone()));
                live.get_or_insert_default().extend(wanted);
            }
        }
    }

    /// Lets Flux at an object again that is its user's as before.
    pub(crate) fn release(&mut self) {
        if let Some(annotations) = &mut self.annotations {
            annotations
                .retain(|key, value| !(TOOLKIT_ANNOTATIONS.contains(&key.as_str()) && value == "disabled"));
        }
    }

    /// One annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.as_ref()?.get(key).map(String::as_str)
    }

    /// Whether `owner` owns the object.
    pub fn belongs_to(&self, owner: &Owner) -> bool {
        let owners = self.rest.get("ownerReferences").and_then(Value::as_array);
        owners.is_some_and(|owners| {
            owners.iter().any(|o| o.get("uid").and_then(Value::as_str) == Some(&owner.uid))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_apex_field_brings_the_selector_label_even_when_it_is_empty() {
        let mut route = RouteSpec::new("test", "podinfo", "podinfo");
        route.selector = Some(("app".into(), "podinfo-v2".into()));
        assert!(apex_metadata(&route).labels.is_empty());

        route.apex_metadata = Some(Metadata::default());
        assert_eq!(apex_metadata(&route).labels, BTreeMap::from([("app".into(), "podinfo".into())]));
    }

    #[test]
    fn the_opt_outs_win_over_the_users_values() {
        let mut route = RouteSpec::new("test", "podinfo", "podinfo");
        let mine = [("kustomize.toolkit.fluxcd.io/reconcile", "enabled"), ("note", "mine")];
        let annotations = mine.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        route.apex_metadata = Some(Metadata { annotations, ..Metadata::default() });

        let annotations = apex_metadata(&route).annotations;
        assert_eq!(annotations["kustomize.toolkit.fluxcd.io/reconcile"], "disabled");
        assert_eq!(annotations["helm.toolkit.fluxcd.io/driftDetection"], "disabled");
        assert_eq!(annotations["note"], "mine");
    }

    #[test]
    fn an_owner_is_recognised_by_its_uid() {
        let owner = |uid: &str| Owner {
            api_version: "flagger.app/v1beta1".into(),
            kind: "Canary".into(),
            name: "podinfo".into(),
            uid: uid.into(),
        };
        let mut route = RouteSpec::new("test", "podinfo", "podinfo");
        assert!(!ObjectMetadata::created(&route, "podinfo").belongs_to(&owner("1")));
        route.owner = Some(owner("1"));
        let metadata = ObjectMetadata::created(&route, "podinfo");
        assert!(metadata.belongs_to(&owner("1")));
        assert!(!metadata.belongs_to(&owner("2")));
    }
}
