//! What the controller does around a rollout: what it costs, what it repairs, and who it does not hold up.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[path = "support/farm.rs"]
mod farm;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use canary_controller::Settings;
use canary_core::{HookAnswer, HookCall, Hooks};
use farm::{
    CANARIES, DEPLOYMENTS, NAMESPACE, Open, apply_image, canary, canary_weight, live, messages, objects,
    pass, phase, sandbox, until,
};
use serde_json::{Value, json};

const NEW: &str = "stefanprodan/podinfo:6.0.1";

#[test]
fn an_idle_canary_costs_no_request() {
    let sandbox = sandbox();
    live(&sandbox, Settings::default(), Arc::new(Open), async {
        until(&sandbox, "initialized", || phase(&sandbox) == "Initialized").await;
        pass(60).await;
        let before = sandbox.requests();
        pass(3 * 60).await;
        let since = sandbox.requests().since(&before);
        assert_eq!(since.without_watches(), 0, "{since:?}");
    });
}

/// The tutorial with ten tracked ConfigMaps and Secrets and an alert.
fn with_every_part() -> canary_sandbox::Sandbox {
    let sandbox = sandbox();
    let mut sources = Vec::new();
    for n in 0..5 {
        let metadata = json!({"name": format!("settings-{n}"), "namespace": NAMESPACE});
        for (kind, source) in [("ConfigMap", "configMapRef"), ("Secret", "secretRef")] {
            sandbox.put_object(json!({"apiVersion": "v1", "kind": kind, "metadata": metadata})).unwrap();
            let mut entry = json!({});
            entry[source] = json!({"name": format!("settings-{n}")});
            sources.push(entry);
        }
    }
    let mut deployment = sandbox.get(DEPLOYMENTS, NAMESPACE, "podinfo").unwrap();
    deployment["spec"]["template"]["spec"]["containers"][0]["envFrom"] = json!(sources);
    sandbox.put_object(deployment).unwrap();
    sandbox
        .put_object(json!({
            "apiVersion": "flagger.app/v1beta1", "kind": "AlertProvider",
            "metadata": {"name": "chat", "namespace": NAMESPACE},
            "spec": {"type": "slack", "channel": "general", "address": "http://127.0.0.1:9/"},
        }))
        .unwrap();
    let alerts = json!([{"name": "chat", "severity": "info", "providerRef": {"name": "chat"}}]);
    sandbox
        .patch_object(CANARIES, NAMESPACE, "podinfo", &json!({"spec": {"analysis": {"alerts": alerts}}}))
        .unwrap();
    sandbox
}

#[test]
fn with_every_part_on_an_idle_canary_costs_no_request_either() {
    let sandbox = with_every_part();
    live(&sandbox, Settings::default(), Arc::new(Open), async {
        until(&sandbox, "initialized", || phase(&sandbox) == "Initialized").await;
        let tracked = sandbox.get(CANARIES, NAMESPACE, "podinfo").unwrap();
        assert_eq!(tracked["status"]["trackedConfigs"].as_object().map(serde_json::Map::len), Some(10));
        pass(60).await;
        let before = sandbox.requests();
        pass(3 * 60).await;
        let since = sandbox.requests().since(&before);
        assert_eq!(since.without_watches(), 0, "{since:?}");
    });
}

#[test]
fn a_new_canary_is_not_asked_for_the_copies_that_it_has_not_got() {
    let sandbox = sandbox();
    let before = sandbox.requests();
    live(&sandbox, Settings::default(), Arc::new(Open), async {
        until(&sandbox, "initialized", || phase(&sandbox) == "Initialized").await;
        pass(30).await;
        let since = sandbox.requests().since(&before);
        let reads: Vec<_> = since.iter().filter(|(verb, ..)| *verb == "get").collect();
        assert_eq!(reads.iter().map(|x| x.2).sum::<u64>(), 2, "the Service and its route alone: {reads:?}");
    });
}

#[test]
fn a_rollout_costs_only_its_writes() {
    let sandbox = sandbox();
    live(&sandbox, Settings::default(), Arc::new(Open), async {
        until(&sandbox, "initialized", || phase(&sandbox) == "Initialized").await;
        pass(30).await;
        let before = sandbox.requests();
        apply_image(&sandbox, NEW);
        until(&sandbox, "promoted", || phase(&sandbox) == "Succeeded").await;
        pass(30).await;
        let since = sandbox.requests().since(&before);
        let reads: u64 = ["get", "list"]
            .iter()
            .map(|verb| since.iter().filter(|(v, ..)| v == verb).map(|x| x.2).sum::<u64>())
            .sum();
        assert_eq!(reads, 0, "{since:?}");
        assert!(since.without_watches() <= 32, "{since:?}");
        assert_eq!(since.of("update", "canaries.flagger.app/status"), 9, "{since:?}");
    });
}

#[test]
fn what_others_change_is_repaired_and_the_weights_of_a_running_rollout_stay() {
    let sandbox = sandbox();
    live(&sandbox, Settings::default(), Arc::new(Open), async {
        until(&sandbox, "initialized", || phase(&sandbox) == "Initialized").await;
        apply_image(&sandbox, NEW);
        until(&sandbox, "20 %", || canary_weight(&sandbox) == Some(20)).await;
        let routes = "virtualservices.networking.istio.io";
        sandbox
            .patch_object(
                routes,
                NAMESPACE,
                "podinfo",
                &json!({"spec": {"hosts": ["wrong"], "exportTo": ["."]}}),
            )
            .unwrap();
        sandbox.delete_object("services", NAMESPACE, "podinfo-canary").unwrap();
        let repaired = || {
            let route = sandbox.get(routes, NAMESPACE, "podinfo").unwrap();
            route["spec"]["hosts"] == json!(["*"])
                && sandbox.get("services", NAMESPACE, "podinfo-canary").is_some()
        };
        until(&sandbox, "repaired", repaired).await;
        let route = sandbox.get(routes, NAMESPACE, "podinfo").unwrap();
        assert_eq!(canary_weight(&sandbox), Some(20), "a repair moves no weight");
        assert_eq!(route["spec"]["exportTo"], json!(["."]), "a field that nobody here knows survives");
        until(&sandbox, "promoted", || phase(&sandbox) == "Succeeded").await;
    });
}

/// Hooks that never answer in time, and count how often they were called.
#[derive(Default)]
struct Dead(AtomicUsize);

#[async_trait]
impl Hooks for Dead {
    async fn call(&self, _: &HookCall) -> HookAnswer {
        self.0.fetch_add(1, Ordering::Relaxed);
        pass(600).await;
        HookAnswer::Failed("timed out".into())
    }
}

#[test]
fn a_canary_on_dead_hooks_holds_up_no_other() {
    let sandbox = sandbox();
    // A second canary, without hooks.
    let mut other = canary();
    other["metadata"]["name"] = json!("other");
    other["spec"]["targetRef"]["name"] = json!("other");
    other["spec"].as_object_mut().unwrap().remove("autoscalerRef");
    other["spec"]["analysis"].as_object_mut().unwrap().remove("webhooks");
    let mut deployment = sandbox.get(DEPLOYMENTS, NAMESPACE, "podinfo").unwrap();
    deployment["metadata"] = json!({"name": "other", "namespace": NAMESPACE});
    let text = deployment.to_string().replace(r#""app":"podinfo""#, r#""app":"other""#);
    let mut deployment: Value = serde_json::from_str(&text).unwrap();
    deployment.as_object_mut().unwrap().remove("status");
    sandbox.put_object(deployment).unwrap();
    sandbox.put_object(other).unwrap();

    let hooks = Arc::new(Dead::default());
    let status_of = |name: &str| {
        let canary = sandbox.get(CANARIES, NAMESPACE, name).unwrap_or_default();
        canary.pointer("/status/phase").and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    live(&sandbox, Settings::default(), hooks.clone(), async {
        until(&sandbox, "initialized", || {
            status_of("podinfo") == "Initialized" && status_of("other") == "Initialized"
        })
        .await;
        apply_image(&sandbox, NEW);
        let patch = json!({"spec": {"template": {"metadata": {"annotations": {"restarted": "1"}}}}});
        sandbox.patch_object(DEPLOYMENTS, NAMESPACE, "other", &patch).unwrap();
        let start = sandbox.now();
        until(&sandbox, "the other is promoted", || status_of("other") == "Succeeded").await;
        let took = sandbox.now().duration_since(start).as_secs();
        assert!(took < 100, "{took} s for nine ticks of 10 s");
    });
    assert_eq!(status_of("podinfo"), "Progressing");
    assert_eq!(hooks.0.load(Ordering::Relaxed), 1);
}

#[test]
fn a_canary_that_cannot_be_read_says_so_and_stops_no_other() {
    let sandbox = sandbox();
    let mut odd = canary();
    odd["metadata"]["name"] = json!("odd");
    odd["spec"]["analysis"]["stepWeight"] = json!(2.5);
    odd["spec"]["targetRef"]["name"] = json!("elsewhere");
    sandbox.put_object(odd).unwrap();
    let condition = || {
        let odd = sandbox.get(CANARIES, NAMESPACE, "odd").unwrap();
        odd.pointer("/status/conditions/0").cloned()
    };
    live(&sandbox, Settings::default(), Arc::new(Open), async {
        until(&sandbox, "initialized", || phase(&sandbox) == "Initialized").await;
        until(&sandbox, "marked", || condition().is_some()).await;
        let marked = condition().unwrap();
        assert_eq!((&marked["type"], &marked["status"]), (&json!("Valid"), &json!("False")));
        let text = marked["message"].as_str().unwrap();
        assert!(text.contains("spec.analysis.stepWeight") && text.contains("2.5"), "{text}");
        until(&sandbox, "told", || messages(&sandbox).iter().any(|m| m.contains("spec.analysis.stepWeight")))
            .await;

        // Mended, it goes on, and the mark goes.
        sandbox
            .patch_object(CANARIES, NAMESPACE, "odd", &json!({"spec": {"analysis": {"stepWeight": 10}}}))
            .unwrap();
        until(&sandbox, "unmarked", || condition().is_some_and(|c| c["type"] == "Promoted")).await;
    });
}

#[test]
fn a_suspended_canary_is_told_of_once_and_left_alone() {
    let sandbox = sandbox();
    live(&sandbox, Settings::default(), Arc::new(Open), async {
        until(&sandbox, "initialized", || phase(&sandbox) == "Initialized").await;
        sandbox.patch_object(CANARIES, NAMESPACE, "podinfo", &json!({"spec": {"suspend": true}})).unwrap();
        pass(60).await;
        apply_image(&sandbox, NEW);
        pass(60).await;
        assert_eq!(phase(&sandbox), "Initialized");
        let told = messages(&sandbox).iter().filter(|m| m.contains("suspended")).count();
        assert_eq!(told, 1);
        sandbox.patch_object(CANARIES, NAMESPACE, "podinfo", &json!({"spec": {"suspend": false}})).unwrap();
        until(&sandbox, "promoted", || phase(&sandbox) == "Succeeded").await;
    });
}

#[test]
fn a_canary_that_another_controller_left_starts_no_rollout() {
    let sandbox = sandbox();
    live(&sandbox, Settings::default(), Arc::new(Open), async {
        until(&sandbox, "initialized", || phase(&sandbox) == "Initialized").await;
        pass(60).await;
    });
    // What Flagger writes: hashes of another form. Deployments are scaled as they were.
    let hashes = json!({"status": {"lastAppliedSpec": "5f56684589", "lastPromotedSpec": "5f56684589"}});
    sandbox.patch_object(CANARIES, NAMESPACE, "podinfo", &hashes).unwrap();
    let before = objects(&sandbox);
    live(&sandbox, Settings::default(), Arc::new(Open), async {
        let requests = sandbox.requests();
        pass(120).await;
        let since = sandbox.requests().since(&requests);
        let writes: u64 =
            since.iter().filter(|(verb, ..)| !matches!(*verb, "get" | "list" | "watch")).map(|x| x.2).sum();
        assert_eq!((writes, since.of("update", "canaries.flagger.app/status")), (1, 1), "{since:?}");
    });
    assert_eq!(phase(&sandbox), "Initialized");
    let canary = sandbox.get(CANARIES, NAMESPACE, "podinfo").unwrap();
    assert!(canary["status"]["lastAppliedSpec"].as_str().unwrap().starts_with("v1-"), "{}", canary["status"]);
    let mut after = objects(&sandbox);
    let key = format!("{CANARIES}/podinfo");
    let (mut old, mut new) = (before.clone(), after.remove(&key).unwrap());
    let mut was = old.remove(&key).unwrap();
    for canary in [&mut new, &mut was] {
        canary["status"].as_object_mut().unwrap().retain(|key, _| !key.starts_with("last"));
    }
    assert_eq!(was, new);
    assert_eq!(old, after);
    // From then on it is like any other.
    live(&sandbox, Settings::default(), Arc::new(Open), async {
        apply_image(&sandbox, NEW);
        until(&sandbox, "promoted", || phase(&sandbox) == "Succeeded").await;
    });
}

#[test]
fn a_deleted_canary_leaves_no_watch_behind() {
    let sandbox = sandbox();
    live(&sandbox, Settings::default(), Arc::new(Open), async {
        until(&sandbox, "initialized", || phase(&sandbox) == "Initialized").await;
        sandbox.delete_object(CANARIES, NAMESPACE, "podinfo").unwrap();
        until(&sandbox, "collected", || sandbox.get(DEPLOYMENTS, NAMESPACE, "podinfo-primary").is_none())
            .await;
        pass(60).await;
        let before = sandbox.requests();
        pass(900).await; // watches that are alive are renewed within five minutes
        let since = sandbox.requests().since(&before);
        let kinds: Vec<_> = since.iter().map(|(_, resource, _)| resource.to_owned()).collect();
        assert_eq!(kinds, [CANARIES], "{since:?}");
    });
}

#[test]
fn what_the_mesh_cannot_do_is_told_at_once_by_a_condition_and_an_event() {
    for by_flag in [true, false] {
        let sandbox = sandbox();
        let mut asking = canary();
        asking["metadata"]["name"] = json!("asking");
        asking["spec"]["targetRef"]["name"] = json!("elsewhere");
        asking["spec"]["analysis"]["mirror"] = json!(true);
        asking["spec"]["provider"] = if by_flag { json!(null) } else { json!("traefik") };
        sandbox.put_object(asking).unwrap();
        let provider = if by_flag { "linkerd" } else { "traefik" };
        let settings = Settings { mesh_provider: "linkerd".into(), ..Settings::default() };
        live(&sandbox, settings, Arc::new(Open), async {
            until(&sandbox, "told", || {
                let found = messages(&sandbox);
                found.iter().any(|m| m.contains("invalid Canary asking.test: spec.analysis.mirror is set"))
            })
            .await;
            let asking = sandbox.get(CANARIES, NAMESPACE, "asking").unwrap();
            let marked = asking.pointer("/status/conditions/0").cloned().unwrap_or_default();
            assert_eq!((&marked["type"], &marked["reason"]), (&json!("Valid"), &json!("InvalidSpec")));
            let text = marked["message"].as_str().unwrap();
            assert!(
                text.contains(&format!("the provider \"{provider}\"")) && text.contains("istio"),
                "{text}"
            );
        });
    }
}

/// A hook that takes its time when the canary first has 20 %, and meanwhile somebody scales the target down.
struct Interrupted(canary_sandbox::Sandbox, AtomicUsize);

#[async_trait]
impl Hooks for Interrupted {
    async fn call(&self, _: &HookCall) -> HookAnswer {
        if canary_weight(&self.0) == Some(20) && self.1.fetch_add(1, Ordering::Relaxed) == 0 {
            let down = json!({"spec": {"replicas": 0}});
            self.0.patch_object(DEPLOYMENTS, NAMESPACE, "podinfo", &down).unwrap();
            pass(4).await;
        }
        HookAnswer::Passed
    }
}

#[test]
fn pods_that_go_while_a_hook_is_asked_get_no_more_traffic_by_its_answer() {
    let sandbox = sandbox();
    let hooks = Interrupted(sandbox.clone(), AtomicUsize::new(0));
    live(&sandbox, Settings::default(), Arc::new(hooks), async {
        until(&sandbox, "initialized", || phase(&sandbox) == "Initialized").await;
        apply_image(&sandbox, NEW);
        until(&sandbox, "20 %", || canary_weight(&sandbox) == Some(20)).await;
        until(&sandbox, "another share", || canary_weight(&sandbox) != Some(20)).await;
        assert_eq!(canary_weight(&sandbox), Some(0), "it has no pods");
        until(&sandbox, "promoted", || phase(&sandbox) == "Succeeded").await;
    });
}
