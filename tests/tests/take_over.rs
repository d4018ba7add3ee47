//! A namespace that Flagger left is taken over on a real API server: at rest nothing is rolled out, and nothing is written but
//! the hashes that Flagger computes in another way; in the middle of a rollout it goes on.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[path = "support/left_by_flagger.rs"]
mod left_by_flagger;

use std::collections::BTreeMap;
use std::time::Duration;

use canary_tests::{
    ApiServer, deployments_become_ready, healthy_controller, install_beside_istio, installed,
};
use kube::api::{DynamicObject, ListParams, Patch, PatchParams};
use kube::runtime::wait::await_condition;
use kube::{Api, Client, ResourceExt};
use left_by_flagger::{Left, NAMESPACE, api, kinds, leave, template};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// The status of a canary that Flagger promoted.
fn promoted() -> Value {
    json!({"phase": "Succeeded", "canaryWeight": 0, "failedChecks": 1, "iterations": 0, "trackedConfigs": {},
        "lastAppliedSpec": "5f56684589", "lastPromotedSpec": "5f56684589", "lastTransitionTime": "2026-01-01T00:00:00Z",
        "conditions": [{"type": "Promoted", "status": "True", "reason": "Succeeded",
            "message": "Canary analysis completed successfully, promotion finished.",
            "lastUpdateTime": "2026-01-01T00:00:00Z", "lastTransitionTime": "2026-01-01T00:00:00Z"}]})
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
    install_beside_istio(&client, canary_api::flagger_crds()).await.unwrap();
    leave(&client, Left { status: promoted(), target: ("podinfo:6.0.1", 0, 0), baggage: false }).await;
    let before = versions(&client).await;

    let stop = CancellationToken::new();
    let running = tokio::spawn(healthy_controller(&client).run(stop.clone()));
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

/// Waits until the canary is in that phase.
async fn in_phase(canaries: &Api<DynamicObject>, phase: &'static str) {
    let is = move |canary: Option<&DynamicObject>| {
        canary.and_then(|c| c.data.pointer("/status/phase")?.as_str()) == Some(phase)
    };
    let waited =
        tokio::time::timeout(Duration::from_secs(180), await_condition(canaries.clone(), "podinfo", is));
    waited.await.unwrap_or_else(|_| panic!("never {phase}")).unwrap();
}

/// Messages of all events.
async fn messages(client: &Client) -> Vec<String> {
    let events: Api<k8s_openapi::api::core::v1::Event> = Api::namespaced(client.clone(), NAMESPACE);
    let events = events.list(&ListParams::default()).await.unwrap();
    events.items.into_iter().filter_map(|event| event.message).collect()
}

#[tokio::test]
async fn a_rollout_that_flagger_began_goes_on_and_a_later_one_leaves_nothing_of_the_old_template() {
    let Some(assets) = installed() else {
        eprintln!("skipped: KUBEBUILDER_ASSETS names no control plane");
        return;
    };
    let server = ApiServer::start(&assets).await.unwrap();
    let client = server.client().unwrap();
    install_beside_istio(&client, canary_api::flagger_crds()).await.unwrap();
    let status = json!({"phase": "Progressing", "canaryWeight": 20, "failedChecks": 0, "iterations": 0, "trackedConfigs": {},
        "lastAppliedSpec": "6c9d5bf7f4", "lastPromotedSpec": "5f56684589", "lastTransitionTime": "2026-01-01T00:00:00Z",
        "conditions": [{"type": "Promoted", "status": "Unknown", "reason": "Progressing",
            "message": "New revision detected, progressing canary analysis.",
            "lastUpdateTime": "2026-01-01T00:00:00Z", "lastTransitionTime": "2026-01-01T00:00:00Z"}]});
    leave(&client, Left { status, target: ("podinfo:6.0.2", 1, 20), baggage: true }).await;

    let stop = CancellationToken::new();
    let running = tokio::spawn(healthy_controller(&client).run(stop.clone()));
    let ready = tokio::spawn(deployments_become_ready(client.clone(), NAMESPACE));
    let (canaries, deployments) = (api(&client, &kinds()[0]), api(&client, &kinds()[1]));
    in_phase(&canaries, "Succeeded").await;
    let primary = deployments.get("podinfo-primary").await.unwrap();
    let containers = primary.data["spec"]["template"]["spec"]["containers"].as_array().unwrap();
    assert_eq!(containers[0]["image"], json!("podinfo:6.0.2"));
    assert_eq!(containers.len(), 2, "what was under way was promoted as it was");
    let told = messages(&client).await;
    assert!(told.iter().any(|m| m == "Advance podinfo.default canary weight 40"), "{told:?}");
    assert!(!told.iter().any(|m| m.contains("New revision") || m.ends_with("weight 20")), "{told:?}");

    let lean = template("podinfo", "podinfo:6.0.3", false);
    let patch = json!([{"op": "replace", "path": "/spec/template", "value": lean}]);
    let patch = Patch::<()>::Json(serde_json::from_value(patch).unwrap());
    deployments.patch("podinfo", &PatchParams::default(), &patch).await.unwrap();
    in_phase(&canaries, "Progressing").await;
    in_phase(&canaries, "Succeeded").await;
    stop.cancel();
    running.await.unwrap().unwrap();
    ready.abort();

    let primary = deployments.get("podinfo-primary").await.unwrap();
    let containers = primary.data["spec"]["template"]["spec"]["containers"].as_array().unwrap();
    assert_eq!(containers.len(), 1, "{containers:?}");
    assert_eq!(containers[0]["image"], json!("podinfo:6.0.3"));
    assert_eq!(containers[0].get("env"), None, "{containers:?}");
}
