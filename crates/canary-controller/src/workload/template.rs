//! The primary's pod template, made from the target's.
//! Not for the objects around it.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Selector;
use super::scheduling;
use crate::canonical;
use crate::configs::Configs;
use crate::fields::{Fields, copy, edit, fields_at, into_fields, set_map};
use crate::generated::{FLAGGER_ID, pod_annotations, primary_labels};
use crate::revision::revision;

/// What a conversion needs beside the template.
pub(super) struct Conversion<'a> {
    /// Name of the target.
    pub(super) target: &'a str,
    /// How its pods are selected.
    pub(super) selector: &'a Selector,
    /// Label keys whose values stand for the target's own pods in spreading rules; empty to leave these alone.
    pub(super) scheduling_keys: &'a [String],
    /// The configs that the primary has copies of.
    pub(super) configs: Option<&'a Configs>,
}

impl Conversion<'_> {
    /// The primary's template: `template` under the primary's label, with its own configs and spreading rules.
    pub(super) fn apply(&self, template: &Value, id: &str) -> Value {
        let mut metadata = Fields::new();
        let labels = fields_at(template, "/metadata/labels");
        set_map(
            &mut metadata,
            "labels",
            primary_labels(labels, &self.selector.key, &self.selector.primary_value()),
        );
        set_map(
            &mut metadata,
            "annotations",
            pod_annotations(fields_at(template, "/metadata/annotations"), id),
        );
        let mut spec = template.get("spec").cloned().unwrap_or_default();
        if let Some(configs) = self.configs {
            configs.rename(&mut spec);
        }
        scheduling::rewrite(&mut spec, self.target, self.scheduling_keys);
        json!({"metadata": metadata, "spec": spec})
    }

    /// Whether a primary with template `primary` runs what `template` says.
    pub(super) fn is_run_by(&self, template: &Value, primary: &Value) -> bool {
        let anonymous = |template: Value| {
            let mut template = into_fields(template);
            edit(&mut template, "metadata", |metadata| {
                edit(metadata, "annotations", |annotations| {
                    annotations.remove(FLAGGER_ID);
                });
            });
            revision(&Value::Object(template))
        };
        anonymous(self.apply(template, "")) == anonymous(primary.clone())
    }
}

/// `primary` with the converted template, whose metadata keeps what is neither label nor annotation. A difference that
/// is only in what the API server fills in is none.
pub(super) fn replaced(primary: &Value, converted: &Value) -> Value {
    if revision(primary) == revision(converted) {
        return primary.clone();
    }
    let mut template = into_fields(primary.clone());
    edit(&mut template, "metadata", |metadata| {
        copy(&converted["metadata"], metadata, &["labels", "annotations"]);
    });
    copy(converted, &mut template, &["spec"]);
    Value::Object(template)
}

/// The `flagger-id` of a promotion. Flagger draws it; ours follows from what is promoted, so that a promotion that is
/// done again after a crash finds its work done, and yet a promotion of changed configs restarts the pods.
pub(super) fn identity(
    canary_uid: &str,
    revision: &str,
    configs: Option<&BTreeMap<String, String>>,
) -> String {
    let facts = json!({"canary": canary_uid, "revision": revision, "configs": configs});
    let mut bytes = [0; 16];
    for (byte, hashed) in bytes.iter_mut().zip(Sha256::digest(canonical::text(&facts).as_bytes())) {
        *byte = hashed;
    }
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selector() -> Selector {
        Selector { key: "app".into(), value: "web".into() }
    }

    fn conversion(selector: &Selector) -> Conversion<'_> {
        Conversion { target: "podinfo", selector, scheduling_keys: &[], configs: None }
    }

    fn template() -> Value {
        json!({
            "metadata": {
                "creationTimestamp": null,
                "labels": {"app": "web", "team": "a", "kustomize.toolkit.fluxcd.io/name": "x"},
                "annotations": {"prometheus.io/scrape": "true"},
            },
            "spec": {"containers": [{"name": "c", "image": "podinfo:1", "futureField": {"kept": []}}]},
        })
    }

    #[test]
    fn the_primary_gets_its_own_label_and_id_and_keeps_unknown_fields() {
        let selector = selector();
        assert_eq!(
            conversion(&selector).apply(&template(), "id-1"),
            json!({
                "metadata": {
                    "labels": {"app": "web-primary", "team": "a"},
                    "annotations": {"prometheus.io/scrape": "true", "flagger-id": "id-1"},
                },
                "spec": {"containers": [{"name": "c", "image": "podinfo:1", "futureField": {"kept": []}}]},
            })
        );
    }

    #[test]
    fn a_primary_runs_the_template_whatever_its_id() {
        let selector = selector();
        let conversion = conversion(&selector);
        let mut primary = conversion.apply(&template(), "drawn by somebody else");
        primary["spec"]["dnsPolicy"] = "ClusterFirst".into();
        assert!(conversion.is_run_by(&template(), &primary));
        primary["spec"]["containers"][0]["image"] = "podinfo:2".into();
        assert!(!conversion.is_run_by(&template(), &primary));
    }

    #[test]
    fn a_template_that_only_lacks_defaults_is_not_replaced() {
        let selector = selector();
        let converted = conversion(&selector).apply(&template(), "id");
        let mut stored = converted.clone();
        stored["spec"]["restartPolicy"] = "Always".into();
        assert_eq!(replaced(&stored, &converted), stored);
        stored["metadata"]["annotations"]["flagger-id"] = "other".into();
        assert_eq!(replaced(&stored, &converted), converted);
    }

    #[test]
    fn the_id_is_a_random_looking_uuid_that_follows_from_what_is_promoted() {
        let configs = |sum: &str| BTreeMap::from([("configmap/a".to_owned(), sum.to_owned())]);
        let ids = [
            identity("u1", "v1-1", None),
            identity("u2", "v1-1", None),
            identity("u1", "v1-2", None),
            identity("u1", "v1-1", Some(&configs("1"))),
            identity("u1", "v1-1", Some(&configs("2"))),
        ];
        let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
        assert_eq!(ids[0], identity("u1", "v1-1", None));
        let parts: Vec<usize> = ids[0].split('-').map(str::len).collect();
        assert_eq!((parts, &ids[0][14..15]), (vec![8, 4, 4, 4, 12], "4"));
    }
}
