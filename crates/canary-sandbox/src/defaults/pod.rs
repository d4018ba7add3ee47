//! Pods and pod templates.

use serde_json::{Value, json};

use super::{child, each, quantity, set};
use crate::errors::Cause;

const CONTAINERS: [&str; 2] = ["initContainers", "containers"];

/// Writes quantities in their canonical form; they may come as numbers.
pub(super) fn readable(spec: &mut Value) {
    for list in CONTAINERS {
        for container in each(spec, list) {
            for bounds in ["limits", "requests"] {
                if let Some(map) = container.get_mut("resources").and_then(|r| r.get_mut(bounds)) {
                    quantity::canonical_map(map);
                }
            }
        }
    }
    for volume in each(spec, "volumes") {
        if let Some(limit) = volume.pointer_mut("/emptyDir/sizeLimit") {
            quantity::canonical(limit);
        }
    }
}

pub(super) fn apply(spec: &mut Value) {
    if !spec.is_object() {
        return;
    }
    set(spec, "restartPolicy", || "Always".into());
    set(spec, "terminationGracePeriodSeconds", || 30.into());
    set(spec, "dnsPolicy", || "ClusterFirst".into());
    set(spec, "schedulerName", || "default-scheduler".into());
    child(spec, "securityContext");
    if let Some(account) = spec.get("serviceAccountName").filter(|a| a.is_string()).cloned() {
        set(spec, "serviceAccount", || account);
    }
    if spec["hostNetwork"] == false
        && let Some(map) = spec.as_object_mut()
    {
        map.remove("hostNetwork");
    }
    for list in CONTAINERS {
        for item in each(spec, list) {
            container(item);
        }
    }
    for item in each(spec, "volumes") {
        volume(item);
    }
    for spread in each(spec, "topologySpreadConstraints") {
        set(spread, "whenUnsatisfiable", || "DoNotSchedule".into());
    }
}

fn container(container: &mut Value) {
    let image = container["image"].as_str().unwrap_or_default().to_owned();
    child(container, "resources");
    set(container, "terminationMessagePath", || "/dev/termination-log".into());
    set(container, "terminationMessagePolicy", || "File".into());
    set(container, "imagePullPolicy", || pull_policy(&image).into());
    if let Some(resources) = container["resources"].as_object_mut() {
        let limits = resources.get("limits").and_then(Value::as_object).cloned().unwrap_or_default();
        if !limits.is_empty() {
            // What is limited and not requested is requested up to its limit.
            let requests = resources.entry("requests").or_insert_with(|| json!({}));
            for (name, limit) in limits {
                set(requests, &name, || limit);
            }
        }
    }
    for port in each(container, "ports") {
        set(port, "protocol", || "TCP".into());
    }
    for variable in each(container, "env") {
        if variable["value"] == ""
            && let Some(map) = variable.as_object_mut()
        {
            map.remove("value");
        }
        if let Some(reference) = variable.pointer_mut("/valueFrom/fieldRef") {
            set(reference, "apiVersion", || "v1".into());
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(probe).filter(|p| p.is_object()) {
            set(probe, "timeoutSeconds", || 1.into());
            set(probe, "periodSeconds", || 10.into());
            set(probe, "successThreshold", || 1.into());
            set(probe, "failureThreshold", || 3.into());
            if let Some(get) = probe.get_mut("httpGet") {
                set(get, "path", || "/".into());
                set(get, "scheme", || "HTTP".into());
            }
            if let Some(call) = probe.get_mut("grpc") {
                set(call, "service", || "".into());
            }
        }
    }
    for moment in ["postStart", "preStop"] {
        if let Some(get) = container.pointer_mut(&format!("/lifecycle/{moment}/httpGet")) {
            set(get, "path", || "/".into());
            set(get, "scheme", || "HTTP".into());
        }
    }
}

/// An image without tag, or with `latest`, is pulled each time.
fn pull_policy(image: &str) -> &'static str {
    if image.contains('@') {
        return "IfNotPresent";
    }
    let last = image.rsplit('/').next().unwrap_or_default();
    match last.split_once(':') {
        Some((_, tag)) if tag != "latest" => "IfNotPresent",
        _ => "Always",
    }
}

fn volume(volume: &mut Value) {
    for source in ["configMap", "secret", "downwardAPI", "projected"] {
        if let Some(source) = volume.get_mut(source).filter(|s| s.is_object()) {
            set(source, "defaultMode", || 420.into());
        }
    }
    if let Some(path) = volume.get_mut("hostPath").filter(|p| p.is_object())
        && path.get("type").is_none()
    {
        path["type"] = "".into();
    }
    if let Some(sources) = volume.get_mut("projected") {
        for source in each(sources, "sources") {
            if let Some(token) = source.get_mut("serviceAccountToken") {
                set(token, "expirationSeconds", || 3600.into());
            }
        }
    }
    let sources = volume.as_object().map_or(0, serde_json::Map::len);
    if sources == 1 {
        volume["emptyDir"] = json!({});
    }
}

pub(super) fn faults(spec: &Value, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    let containers = spec["containers"].as_array().map(Vec::as_slice).unwrap_or_default();
    if containers.is_empty() {
        causes.push(Cause::required(format!("{path}.containers"), ""));
    }
    let mut names = Vec::new();
    for (at, container) in containers.iter().enumerate() {
        let field = |key: &str| format!("{path}.containers[{at}].{key}");
        let name = container["name"].as_str().unwrap_or_default();
        if name.is_empty() {
            causes.push(Cause::required(field("name"), ""));
        } else if names.contains(&name) {
            causes.push(Cause::duplicate(field("name"), &name.into()));
        }
        names.push(name);
        if container["image"].as_str().unwrap_or_default().is_empty() {
            causes.push(Cause::required(field("image"), ""));
        }
    }
    causes
}
