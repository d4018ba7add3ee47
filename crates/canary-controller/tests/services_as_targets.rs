//! Rollouts of targets that are Services: one of the core, and one of Knative's, whose own controller is played here.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[path = "support/farm.rs"]
mod farm;

use std::convert::Infallible;
use std::sync::Arc;

use canary_controller::Settings;
use canary_sandbox::Sandbox;
use farm::{CANARIES, NAMESPACE, Open, canary_weight, live, messages, pass, phase, sandbox, until};
use serde_json::{Value, json};

const SERVICES: &str = "services";
const KNATIVE_SERVICES: &str = "services.serving.knative.dev";
const REVISIONS: &str = "revisions.serving.knative.dev";
const PRIMARY: &str = "/metadata/annotations/flagger.app~1primary-revision";

/// The tutorial's canary with another target.
fn with_target(target: &Value) -> Sandbox {
    let sandbox = sandbox();
    let spec = json!({"targetRef": target, "autoscalerRef": null});
    sandbox.patch_object(CANARIES, NAMESPACE, "podinfo", &json!({"spec": spec})).unwrap();
    sandbox
}

fn core_service() -> Sandbox {
    let sandbox = with_target(&json!({"apiVersion": "v1", "kind": "Service", "name": "podinfo"}));
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "podinfo", "namespace": NAMESPACE, "labels": {"team": "web"}},
        "spec": {
            "clusterIP": "10.96.7.7", "clusterIPs": ["10.96.7.7"],
            "selector": {"app": "podinfo", "version": "1"},
            "ports": [{"name": "http", "port": 80, "targetPort": 9898}],
        },
    });
    sandbox.put_object(service).unwrap();
    sandbox
}

fn version(sandbox: &Sandbox, service: &str) -> Value {
    sandbox.get(SERVICES, NAMESPACE, service).unwrap_or_default()["spec"]["selector"]["version"].clone()
}

fn apply_version(sandbox: &Sandbox, version: &str) {
    let patch = json!({"spec": {"selector": {"version": version}}});
    sandbox.patch_object(SERVICES, NAMESPACE, "podinfo", &patch).unwrap();
}

#[test]
fn a_service_with_an_address_is_released_step_by_step() {
    let sandbox = core_service();
    live(&sandbox, Settings::default(), Arc::new(Open), async {
        until(&sandbox, "initialized", || phase(&sandbox) == "Initialized").await;
        apply_version(&sandbox, "2");
        until(&sandbox, "20 %", || canary_weight(&sandbox) == Some(20)).await;
        let versions = ["podinfo-canary", "podinfo-primary"].map(|name| version(&sandbox, name));
        assert_eq!(versions, ["2", "1"]);
        until(&sandbox, "promoted", || phase(&sandbox) == "Succeeded").await;
    });
    let [target, canary, primary] = ["podinfo", "podinfo-canary", "podinfo-primary"]
        .map(|name| sandbox.get(SERVICES, NAMESPACE, name).unwrap());
    for copy in [&canary, &primary] {
        assert_eq!(copy["spec"]["selector"], target["spec"]["selector"]);
        assert_eq!(copy["metadata"]["ownerReferences"][0]["name"], "podinfo");
        assert_eq!(copy["metadata"]["labels"], json!({"team": "web"}));
    }
    let addresses = [&target, &canary, &primary].map(|service| service["spec"]["clusterIP"].to_string());
    assert!(addresses[0].contains("10.96.7.7"), "{addresses:?}");
    assert!(addresses[1] != addresses[0] && addresses[2] != addresses[0] && addresses[1] != addresses[2]);
    assert_eq!(target["metadata"].get("annotations"), None, "the user's own Service is left alone");
    assert_eq!(canary_weight(&sandbox), Some(0));
}

#[test]
fn a_service_at_rest_costs_no_request_and_its_copies_are_repaired() {
    let sandbox = core_service();
    live(&sandbox, Settings::default(), Arc::new(Open), async {
        until(&sandbox, "initialized", || phase(&sandbox) == "Initialized").await;
        pass(60).await;
        let before = sandbox.requests();
        pass(180).await;
        let since = sandbox.requests().since(&before);
        assert_eq!(since.without_watches(), 0, "{since:?}");

        sandbox.delete_object(SERVICES, NAMESPACE, "podinfo-canary").unwrap();
        let patch = json!({"spec": {"selector": {"version": "9"}}});
        until(&sandbox, "made again", || version(&sandbox, "podinfo-canary") == "1").await;
        sandbox.patch_object(SERVICES, NAMESPACE, "podinfo-canary", &patch).unwrap();
        until(&sandbox, "put right", || version(&sandbox, "podinfo-canary") == "1").await;
        assert_eq!(phase(&sandbox), "Initialized");
    });
}

fn definition(kind: &str, plural: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.serving.knative.dev")},
        "spec": {
            "group": "serving.knative.dev", "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase(), "listKind": format!("{kind}List")},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            }],
        },
    })
}

fn knative_service() -> Sandbox {
    let sandbox =
        with_target(&json!({"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "podinfo"}));
    let provider = json!({"spec": {"provider": "knative"}});
    sandbox.patch_object(CANARIES, NAMESPACE, "podinfo", &provider).unwrap();
    for (kind, plural) in [("Service", "services"), ("Revision", "revisions")] {
        sandbox.put_object(definition(kind, plural)).unwrap();
    }
    let service = json!({
        "apiVersion": "serving.knative.dev/v1", "kind": "Service",
        "metadata": {"name": "podinfo", "namespace": NAMESPACE},
        "spec": {"template": {"spec": {"containers": [{"image": "podinfo:1"}]}}},
    });
    sandbox.put_object(service).unwrap();
    sandbox
}

fn service(sandbox: &Sandbox) -> Value {
    sandbox.get(KNATIVE_SERVICES, NAMESPACE, "podinfo").unwrap()
}

fn apply_image(sandbox: &Sandbox, image: &str) {
    let patch = json!({"spec": {"template": {"spec": {"containers": [{"image": image}]}}}});
    sandbox.patch_object(KNATIVE_SERVICES, NAMESPACE, "podinfo", &patch).unwrap();
}

/// The split that was asked for: the latest revision's share, and the other revision with its own.
fn split(sandbox: &Sandbox) -> Option<(i64, String, i64)> {
    let traffic = service(sandbox)["spec"]["traffic"].clone();
    let held = traffic[1]["revisionName"].as_str()?.to_owned();
    Some((traffic[0]["percent"].as_i64()?, held, traffic[1]["percent"].as_i64()?))
}

/// Knative: a revision for each template, ready after a while, and traffic as it is asked for.
async fn play_knative(sandbox: &Sandbox) -> Infallible {
    tokio::select! {
        never = make_revisions(sandbox) => never,
        never = direct_traffic(sandbox) => never,
    }
}

async fn make_revisions(sandbox: &Sandbox) -> Infallible {
    let mut templates: Vec<Value> = Vec::new();
    loop {
        let template = service(sandbox)["spec"]["template"].clone();
        if templates.last() == Some(&template) {
            pass(1).await; // of the paused clock
            continue;
        }
        templates.push(template);
        let name = format!("podinfo-{:05}", templates.len());
        sandbox.put_object(revision(&name, "Unknown")).unwrap();
        set_status(sandbox, &json!({"latestCreatedRevisionName": name}));
        pass(15).await;
        sandbox.put_object(revision(&name, "True")).unwrap();
        set_status(sandbox, &json!({"latestReadyRevisionName": name}));
    }
}

/// "Latest" means the latest revision that is ready.
async fn direct_traffic(sandbox: &Sandbox) -> Infallible {
    loop {
        let service = service(sandbox);
        let mut traffic = service["spec"]["traffic"].clone();
        if traffic.is_null() {
            traffic = json!([{"latestRevision": true, "percent": 100}]);
        }
        for share in traffic.as_array_mut().unwrap().iter_mut().filter(|s| s["latestRevision"] == true) {
            share["revisionName"] = service["status"]["latestReadyRevisionName"].clone();
        }
        set_status(sandbox, &json!({"traffic": traffic}));
        pass(1).await; // of the paused clock
    }
}

fn revision(name: &str, ready: &str) -> Value {
    json!({
        "apiVersion": "serving.knative.dev/v1", "kind": "Revision",
        "metadata": {"name": name, "namespace": NAMESPACE, "generation": 1},
        "status": {"observedGeneration": 1, "conditions": [{"type": "Ready", "status": ready}]},
    })
}

fn set_status(sandbox: &Sandbox, status: &Value) {
    let present = service(sandbox);
    let is_set = |(key, value): (&String, &Value)| present["status"].get(key) == Some(value);
    if !status.as_object().unwrap().iter().all(is_set) {
        sandbox.patch_object(KNATIVE_SERVICES, NAMESPACE, "podinfo", &json!({"status": status})).unwrap();
    }
}

fn play<T>(sandbox: &Sandbox, story: impl Future<Output = T>) -> T {
    live(sandbox, Settings::default(), Arc::new(Open), async {
        tokio::select! {
            value = story => value,
            never = play_knative(sandbox) => match never {},
        }
    })
}

#[test]
fn revisions_of_a_knative_service_are_released_step_by_step() {
    let sandbox = knative_service();
    // Traffic is only held on revisions that are ready, and nothing is lost.
    sandbox.after_each_request(|request, view| {
        let Some(service) = view.get(KNATIVE_SERVICES, NAMESPACE, "podinfo") else { return Ok(()) };
        let Some(traffic) = service.pointer("/spec/traffic").and_then(Value::as_array) else { return Ok(()) };
        let total: i64 = traffic.iter().filter_map(|share| share["percent"].as_i64()).sum();
        if total != 100 {
            return Err(format!("after {request}: {traffic:?} does not add up to 100"));
        }
        for share in traffic {
            let Some(name) = share["revisionName"].as_str() else { continue };
            let revision = view.get(REVISIONS, NAMESPACE, name).unwrap_or_default();
            let ready =
                revision.pointer("/status/conditions/0/status").and_then(Value::as_str) == Some("True");
            if !ready && share["percent"] != 0 {
                return Err(format!("after {request}: {name} has traffic and is not ready"));
            }
        }
        Ok(())
    });
    play(&sandbox, async {
        until(&sandbox, "initialized", || phase(&sandbox) == "Initialized").await;
        assert_eq!(split(&sandbox), Some((0, "podinfo-00001".into(), 100)));
        apply_image(&sandbox, "podinfo:2");
        until(&sandbox, "10 %", || split(&sandbox) == Some((10, "podinfo-00001".into(), 90))).await;
        until(&sandbox, "50 %", || split(&sandbox) == Some((50, "podinfo-00001".into(), 50))).await;
        until(&sandbox, "promoted", || phase(&sandbox) == "Succeeded").await;
        assert_eq!(split(&sandbox), Some((0, "podinfo-00002".into(), 100)));
        assert_eq!(service(&sandbox).pointer(PRIMARY), Some(&json!("podinfo-00002")));

        pass(60).await;
        let before = sandbox.requests();
        pass(180).await;
        let since = sandbox.requests().since(&before);
        assert_eq!(since.without_watches(), 0, "{since:?}");
    });
    assert_eq!(sandbox.violations(), Vec::<String>::new());
    let told = messages(&sandbox);
    let often = |text: &str| told.iter().filter(|m| *m == text).count();
    assert!(often("Knative Revision podinfo-00002.test is not ready") > 0, "{told:?}");
    assert_eq!(often("Starting canary analysis for podinfo.test"), 1, "{told:?}");
}

#[test]
fn a_knative_service_is_given_back_to_its_latest_revision() {
    let sandbox = knative_service();
    let revert = json!({"spec": {"revertOnDeletion": true}});
    sandbox.patch_object(CANARIES, NAMESPACE, "podinfo", &revert).unwrap();
    play(&sandbox, async {
        until(&sandbox, "initialized", || phase(&sandbox) == "Initialized").await;
        sandbox.delete_object(CANARIES, NAMESPACE, "podinfo").unwrap();
        until(&sandbox, "gone", || sandbox.get(CANARIES, NAMESPACE, "podinfo").is_none()).await;
    });
    let service = service(&sandbox);
    assert_eq!(service.pointer(PRIMARY), None);
    assert_eq!(service["spec"]["traffic"], json!([{"latestRevision": true, "percent": 100}]));
}
