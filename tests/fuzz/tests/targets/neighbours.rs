//! Hostile objects beside one that is as it should be: it is rolled out all the same.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use canary_api::kube::core::ObjectMeta;
use canary_controller::{Controller, RuntimeClock, Settings};
use canary_core::{HookAnswer, HookCall, Hooks, MetricError, MetricProvider};
use canary_fuzz::Target;
use canary_metrics::MetricProviders;
use canary_sandbox::{Sandbox, drive};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::objects::WORDS;

const DEPLOYMENTS: &str = "deployments.apps";
const CANARIES: &str = "canaries.flagger.app";

struct Good;

#[async_trait]
impl MetricProvider for Good {
    async fn query(&self, _: &str) -> Result<Option<f64>, MetricError> {
        Ok(Some(100.0))
    }
    async fn check(&self) -> Result<(), MetricError> {
        Ok(())
    }
}

#[async_trait]
impl Hooks for Good {
    async fn call(&self, _: &HookCall) -> HookAnswer {
        HookAnswer::Passed
    }
}

/// A definition without a schema: whatever a user writes is stored.
fn open(kind: &str, plural: &str) -> Value {
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.flagger.app")},
        "spec": {"group": "flagger.app", "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase(), "listKind": format!("{kind}List")},
            "versions": [{"name": "v1beta1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}})
}

fn good() -> [Value; 2] {
    [
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "good", "namespace": "test"},
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "good"}}, "template": {
                "metadata": {"labels": {"app": "good"}},
                "spec": {"containers": [{"name": "app", "image": "app:1", "ports": [{"containerPort": 80}]}]}}}}),
        json!({"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": {"name": "good", "namespace": "test"},
            "spec": {"targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "good"},
                "service": {"port": 80}, "analysis": {"interval": "10s", "threshold": 2, "iterations": 1}}}),
    ]
}

fn phase(sandbox: &Sandbox) -> String {
    let canary = sandbox.get(CANARIES, "test", "good").unwrap_or_default();
    canary.pointer("/status/phase").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The user of the good canary; what the sandbox stores is looked at whenever it changes.
async fn roll_out(sandbox: &Sandbox) {
    let mut released = false;
    loop {
        match phase(sandbox).as_str() {
            "Initialized" if !released => {
                released = true;
                let patch = json!({"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "app:2",
                    "ports": [{"containerPort": 80, "protocol": "TCP"}]}]}}}});
                sandbox.patch_object(DEPLOYMENTS, "test", "good", &patch).unwrap();
            }
            "Succeeded" => return,
            _ => sandbox.stirred().await,
        }
    }
}

/// Ends with the rollout of the good canary; an hour of the paused clock is too long for it.
fn play(sandbox: &Sandbox) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let base = sandbox.now();
        let stop = CancellationToken::new();
        let settings = Settings { mesh_provider: "kubernetes".into(), ..Settings::default() };
        let controller = Controller::new(sandbox.client("default"), settings)
            .with_clock(Arc::new(RuntimeClock::starting_at(base)))
            .with_hooks(Arc::new(Good))
            .with_providers(MetricProviders::default().with("prometheus", |_| Ok(Arc::new(Good))));
        let life = async {
            roll_out(sandbox).await;
            stop.cancel();
        };
        tokio::select! {
            (end, ()) = async { tokio::join!(controller.run(stop.clone()), life) } => end.unwrap(),
            never = drive(sandbox.clone(), base) => match never {},
            () = tokio::time::sleep(Duration::from_secs(3600)) => {
                panic!("the good canary is {:?} after an hour", phase(sandbox));
            }
        }
    });
}

/// Each input is a file of objects. Those of our kinds come under names of their own into the namespace of the good canary.
#[test]
fn fuzz_neighbours() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let target = Target::new("objects").named("neighbours").with_words(WORDS).slow();
    target.run(|input| {
        let Ok(text) = std::str::from_utf8(input) else { return };
        let Ok(objects) = serde_saphyr::from_multiple::<Value>(text) else { return };
        let sandbox = Sandbox::new("2026-01-01T00:00:00Z".parse().unwrap());
        for (kind, plural) in [
            ("Canary", "canaries"),
            ("MetricTemplate", "metrictemplates"),
            ("AlertProvider", "alertproviders"),
        ] {
            sandbox.put_object(open(kind, plural)).unwrap();
        }
        let mut hostile = 0;
        for (n, mut object) in objects.into_iter().enumerate().take(20) {
            if !object.is_object() {
                continue;
            }
            object["apiVersion"] = "flagger.app/v1beta1".into();
            if !matches!(object["kind"].as_str(), Some("Canary" | "MetricTemplate" | "AlertProvider")) {
                object["kind"] = "Canary".into();
            }
            if !object["metadata"].is_object() {
                object["metadata"] = json!({});
            }
            object["metadata"]["name"] = format!("hostile-{n}").into();
            object["metadata"]["namespace"] = "test".into();
            // What an API server would not store does not come to the controller.
            if serde_json::from_value::<ObjectMeta>(object["metadata"].clone()).is_err() {
                continue;
            }
            hostile += usize::from(sandbox.put_object(object).is_ok());
        }
        if hostile == 0 {
            return;
        }
        for object in good() {
            sandbox.put_object(object).unwrap();
        }
        play(&sandbox);
    });
}
