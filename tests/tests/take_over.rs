//! A namespace that Flagger left is taken over on a real API server: nothing is rolled out, and nothing is written but the
//! hashes that Flagger computes in another way.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use canary_controller::{Controller, Settings};
use canary_core::{HookAnswer, HookCall, Hooks, MetricError, MetricProvider};
use canary_metrics::MetricProviders;
use canary_tests::{ApiServer, installed};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const NAMESPACE: &str = "default";

/// Answers every query well.
struct Healthy;

#[async_trait]
impl MetricProvider for Healthy {
    async fn query(&self, _: &str) -> Result<Option<f64>, MetricError> {
        Ok(Some(100.0))
    }
    async fn check(&self) -> Result<(), MetricError> {
        Ok(())
    }
}

#[async_trait]
impl Hooks for Healthy {
    async fn call(&self, _: &HookCall) -> HookAnswer {
        HookAnswer::Passed
    }
}

fn kind(group: &str, version: &str, kind: &str, plural: &str) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
}

/// Every kind that a canary on Istio is made of.
fn kinds() -> Vec<ApiResource> {
    vec![
        kind("flagger.app", "v1beta1", "Canary", "canaries"),
        kind("apps", "v1", "Deployment", "deployments"),
        kind("", "v1", "Service", "services"),
        kind("networking.istio.io", "v1beta1", "DestinationRule", "destinationrules"),
        kind("networking.istio.io", "v1beta1", "VirtualService", "virtualservices"),
    ]
}

fn api(client: &Client, kind: &ApiResource) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), NAMESPACE, kind)
}

async fn install(client: &Client) {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let open = |kind: &str, plural: &str| {
        let object = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.networking.istio.io")},
            "spec": {"group": "networking.istio.io", "scope": "Namespaced",
                "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase(), "listKind": format!("{kind}List")},
                "versions": [{"name": "v1beta1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                    "type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]},
        });
        serde_json::from_value(object).unwrap()
    };
    let meshes = [open("VirtualService", "virtualservices"), open("DestinationRule", "destinationrules")];
    for crd in canary_api::flagger_crds().into_iter().chain(meshes) {
        let name = crd.metadata.name.clone().unwrap();
        definitions.create(&PostParams::default(), &crd).await.unwrap();
        await_condition(definitions.clone(), &name, conditions::is_crd_established()).await.unwrap();
    }
}

/// A Deployment as Flagger leaves it, and the status that its controllers would report.
fn deployment(name: &str, replicas: u64, owner: Option<&Value>) -> (Value, Value) {
    let mut template = json!({
        "metadata": {"labels": {"app": name}, "annotations": {"prometheus.io/scrape": "true"}},
        "spec": {"containers": [{"name": "podinfod", "image": "podinfo:6.0.1", "ports": [{"name": "http", "containerPort": 9898}]}]},
    });
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
    let status = json!({"observedGeneration": 1, "replicas": replicas, "updatedReplicas": replicas,
        "readyReplicas": replicas, "availableReplicas": replicas,
        "conditions": [{"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
                       {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"}]});
    (object, status)
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

/// What Flagger leaves in a namespace whose canary it promoted.
async fn leave(client: &Client) {
    let analysis = json!({"interval": "10s", "threshold": 2, "maxWeight": 40, "stepWeight": 20,
        "metrics": [{"name": "request-success-rate", "thresholdRange": {"min": 99}, "interval": "1m"}]});
    let canary = json!({
        "apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": {"name": "podinfo"},
        "spec": {"provider": "istio", "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"},
                 "service": {"port": 80, "targetPort": 9898, "hosts": ["*"]}, "analysis": analysis},
    });
    let status = json!({"phase": "Succeeded", "canaryWeight": 0, "failedChecks": 1, "iterations": 0, "trackedConfigs": {},
        "lastAppliedSpec": "5f56684589", "lastPromotedSpec": "5f56684589", "lastTransitionTime": "2026-01-01T00:00:00Z",
        "conditions": [{"type": "Promoted", "status": "True", "reason": "Succeeded",
            "message": "Canary analysis completed successfully, promotion finished.",
            "lastUpdateTime": "2026-01-01T00:00:00Z", "lastTransitionTime": "2026-01-01T00:00:00Z"}]});
    let canary = create(client, canary, Some(status)).await;
    let owner = json!({"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "name": "podinfo", "uid": canary.uid(),
                       "controller": true, "blockOwnerDeletion": true});
    for (name, replicas, owner) in [("podinfo", 0, None), ("podinfo-primary", 2, Some(&owner))] {
        let (object, status) = deployment(name, replicas, owner);
        create(client, object, Some(status)).await;
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
            {"destination": {"host": "podinfo-primary"}, "weight": 100},
            {"destination": {"host": "podinfo-canary"}, "weight": 0}]}]}});
    create(client, route, None).await;
}

/// Versions of all objects, by kind and name.
async fn versions(client: &Client) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for kind in kinds() {
        for object in api(client, &kind).list(&ListParams::default()).await.unwrap() {
            let name = format!("{}/{}", kind.kind, object.name_any());
            all.insert(name, object.resource_version().unwrap_or_default());
        }
    }
    all
}

#[tokio::test]
async fn a_namespace_that_flagger_left_is_taken_over_without_a_rollout() {
    let Some(assets) = installed() else {
        eprintln!("skipped: KUBEBUILDER_ASSETS names no control plane");
        return;
    };
    let server = ApiServer::start(&assets).await.unwrap();
    let client = server.client().unwrap();
    install(&client).await;
    leave(&client).await;
    let before = versions(&client).await;

    let stop = CancellationToken::new();
    let controller = Controller::new(client.clone(), Settings::default())
        .with_hooks(Arc::new(Healthy))
        .with_providers(MetricProviders::default().with("prometheus", |_| Ok(Arc::new(Healthy))));
    let running = tokio::spawn(controller.run(stop.clone()));
    let canaries = api(&client, &kinds()[0]);
    let adopted = |canary: Option<&DynamicObject>| {
        let applied = canary.and_then(|c| c.data.pointer("/status/lastAppliedSpec")?.as_str());
        applied.is_some_and(|hash| hash.starts_with("v1-"))
    };
    let waited = await_condition(canaries.clone(), "podinfo", adopted);
    tokio::time::timeout(Duration::from_secs(30), waited).await.unwrap().unwrap();
    // Whatever else it wanted to write follows at once: at rest there is no tick.
    stop.cancel();
    running.await.unwrap().unwrap();

    let mut after = versions(&client).await;
    let mut expected = before;
    assert_ne!(expected.remove("Canary/podinfo"), after.remove("Canary/podinfo"));
    assert_eq!(expected, after, "only the Canary was written");
    let canary = canaries.get("podinfo").await.unwrap();
    let status = &canary.data["status"];
    assert_eq!((&status["phase"], &status["failedChecks"]), (&json!("Succeeded"), &json!(1)));
    assert_eq!(status["lastAppliedSpec"], status["lastPromotedSpec"]);
    assert_eq!(
        status["conditions"][0]["lastUpdateTime"],
        json!("2026-01-01T00:00:00Z"),
        "no transition was made"
    );
    let events: Api<k8s_openapi::api::core::v1::Event> = Api::namespaced(client, NAMESPACE);
    assert_eq!(events.list(&ListParams::default()).await.unwrap().items.len(), 0);
}
