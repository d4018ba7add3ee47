//! A walk through the commands about a cluster, on the real controller and the sandbox, as people would see it. `UPDATE=1`
//! rewrites the files.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use canary_controller::{Controller, RuntimeClock, Settings};
use canary_core::{HookAnswer, HookCall, Hooks, MetricError, MetricProvider, Samples};
use canary_metrics::MetricProviders;
use canary_sandbox::{Sandbox, drive};
use clap::Parser;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::live::Cluster;
use crate::live_commands::Live;
use crate::{manifests, world};

/// The commands without those that need no cluster.
#[derive(Parser)]
#[command(name = "canaryctl")]
struct Line {
    #[command(subcommand)]
    command: Live,
}

struct Good;

#[async_trait]
impl MetricProvider for Good {
    async fn query(&self, query: &str) -> Result<Option<f64>, MetricError> {
        Ok(Some(if query.contains("histogram_quantile") { 20.0 } else { 100.0 }))
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

/// Counts errors among few requests.
struct Failing;

#[async_trait]
impl MetricProvider for Failing {
    async fn query(&self, query: &str) -> Result<Option<f64>, MetricError> {
        if query.contains("histogram_quantile") { Ok(Some(20.0)) } else { Ok(Some(97.5)) }
    }
    async fn samples(&self, _: &str) -> Samples {
        let mut samples = Samples::default();
        (samples.series, samples.count, samples.age) = (Some(1), Some(24), Some(Duration::from_secs(4)));
        samples
    }
    async fn check(&self) -> Result<(), MetricError> {
        Ok(())
    }
}

/// Somebody at a terminal, and what he saw.
struct Walk<'a> {
    sandbox: &'a Sandbox,
    cluster: Cluster,
    seen: String,
}

impl Walk<'_> {
    /// Types a command; its exit code.
    async fn type_in(&mut self, line: &str) -> ExitCode {
        let parsed = Line::try_parse_from(line.split_whitespace()).unwrap_or_else(|e| panic!("{e}"));
        let mut out = Vec::new();
        let now = || self.sandbox.now();
        let code = parsed.command.run(&self.cluster, &now, &mut out).await;
        let text = String::from_utf8(out).unwrap();
        let text = anstream::adapter::strip_str(&text).to_string();
        let code = code.unwrap_or_else(|e| {
            self.seen.extend([format!("error: {e:#}\n")]);
            ExitCode::from(2)
        });
        self.seen.extend(["$ ", line, "\n", &text]);
        if code != ExitCode::SUCCESS {
            self.seen.extend([format!("({code:?})\n")]);
        }
        self.seen.push('\n');
        code
    }

    fn phase(&self) -> String {
        self.field("/status/phase").as_str().unwrap_or_default().to_owned()
    }

    fn field(&self, pointer: &str) -> Value {
        let canary = self.sandbox.get("canaries.flagger.app", "test", "podinfo").unwrap();
        canary.pointer(pointer).cloned().unwrap_or_default()
    }

    async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let wait = async {
            while !condition(self) {
                tokio::time::sleep(Duration::from_secs(1)).await; // of the paused clock
            }
        };
        assert!(
            tokio::time::timeout(Duration::from_secs(3600), wait).await.is_ok(),
            "{what}: {}",
            self.phase()
        );
        // What follows a write is told a moment later.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }

    fn apply(&self, image: &str) {
        let patch = json!({"spec": {"template": {"spec": {"containers": [
            {"name": "podinfod", "image": image}]}}}});
        self.sandbox.patch_object("deployments.apps", "test", "podinfo", &patch).unwrap();
    }
}

/// Walks through `life` while a controller runs, and compares what was seen with the file of that name.
fn walk(name: &str, hooks: &Value, life: impl AsyncFnOnce(&mut Walk<'_>)) {
    walk_with(name, hooks, Arc::new(Good), life);
}

fn walk_with(
    name: &str,
    hooks: &Value,
    metrics: Arc<dyn MetricProvider>,
    life: impl AsyncFnOnce(&mut Walk<'_>),
) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let objects = manifests::read(&[folder.join("tests/live/podinfo.yaml")]).unwrap();
    let sandbox = world::build(objects, "test", "istio").unwrap().sandbox;
    let alerts = json!([{"name": "on-call", "severity": "warn", "providerRef": {"name": "chat"}},
        {"name": "nobody", "providerRef": {"name": "absent", "namespace": "ops"}}]);
    let patch = json!({"spec": {"analysis": {"webhooks": hooks, "alerts": alerts}}});
    sandbox
        .put_object(json!({"apiVersion": "flagger.app/v1beta1", "kind": "AlertProvider",
            "metadata": {"name": "chat", "namespace": "test"},
            "spec": {"type": "slack", "channel": "releases", "secretRef": {"name": "chat"}}}))
        .unwrap();
    let empty =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "chat", "namespace": "test"}});
    sandbox.put_object(empty).unwrap();
    sandbox.patch_object("canaries.flagger.app", "test", "podinfo", &patch).unwrap();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let seen = runtime.block_on(async {
        let base = sandbox.now();
        let stop = CancellationToken::new();
        let controller = Controller::new(sandbox.client("default"), Settings::default())
            .with_clock(Arc::new(RuntimeClock::starting_at(base)))
            .with_hooks(Arc::new(Good))
            .with_providers(MetricProviders::default().with("prometheus", move |_| Ok(metrics.clone())));
        let cluster = Cluster { client: sandbox.client("default"), namespace: "test".into() };
        let mut walk = Walk { sandbox: &sandbox, cluster, seen: String::new() };
        let life = async {
            life(&mut walk).await;
            stop.cancel();
            walk.seen
        };
        let work = async { tokio::join!(controller.run(stop.clone()), life).1 };
        tokio::select! {
            seen = work => seen,
            never = drive(sandbox.clone(), base) => match never {},
        }
    });
    let file = folder.join(format!("tests/live/{name}.txt"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, seen).unwrap();
    } else {
        assert_eq!(std::fs::read_to_string(&file).unwrap(), seen, "{name}");
    }
}

#[test]
fn an_aborted_rollout_and_a_retry_look_as_written_down() {
    walk("abort_and_retry", &json!([]), async |walk| {
        walk.until("initialized", |w| w.phase() == "Initialized").await;
        walk.type_in("canaryctl list").await;
        walk.type_in("canaryctl get podinf").await;
        walk.type_in("canaryctl abort podinfo --yes --by jane").await;
        walk.apply("stefanprodan/podinfo:6.0.1");
        walk.until("20 %", |w| w.field("/status/canaryWeight") == 20).await;
        walk.type_in("canaryctl get podinfo --width 80").await;
        walk.type_in("canaryctl get podinfo --width 200").await;
        walk.type_in("canaryctl explain podinfo").await;
        walk.type_in("canaryctl pause podinfo --by jane --reason lunch").await;
        walk.type_in("canaryctl list -A -o wide").await;
        walk.type_in("canaryctl explain podinfo").await;
        walk.type_in("canaryctl abort --all --yes --by jane --reason errors").await;
        walk.until("failed", |w| w.phase() == "Failed").await;
        assert_eq!(walk.type_in("canaryctl status podinfo --wait").await, ExitCode::from(1));
        walk.type_in("canaryctl get podinfo --width 100").await;
        walk.type_in("canaryctl explain podinfo").await;
        walk.type_in("canaryctl retry podinfo --by jane").await;
        walk.until("20 %", |w| w.field("/status/canaryWeight") == 20).await;
        walk.type_in("canaryctl promote podinfo --full --yes --by jane").await;
        assert_eq!(walk.type_in("canaryctl status podinfo --wait").await, ExitCode::SUCCESS);
        walk.type_in("canaryctl history podinfo").await;
        assert_eq!(walk.type_in("canaryctl status nobody --wait").await, ExitCode::from(3));
    });
}

#[test]
fn gates_are_approved_as_written_down() {
    let hooks = json!([{"name": "leave", "type": "confirm-rollout"}, {"name": "finish", "type": "confirm-promotion"}]);
    walk("gates", &hooks, async |walk| {
        walk.until("initialized", |w| w.phase() == "Initialized").await;
        walk.apply("stefanprodan/podinfo:6.0.1");
        walk.until("waiting", |w| w.phase() == "Waiting").await;
        walk.type_in("canaryctl explain podinfo").await;
        assert_eq!(walk.type_in("canaryctl status podinfo --wait --timeout 1m").await, ExitCode::from(2));
        walk.type_in("canaryctl approve podinfo --gate nothing --by jane").await;
        walk.type_in("canaryctl approve podinfo --by jane").await;
        walk.until("waiting again", |w| w.phase() == "WaitingPromotion").await;
        walk.type_in("canaryctl get podinfo --width 100").await;
        walk.type_in("canaryctl deny podinfo --by joe --reason friday").await;
        walk.type_in("canaryctl explain podinfo").await;
        walk.type_in("canaryctl approve podinfo --by jane").await;
        assert_eq!(walk.type_in("canaryctl status podinfo --wait").await, ExitCode::SUCCESS);
        walk.type_in("canaryctl history podinfo -o json").await;
    });
}

#[test]
fn a_failed_check_looks_as_written_down() {
    walk_with("failed_check", &json!([]), Arc::new(Failing), async |walk| {
        walk.until("initialized", |w| w.phase() == "Initialized").await;
        walk.apply("stefanprodan/podinfo:6.0.1");
        walk.until("a failed check", |w| w.field("/status/failedChecks") == 1).await;
        walk.type_in("canaryctl get podinfo --width 100").await;
        walk.type_in("canaryctl explain podinfo").await;
        walk.until("failed", |w| w.phase() == "Failed").await;
        walk.type_in("canaryctl get podinfo --width 100").await;
        walk.type_in("canaryctl explain podinfo").await;
    });
}
