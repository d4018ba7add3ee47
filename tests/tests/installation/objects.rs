//! What is released: a Deployment with configs and an autoscaler, queries and chats with logins, and a canary that gives
//! everything back.

use serde_json::{Value, json};

fn deployment(name: &str) -> Value {
    let from = |kind: &str| json!({kind: {"name": "podinfo"}});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "podinfod", "image": "podinfo:1",
                "ports": [{"name": "http", "containerPort": 9898}],
                "envFrom": [from("configMapRef"), from("secretRef")]}]},
        }},
    })
}

fn canary(name: &str, more: &Value) -> Value {
    let mut spec = json!({
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        "service": {"port": 80, "targetPort": 9898},
        "analysis": {"interval": "10s", "threshold": 2, "iterations": 2,
            "alerts": [{"name": "all", "severity": "info", "providerRef": {"name": "chat"}}],
            "metrics": [{"name": "requests", "interval": "1m", "thresholdRange": {"min": 1},
                         "templateRef": {"name": "requests"}}]},
    });
    if let (Some(spec), Some(more)) = (spec.as_object_mut(), more.as_object()) {
        spec.extend(more.clone());
    }
    json!({"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": {"name": name}, "spec": spec})
}

fn daemon_set(name: &str) -> Value {
    let mut object = deployment(name);
    object["kind"] = "DaemonSet".into();
    if let Some(spec) = object["spec"].as_object_mut() {
        spec.remove("replicas");
    }
    object
}

/// All objects, in the order in which they are created.
pub(crate) fn objects(prometheus: &str, chat: &str) -> Vec<Value> {
    let secret = |name: &str, data: Value| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data});
    vec![
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "podinfo"}, "data": {"color": "blue"}}),
        secret("podinfo", json!({"token": "one"})),
        secret("login", json!({"username": "me", "password": "secret"})),
        secret("chat", json!({"address": chat})),
        json!({"apiVersion": "flagger.app/v1beta1", "kind": "MetricTemplate", "metadata": {"name": "requests"},
               "spec": {"provider": {"type": "prometheus", "address": prometheus, "secretRef": {"name": "login"}},
                        "query": "sum(requests)"}}),
        json!({"apiVersion": "flagger.app/v1beta1", "kind": "AlertProvider", "metadata": {"name": "chat"},
               "spec": {"type": "slack", "channel": "general", "username": "flagger", "secretRef": {"name": "chat"}}}),
        deployment("podinfo"),
        deployment("reverted"),
        // The user's own, which is taken over.
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "podinfo"},
               "spec": {"selector": {"app": "podinfo"}, "ports": [{"name": "http", "port": 80, "targetPort": 9898}]}}),
        json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "podinfo"},
               "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"},
                        "minReplicas": 1, "maxReplicas": 4}}),
        canary(
            "podinfo",
            &json!({"autoscalerRef": {
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "name": "podinfo"}}),
        ),
        canary("reverted", &json!({"revertOnDeletion": true})),
        daemon_set("agent"),
        canary(
            "agent",
            &json!({"targetRef": {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "agent"}}),
        ),
        deployment("scaled"),
        json!({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "scaled"},
               "spec": {"scaleTargetRef": {"name": "scaled"}, "maxReplicaCount": 3,
                        "triggers": [{"type": "prometheus", "metadata": {"query": "requests{app=\"scaled\"}"}}]}}),
        canary(
            "scaled",
            &json!({"autoscalerRef": {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "scaled"}}),
        ),
    ]
}
