//! Objects that a canary refers to and that are not in the files, as plain as they can be.

use canary_api::{TargetKind, ValidCanary};
use serde_json::{Value, json};

/// A target that serves on that port.
pub(crate) fn target(canary: &ValidCanary, port: i32) -> Value {
    let (name, namespace) = (canary.target(), &canary.namespace);
    let labels = json!({ "app": name });
    let ports = json!([{ "name": "http", "containerPort": port }]);
    let container = json!({ "name": name, "image": format!("{name}:1.0.0"), "ports": ports });
    let template = json!({ "metadata": { "labels": labels }, "spec": { "containers": [container] } });
    let metadata = json!({ "name": name, "namespace": namespace });
    let selector = json!({ "matchLabels": labels });
    match canary.target_kind {
        TargetKind::Service => json!({
            "apiVersion": "v1", "kind": "Service", "metadata": metadata,
            "spec": { "selector": labels, "ports": [{ "name": "http", "port": port }] },
        }),
        TargetKind::Knative => json!({
            "apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": metadata,
            "spec": { "template": template },
        }),
        TargetKind::DaemonSet => json!({
            "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": metadata,
            "spec": { "selector": selector, "template": template },
        }),
        TargetKind::Deployment | _ => json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
            "spec": { "replicas": 2, "selector": selector, "template": template },
        }),
    }
}

/// An autoscaler of the target, between 2 and 4 replicas.
pub(crate) fn horizontal_autoscaler(name: &str, canary: &ValidCanary) -> Value {
    let cpu = json!({ "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 90 } });
    json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": { "name": name, "namespace": canary.namespace },
        "spec": {
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": canary.target() },
            "minReplicas": 2, "maxReplicas": 4,
            "metrics": [{ "type": "Resource", "resource": cpu }],
        },
    })
}
