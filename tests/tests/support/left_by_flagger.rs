//! What Flagger leaves in a namespace, built from what it leaves when it is measured.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use canary_tests::all_ready;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

pub(crate) const NAMESPACE: &str = "default";

fn kind(group: &str, version: &str, kind: &str, plural: &str) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
}

/// Every kind that a canary on Istio is made of.
pub(crate) fn kinds() -> Vec<ApiResource> {
    vec![
        kind("flagger.app", "v1beta1", "Canary", "canaries"),
        kind("apps", "v1", "Deployment", "deployments"),
        kind("", "v1", "Service", "services"),
        kind("networking.istio.io", "v1beta1", "DestinationRule", "destinationrules"),
        kind("networking.istio.io", "v1beta1", "VirtualService", "virtualservices"),
    ]
}

pub(crate) fn api(client: &Client, kind: &ApiResource) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), NAMESPACE, kind)
}

/// The state of a canary that is left.
pub(crate) struct Left {
    /// Phase, counters and hashes.
    pub(crate) status: Value,
    /// Image, pods and share of the target.
    pub(crate) target: (&'static str, u64, u64),
    /// Environment and second container, of the target and of its copy.
    pub(crate) baggage: bool,
}

/// The pod template of the tutorial, in the copy or in the original.
pub(crate) fn template(app: &str, image: &str, baggage: bool) -> Value {
    let port = json!({"name": "http", "containerPort": 9898});
    let mut containers = vec![json!({"name": "podinfod", "image": image, "ports": [port]})];
    if baggage {
        containers[0]["env"] = json!([{"name": "OLD", "value": "1"}]);
        containers.push(json!({"name": "sidecar", "image": "sidecar:1.0.0"}));
    }
    json!({"metadata": {"labels": {"app": app}, "annotations": {"prometheus.io/scrape": "true"}},
           "spec": {"containers": containers}})
}

/// A Deployment as Flagger leaves it.
fn deployment(name: &str, replicas: u64, mut template: Value, owner: Option<&Value>) -> Value {
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}},
    });
    if let Some(owner) = owner {
        template["metadata"]["annotations"]["flagger-id"] = json!("7d1f3c2e-3a41-4c53-8a0c-2e4f7a0b9c1d");
        object["metadata"]["ownerReferences"] = json!([owner]);
    }
    object["spec"]["template"] = template;
    object
}

async fn create(client: &Client, object: Value, status: Option<Value>) -> DynamicObject {
    let wanted = object["kind"].as_str().unwrap().to_owned();
    let kind = kinds().into_iter().find(|k| k.kind == wanted).unwrap();
    let api = api(client, &kind);
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    let created = api.create(&PostParams::default(), &object).await.unwrap();
    match status {
        None => created,
        Some(status) => {
            let patch = Patch::Merge(json!({"status": status}));
            api.patch_status(&created.name_any(), &PatchParams::default(), &patch).await.unwrap()
        }
    }
}

/// Creates what Flagger leaves.
pub(crate) async fn leave(client: &Client, left: Left) {
    let (image, replicas, weight) = left.target;
    let analysis = json!({"interval": "10s", "threshold": 2, "maxWeight": 40, "stepWeight": 20,
        "metrics": [{"name": "request-success-rate", "thresholdRange": {"min": 99}, "interval": "1m"}]});
    let canary = json!({
        "apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": {"name": "podinfo"},
        "spec": {"provider": "istio", "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"},
                 "service": {"port": 80, "targetPort": 9898, "hosts": ["*"]}, "analysis": analysis},
    });
    let canary = create(client, canary, Some(left.status)).await;
    let owner = json!({"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "name": "podinfo", "uid": canary.uid(),
                       "controller": true, "blockOwnerDeletion": true});
    let primary = ("podinfo-primary", "podinfo:6.0.1", 2, Some(&owner));
    for (name, image, replicas, owner) in [("podinfo", image, replicas, None), primary] {
        let object = deployment(name, replicas, template(name, image, left.baggage), owner);
        create(client, object, Some(all_ready(1, replicas))).await;
    }
    let toolkit = json!({"kustomize.toolkit.fluxcd.io/reconcile": "disabled", "helm.toolkit.fluxcd.io/driftDetection": "disabled"});
    for (name, app) in [
        ("podinfo", "podinfo-primary"),
        ("podinfo-primary", "podinfo-primary"),
        ("podinfo-canary", "podinfo"),
    ] {
        let service = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "labels": {"app": name}, "annotations": toolkit, "ownerReferences": [owner]},
            "spec": {"type": "ClusterIP", "selector": {"app": app}, "ports": [{"name": "http", "port": 80, "targetPort": 9898}]},
        });
        create(client, service, None).await;
    }
    for name in ["podinfo-primary", "podinfo-canary"] {
        let rule = json!({"apiVersion": "networking.istio.io/v1beta1", "kind": "DestinationRule",
            "metadata": {"name": name, "ownerReferences": [owner]}, "spec": {"host": name}});
        create(client, rule, None).await;
    }
    let route = json!({"apiVersion": "networking.istio.io/v1beta1", "kind": "VirtualService",
        "metadata": {"name": "podinfo", "annotations": toolkit, "ownerReferences": [owner]},
        "spec": {"gateways": ["mesh"], "hosts": ["*"], "http": [{"route": [
            {"destination": {"host": "podinfo-primary"}, "weight": 100 - weight},
            {"destination": {"host": "podinfo-canary"}, "weight": weight}]}]}});
    create(client, route, None).await;
}
