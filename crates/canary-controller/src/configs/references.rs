//! Where a pod spec names ConfigMaps and Secrets.
//! Pull secrets, service account tokens and volumes of other kinds are not configuration.

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::core::ApiResource;
use serde_json::Value;

use crate::fields::each_mut;

/// What configuration is kept in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ConfigKind {
    /// A `ConfigMap`.
    ConfigMap,
    /// A `Secret`.
    Secret,
}

impl ConfigKind {
    /// The word in messages and in the keys of the status.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::ConfigMap => "configmap",
            Self::Secret => "secret",
        }
    }

    /// The kind as the API knows it.
    pub(crate) fn resource(self) -> ApiResource {
        match self {
            Self::ConfigMap => ApiResource::erase::<ConfigMap>(&()),
            Self::Secret => ApiResource::erase::<Secret>(&()),
        }
    }
}

/// The distinct objects that a pod template uses, in the order of their first mention, and whether it needs them: of
/// several mentions the last one says so.
pub(super) fn used(template: &Value) -> Vec<(ConfigKind, String, bool)> {
    let mut found: Vec<(ConfigKind, String, bool)> = Vec::new();
    let mut spec = template.get("spec").cloned().unwrap_or_default();
    visit(&mut spec, &mut |kind, name, required| {
        let Some(name) = name.as_str().filter(|name| !name.is_empty()) else { return };
        match found.iter_mut().find(|(k, n, _)| *k == kind && n == name) {
            Some(known) => known.2 = required,
            None => found.push((kind, name.to_owned(), required)),
        }
    });
    found
}

/// Shows each mention in a pod spec: the kind, the name as it stands there, and whether the object must exist.
pub(super) fn visit(pod_spec: &mut Value, seen: &mut dyn FnMut(ConfigKind, &mut Value, bool)) {
    for volume in each_mut(pod_spec, "volumes") {
        mention(volume, "configMap", "name", ConfigKind::ConfigMap, seen);
        mention(volume, "secret", "secretName", ConfigKind::Secret, seen);
        if let Some(projected) = volume.get_mut("projected") {
            for source in each_mut(projected, "sources") {
                mention(source, "configMap", "name", ConfigKind::ConfigMap, seen);
                mention(source, "secret", "name", ConfigKind::Secret, seen);
            }
        }
    }
    for list in ["containers", "initContainers"] {
        for container in each_mut(pod_spec, list) {
            for variable in each_mut(container, "env") {
                if let Some(source) = variable.get_mut("valueFrom") {
                    mention(source, "configMapKeyRef", "name", ConfigKind::ConfigMap, seen);
                    mention(source, "secretKeyRef", "name", ConfigKind::Secret, seen);
                }
            }
            for source in each_mut(container, "envFrom") {
                mention(source, "configMapRef", "name", ConfigKind::ConfigMap, seen);
                mention(source, "secretRef", "name", ConfigKind::Secret, seen);
            }
        }
    }
}

fn mention(
    holder: &mut Value,
    key: &str,
    name_key: &str,
    kind: ConfigKind,
    seen: &mut dyn FnMut(ConfigKind, &mut Value, bool),
) {
    let Some(reference) = holder.get_mut(key) else { return };
    let required = !reference.get("optional").and_then(Value::as_bool).unwrap_or(false);
    if let Some(name) = reference.get_mut(name_key) {
        seen(kind, name, required);
    }
}
