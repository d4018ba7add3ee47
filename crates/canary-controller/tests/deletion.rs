//! What is left when a Canary is deleted, with `revertOnDeletion` and without.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[path = "support/farm.rs"]
mod farm;

use std::sync::Arc;

use canary_controller::Settings;
use canary_sandbox::Sandbox;
use farm::{
    CANARIES, DEPLOYMENTS, NAMESPACE, Open, Traffic, apply_image, canary_weight, live, messages, pass, phase,
    sandbox, until,
};
use serde_json::{Value, json};

const ROUTES: &str = "virtualservices.networking.istio.io";

/// The tutorial with `revertOnDeletion`, taking over a Service and a VirtualService of the user's.
fn reverting() -> Sandbox {
    let sandbox = sandbox();
    sandbox
        .patch_object(CANARIES, NAMESPACE, "podinfo", &json!({"spec": {"revertOnDeletion": true}}))
        .unwrap();
    for object in [
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "podinfo", "namespace": NAMESPACE},
               "spec": {"selector": {"app": "podinfo"}, "ports": [{"name": "web", "port": 80, "targetPort": "http"}]}}),
        json!({"apiVersion": "networking.istio.io/v1beta1", "kind": "VirtualService",
               "metadata": {"name": "podinfo", "namespace": NAMESPACE, "annotations": {"note": "mine"}},
               "spec": {"hosts": ["app.example.com"], "http": [{"route": [{"destination": {"host": "podinfo"}}]}]}}),
    ] {
        sandbox.put_object(object).unwrap();
    }
    sandbox
}

fn replicas(sandbox: &Sandbox) -> Option<i64> {
    sandbox.get(DEPLOYMENTS, NAMESPACE, "podinfo")?.pointer("/spec/replicas")?.as_i64()
}

fn is_gone(sandbox: &Sandbox) -> bool {
    sandbox.get(CANARIES, NAMESPACE, "podinfo").is_none()
}

#[test]
fn everything_is_given_back_capacity_first() {
    let sandbox = reverting();
    live(&sandbox, Settings::default(), Arc::new(Open), async {
        until(&sandbox, "initialized", || phase(&sandbox) == "Initialized").await;
        let canary = sandbox.get(CANARIES, NAMESPACE, "podinfo").unwrap();
        assert_eq!(canary["metadata"]["finalizers"], json!(["finalizer.flagger.app"]));
        assert_eq!(replicas(&sandbox), Some(0));
        pass(30).await;

        let mut traffic = Traffic::default();
        sandbox.after_each_request(move |request, view| {
            // The user's route names the apex, which the model of traffic takes for the primary.
            let given_back = view
                .get(ROUTES, NAMESPACE, "podinfo")
                .is_some_and(|r| r["spec"]["hosts"] == json!(["app.example.com"]));
            if given_back { Ok(()) } else { traffic.inspect(request, view) }
        });
        sandbox.delete_object(CANARIES, NAMESPACE, "podinfo").unwrap();
        until(&sandbox, "gone", || is_gone(&sandbox)).await;
        until(&sandbox, "collected", || sandbox.get(DEPLOYMENTS, NAMESPACE, "podinfo-primary").is_none())
            .await;
        pass(30).await;
    });
    assert_eq!(sandbox.violations(), Vec::<String>::new());
    assert_eq!(replicas(&sandbox), Some(2));
    let apex = sandbox.get("services", NAMESPACE, "podinfo").unwrap();
    assert_eq!(apex["spec"]["selector"], json!({"app": "podinfo"}));
    assert_eq!(
        apex.pointer("/metadata/annotations").and_then(Value::as_object).map_or(0, serde_json::Map::len),
        0
    );
    let route = sandbox.get(ROUTES, NAMESPACE, "podinfo").unwrap();
    assert_eq!(route["spec"]["hosts"], json!(["app.example.com"]));
    assert_eq!(route["spec"]["http"], json!([{"route": [{"destination": {"host": "podinfo"}}]}]));
    let told = messages(&sandbox);
    for text in ["Terminating canary podinfo.test", "Terminated canary podinfo.test"] {
        assert!(told.iter().any(|m| m == text), "{text}");
    }
}

#[test]
fn a_rollout_stops_when_the_canary_is_deleted() {
    let sandbox = reverting();
    live(&sandbox, Settings::default(), Arc::new(Open), async {
        until(&sandbox, "initialized", || phase(&sandbox) == "Initialized").await;
        apply_image(&sandbox, "stefanprodan/podinfo:6.0.1");
        until(&sandbox, "20 %", || canary_weight(&sandbox) == Some(20)).await;
        sandbox.delete_object(CANARIES, NAMESPACE, "podinfo").unwrap();
        until(&sandbox, "gone", || is_gone(&sandbox)).await;
    });
    let told = messages(&sandbox);
    assert!(!told.iter().any(|m| m.contains("weight 30")), "{told:?}");
}

#[test]
fn a_missing_target_or_mesh_object_makes_no_canary_undeletable() {
    for missing in [DEPLOYMENTS, "services", ROUTES] {
        let sandbox = reverting();
        live(&sandbox, Settings::default(), Arc::new(Open), async {
            until(&sandbox, "initialized", || phase(&sandbox) == "Initialized").await;
            sandbox
                .patch_object(CANARIES, NAMESPACE, "podinfo", &json!({"spec": {"suspend": true}}))
                .unwrap();
            pass(10).await;
            sandbox.delete_object(missing, NAMESPACE, "podinfo").unwrap();
            sandbox.delete_object(CANARIES, NAMESPACE, "podinfo").unwrap();
            until(&sandbox, missing, || is_gone(&sandbox)).await;
        });
    }
}

#[test]
fn a_canary_that_cannot_be_read_can_be_deleted() {
    let sandbox = reverting();
    live(&sandbox, Settings::default(), Arc::new(Open), async {
        until(&sandbox, "initialized", || phase(&sandbox) == "Initialized").await;
        sandbox
            .patch_object(CANARIES, NAMESPACE, "podinfo", &json!({"spec": {"analysis": {"stepWeight": 0.5}}}))
            .unwrap();
        pass(10).await;
        sandbox.delete_object(CANARIES, NAMESPACE, "podinfo").unwrap();
        until(&sandbox, "gone", || is_gone(&sandbox)).await;
    });
}

#[test]
fn the_finalizer_goes_when_the_field_goes() {
    let sandbox = reverting();
    let finalizers = || {
        let canary = sandbox.get(CANARIES, NAMESPACE, "podinfo").unwrap();
        canary.pointer("/metadata/finalizers").and_then(Value::as_array).map_or(0, Vec::len)
    };
    live(&sandbox, Settings::default(), Arc::new(Open), async {
        until(&sandbox, "initialized", || phase(&sandbox) == "Initialized").await;
        assert_eq!(finalizers(), 1);
        sandbox
            .patch_object(CANARIES, NAMESPACE, "podinfo", &json!({"spec": {"revertOnDeletion": false}}))
            .unwrap();
        until(&sandbox, "without", || finalizers() == 0).await;
        sandbox.delete_object(CANARIES, NAMESPACE, "podinfo").unwrap();
        pass(30).await;
    });
    assert!(is_gone(&sandbox));
    assert_eq!(replicas(&sandbox), Some(0), "without the field nothing is changed back");
}

#[test]
fn deleted_alone_a_canary_leaves_the_service_serving() {
    let sandbox = sandbox();
    live(&sandbox, Settings::default(), Arc::new(Open), async {
        until(&sandbox, "initialized", || phase(&sandbox) == "Initialized").await;
        apply_image(&sandbox, "stefanprodan/podinfo:6.0.1");
        until(&sandbox, "20 %", || canary_weight(&sandbox) == Some(20)).await;
        let mut traffic = Traffic::default();
        sandbox.after_each_request(move |request, view| traffic.inspect(request, view));
        let canaries: kube::Api<kube::api::DynamicObject> = kube::Api::namespaced_with(
            sandbox.client(NAMESPACE),
            NAMESPACE,
            &kube::core::ApiResource::erase::<canary_api::Canary>(&()),
        );
        let alone = kube::api::DeleteParams {
            propagation_policy: Some(kube::api::PropagationPolicy::Orphan),
            ..kube::api::DeleteParams::default()
        };
        canaries.delete("podinfo", &alone).await.unwrap();
        until(&sandbox, "gone", || is_gone(&sandbox)).await;
        pass(120).await;
    });
    assert_eq!(sandbox.violations(), Vec::<String>::new());
    let apex = sandbox.get("services", NAMESPACE, "podinfo").unwrap();
    assert_eq!(apex["spec"]["selector"], json!({"app": "podinfo-primary"}));
    let primary = sandbox.get(DEPLOYMENTS, NAMESPACE, "podinfo-primary").unwrap();
    assert_eq!(primary.pointer("/status/availableReplicas"), Some(&json!(2)));
    assert_eq!(canary_weight(&sandbox), Some(20), "what served goes on serving");
    assert!(replicas(&sandbox) > Some(0));
    assert_eq!(primary.pointer("/metadata/ownerReferences"), None);
}
