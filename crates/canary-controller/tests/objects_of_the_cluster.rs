//! Routing objects without a namespace, of which Kuma has some: with all namespaces watched and with one, and with two
//! canaries of one name.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[path = "support/farm.rs"]
mod farm;

use std::sync::Arc;

use canary_controller::Settings;
use canary_sandbox::Sandbox;
use farm::{CANARIES, DEPLOYMENTS, NAMESPACE, Open, apply_image, canary, live, pass, phase, sandbox, until};
use serde_json::{Value, json};

const ROUTES: &str = "trafficroutes.kuma.io";

/// The tutorial on Kuma.
fn on_kuma() -> Sandbox {
    let sandbox = sandbox();
    let names = json!({
        "kind": "TrafficRoute", "plural": "trafficroutes", "singular": "trafficroute", "listKind": "TrafficRouteList",
    });
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let version =
        json!({"name": "v1alpha1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": ROUTES},
        "spec": {"group": "kuma.io", "scope": "Cluster", "names": names, "versions": [version]},
    });
    sandbox.put_object(definition).unwrap();
    sandbox.patch_object(CANARIES, NAMESPACE, "podinfo", &json!({"spec": {"provider": "kuma"}})).unwrap();
    sandbox
}

/// Weights of primary and canary.
fn weights(sandbox: &Sandbox) -> Option<Vec<Value>> {
    let route = sandbox.get(ROUTES, "", "podinfo")?;
    let split = route.pointer("/spec/conf/split")?.as_array()?;
    Some(split.iter().map(|share| share["weight"].clone()).collect())
}

fn watching(namespace: Option<&str>) -> Settings {
    Settings { namespace: namespace.map(str::to_owned), ..Settings::default() }
}

#[test]
fn a_rollout_works_whether_all_namespaces_are_watched_or_one() {
    for namespace in [None, Some(NAMESPACE)] {
        let sandbox = on_kuma();
        let before = sandbox.requests();
        live(&sandbox, watching(namespace), Arc::new(Open), async {
            until(&sandbox, "initialized", || phase(&sandbox) == "Initialized").await;
            assert_eq!(weights(&sandbox), Some(vec![json!(100), json!(0)]));
            pass(30).await;
            apply_image(&sandbox, "stefanprodan/podinfo:6.0.1");
            until(&sandbox, "half", || weights(&sandbox) == Some(vec![json!(50), json!(50)])).await;
            until(&sandbox, "promoted", || phase(&sandbox) == "Succeeded").await;
            assert_eq!(weights(&sandbox), Some(vec![json!(100), json!(0)]));
            // A namespace has no objects of the cluster: a watch there would fail for ever.
            let since = sandbox.requests().since(&before);
            let lists =
                if namespace.is_some() { since.of("list", ROUTES) + since.of("watch", ROUTES) } else { 0 };
            assert_eq!(lists, 0, "{since:?}");
        });
    }
}

#[test]
fn a_namesake_in_another_namespace_is_refused_and_told_why() {
    let sandbox = on_kuma();
    live(&sandbox, watching(None), Arc::new(Open), async {
        until(&sandbox, "initialized", || phase(&sandbox) == "Initialized").await;
        let mut deployment = sandbox.get(DEPLOYMENTS, NAMESPACE, "podinfo").unwrap();
        deployment["metadata"] =
            json!({"name": "podinfo", "namespace": "other", "labels": {"app": "podinfo"}});
        deployment["spec"]["replicas"] = json!(2);
        deployment.as_object_mut().unwrap().remove("status");
        let mut namesake = canary();
        namesake["metadata"]["namespace"] = json!("other");
        namesake["spec"]["provider"] = json!("kuma");
        namesake["spec"].as_object_mut().unwrap().remove("autoscalerRef");
        for object in [deployment, namesake] {
            sandbox.put_object(object).unwrap();
        }
        let text = "TrafficRoute podinfo is that of the Service podinfo.test";
        let told = || {
            let events = sandbox.list("events", "other");
            events.iter().any(|event| event["message"].as_str().is_some_and(|message| message.contains(text)))
        };
        until(&sandbox, "told", told).await;
        // The first goes on as if there were no second.
        apply_image(&sandbox, "stefanprodan/podinfo:6.0.1");
        until(&sandbox, "promoted", || phase(&sandbox) == "Succeeded").await;
        let second = sandbox.get(CANARIES, "other", "podinfo").unwrap();
        assert_eq!(second["status"]["phase"], "Initializing");
        let route = sandbox.get(ROUTES, "", "podinfo").unwrap();
        let service = &route["spec"]["destinations"][0]["match"]["kuma.io/service"];
        assert_eq!(service, "podinfo_test_svc_80");
    });
}
