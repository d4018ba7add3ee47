//! What the API server fills into a pod template, taken out again.
//! Nothing else is normalised: what people wrote differently stays different.

use serde_json::{Value, json};

use crate::fields::each_mut;

/// Maps that mean nothing when empty. An empty label selector is not among them: it selects everything.
const VOID_WHEN_EMPTY: [&str; 9] = [
    "annotations",
    "labels",
    "limits",
    "matchLabels",
    "nodeSelector",
    "overhead",
    "requests",
    "resources",
    "securityContext",
];

/// Takes the defaults out of a pod template.
pub(super) fn strip(template: &mut Value) {
    if let Some(spec) = template.get_mut("spec") {
        pod(spec);
    }
    drop_void(template);
}

fn pod(spec: &mut Value) {
    forget(spec, "dnsPolicy", &json!("ClusterFirst"));
    forget(spec, "restartPolicy", &json!("Always"));
    forget(spec, "schedulerName", &json!("default-scheduler"));
    forget(spec, "terminationGracePeriodSeconds", &json!(30));
    // The old name of the same field, which the API server keeps equal.
    if let Some(name) = spec.get("serviceAccountName").cloned() {
        forget(spec, "serviceAccount", &name);
    }
    for kind in ["containers", "initContainers", "ephemeralContainers"] {
        each_mut(spec, kind).for_each(container);
    }
    each_mut(spec, "volumes").for_each(volume);
}

fn container(container: &mut Value) {
    forget(container, "terminationMessagePath", &json!("/dev/termination-log"));
    forget(container, "terminationMessagePolicy", &json!("File"));
    let policy = pull_policy(container.get("image").and_then(Value::as_str).unwrap_or_default());
    forget(container, "imagePullPolicy", &json!(policy));
    each_mut(container, "ports").for_each(|port| forget(port, "protocol", &json!("TCP")));
    for variable in each_mut(container, "env") {
        if let Some(source) = variable.get_mut("valueFrom") {
            pod_field(source);
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(name) {
            forget(probe, "timeoutSeconds", &json!(1));
            forget(probe, "periodSeconds", &json!(10));
            forget(probe, "successThreshold", &json!(1));
            forget(probe, "failureThreshold", &json!(3));
            http_get(probe);
            if let Some(grpc) = probe.get_mut("grpc") {
                forget(grpc, "service", &json!(""));
            }
        }
    }
    for name in ["postStart", "preStop"] {
        if let Some(handler) = container.get_mut("lifecycle").and_then(|lifecycle| lifecycle.get_mut(name)) {
            http_get(handler);
        }
    }
}

/// The policy that an image gets when none is given: a moving tag is pulled always.
fn pull_policy(image: &str) -> &'static str {
    let (name, digest) = image.split_once('@').map_or((image, false), |(name, _)| (name, true));
    let last = name.rsplit('/').next().unwrap_or_default();
    match last.split_once(':') {
        Some((_, "latest")) => "Always",
        None if !digest => "Always",
        Some(_) | None => "IfNotPresent",
    }
}

fn http_get(handler: &mut Value) {
    if let Some(get) = handler.get_mut("httpGet") {
        forget(get, "scheme", &json!("HTTP"));
        forget(get, "path", &json!("/"));
    }
}

/// Of a variable or a file of the downward API.
fn pod_field(source: &mut Value) {
    if let Some(field) = source.get_mut("fieldRef") {
        forget(field, "apiVersion", &json!("v1"));
    }
    if let Some(field) = source.get_mut("resourceFieldRef") {
        forget(field, "divisor", &json!("0"));
    }
}

fn volume(volume: &mut Value) {
    for kind in ["configMap", "secret", "downwardAPI", "projected"] {
        if let Some(source) = volume.get_mut(kind) {
            forget(source, "defaultMode", &json!(420));
        }
    }
    if let Some(files) = volume.get_mut("downwardAPI") {
        each_mut(files, "items").for_each(pod_field);
    }
    if let Some(projected) = volume.get_mut("projected") {
        for source in each_mut(projected, "sources") {
            if let Some(files) = source.get_mut("downwardAPI") {
                each_mut(files, "items").for_each(pod_field);
            }
            if let Some(token) = source.get_mut("serviceAccountToken") {
                forget(token, "expirationSeconds", &json!(3600));
            }
        }
    }
    if let Some(path) = volume.get_mut("hostPath") {
        forget(path, "type", &json!(""));
    }
    if let Some(claim) = volume.pointer_mut("/ephemeral/volumeClaimTemplate") {
        forget(claim, "metadata", &json!({}));
        if let Some(spec) = claim.get_mut("spec") {
            forget(spec, "volumeMode", &json!("Filesystem"));
        }
    }
    // A volume without a source is an empty directory.
    forget(volume, "emptyDir", &json!({}));
}

/// Removes `key` when it has the value that the API server would give it.
fn forget(object: &mut Value, key: &str, default: &Value) {
    if let Some(fields) = object.as_object_mut()
        && fields.get(key) == Some(default)
    {
        fields.remove(key);
    }
}

/// Removes nulls, empty lists and maps that mean nothing when empty.
fn drop_void(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(drop_void);
            fields.retain(|key, field| match field {
                Value::Null => false,
                Value::Array(items) => !items.is_empty(),
                Value::Object(inner) => !inner.is_empty() || !VOID_WHEN_EMPTY.contains(&key.as_str()),
                Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
            });
        }
        Value::Array(items) => items.iter_mut().for_each(drop_void),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_moving_tags_are_pulled_always() {
        for (image, policy) in [
            ("podinfo", "Always"),
            ("podinfo:latest", "Always"),
            ("registry:5000/podinfo", "Always"),
            ("podinfo:latest@sha256:00", "Always"),
            ("podinfo:6.0.0", "IfNotPresent"),
            ("registry:5000/a/podinfo:6.0.0", "IfNotPresent"),
            ("podinfo@sha256:00", "IfNotPresent"),
        ] {
            assert_eq!(pull_policy(image), policy, "{image}");
        }
    }
}
