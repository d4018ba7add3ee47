//! The tutorial's podinfo on a sandbox, processes of the controller that can be killed, and what must hold meanwhile.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use canary_controller::{Controller, RuntimeClock, Settings};
use canary_core::{HookAnswer, HookCall, Hooks, MetricError, MetricProvider};
use canary_metrics::MetricProviders;
use canary_sandbox::{RequestInfo, Sandbox, View, drive};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

pub(crate) const NAMESPACE: &str = "test";
pub(crate) const CANARIES: &str = "canaries.flagger.app";
pub(crate) const DEPLOYMENTS: &str = "deployments.apps";
const ROUTES: &str = "virtualservices.networking.istio.io";

/// Every query is answered with a value that any threshold accepts.
struct Healthy;

#[async_trait]
impl MetricProvider for Healthy {
    async fn query(&self, query: &str) -> Result<Option<f64>, MetricError> {
        Ok(Some(match query {
            "vector(1)" => 1.0,
            duration if duration.contains("histogram_quantile") => 20.0,
            _ => 100.0,
        }))
    }

    async fn check(&self) -> Result<(), MetricError> {
        Ok(())
    }
}

/// Every hook passes.
pub(crate) struct Open;

#[async_trait]
impl Hooks for Open {
    async fn call(&self, _: &HookCall) -> HookAnswer {
        HookAnswer::Passed
    }
}

/// A sandbox with the kinds and objects of the tutorial.
pub(crate) fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new("2026-01-01T00:00:00Z".parse().unwrap());
    for crd in canary_api::crds() {
        sandbox.put_object(serde_json::to_value(crd).unwrap()).unwrap();
    }
    for (kind, plural) in [("VirtualService", "virtualservices"), ("DestinationRule", "destinationrules")] {
        sandbox.put_object(open_definition("networking.istio.io", "v1beta1", kind, plural)).unwrap();
    }
    for object in [deployment(), autoscaler(), canary()] {
        sandbox.put_object(object).unwrap();
    }
    sandbox
}

/// A definition without a schema.
fn open_definition(group: &str, version: &str, kind: &str, plural: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase(), "listKind": format!("{kind}List")},
            "versions": [{"name": version, "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    })
}

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "podinfo", "namespace": NAMESPACE, "labels": {"app": "podinfo"}},
        "spec": {
            "replicas": 2, "minReadySeconds": 1, "progressDeadlineSeconds": 60,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}},
            "selector": {"matchLabels": {"app": "podinfo"}},
            "template": {
                "metadata": {"labels": {"app": "podinfo"}},
                "spec": {"containers": [{
                    "name": "podinfod", "image": "stefanprodan/podinfo:6.0.0",
                    "ports": [{"name": "http", "containerPort": 9898}],
                }]},
            },
        },
    })
}

fn autoscaler() -> Value {
    json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "podinfo", "namespace": NAMESPACE},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"},
            "minReplicas": 2, "maxReplicas": 4,
            "metrics": [{"type": "Resource", "resource": {
                "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 99}}}],
        },
    })
}

pub(crate) fn canary() -> Value {
    json!({
        "apiVersion": "flagger.app/v1beta1", "kind": "Canary",
        "metadata": {"name": "podinfo", "namespace": NAMESPACE},
        "spec": {
            "provider": "istio",
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"},
            "progressDeadlineSeconds": 60,
            "autoscalerRef": {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "name": "podinfo"},
            "service": {
                "port": 80, "targetPort": 9898, "gateways": ["istio-system/public-gateway"], "hosts": ["*"],
                "trafficPolicy": {"tls": {"mode": "DISABLE"}},
                "retries": {"attempts": 3, "perTryTimeout": "1s", "retryOn": "gateway-error"},
            },
            "analysis": {
                "interval": "10s", "threshold": 3, "maxWeight": 50, "stepWeight": 10,
                "metrics": [
                    {"name": "request-success-rate", "thresholdRange": {"min": 99}, "interval": "1m"},
                    {"name": "request-duration", "thresholdRange": {"max": 500}, "interval": "30s"},
                ],
                "webhooks": [
                    {"name": "acceptance-test", "type": "pre-rollout", "url": "http://loadtester/"},
                    {"name": "load-test", "url": "http://loadtester/"},
                ],
            },
        },
    })
}

/// The user of the tutorial: once the canary is initialized, a new image is applied.
#[derive(Default)]
pub(crate) struct User {
    applied: AtomicBool,
}

impl User {
    /// Lives as long as it is polled, and returns when the canary is in one of the phases that end the tutorial.
    pub(crate) async fn act(&self, sandbox: &Sandbox) {
        loop {
            match phase(sandbox).as_str() {
                "Initialized" if !self.applied.swap(true, Ordering::Relaxed) => {
                    apply_image(sandbox, "stefanprodan/podinfo:6.0.1");
                }
                "Succeeded" | "Failed" => return,
                _ => sandbox.stirred().await,
            }
        }
    }
}

pub(crate) fn apply_image(sandbox: &Sandbox, image: &str) {
    let patch = json!({"spec": {"template": {"spec": {"containers": [{
        "name": "podinfod", "image": image, "ports": [{"name": "http", "containerPort": 9898, "protocol": "TCP"}]}]}}}});
    sandbox.patch_object(DEPLOYMENTS, NAMESPACE, "podinfo", &patch).unwrap();
}

pub(crate) fn phase(sandbox: &Sandbox) -> String {
    let canary = sandbox.get(CANARIES, NAMESPACE, "podinfo").unwrap_or_default();
    canary.pointer("/status/phase").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// How a process ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The tutorial is over, and the process was stopped.
    Done,
    /// It was killed.
    Killed,
}

/// Runs one process of the controller until the tutorial is over or it is killed: then its whole runtime is dropped, as a
/// kill drops it. Time is paused and jumps.
pub(crate) fn run_process(sandbox: &Sandbox, user: &User) -> End {
    run_process_with(sandbox, user.act(sandbox))
}

/// The same with anybody who acts; when he is done, so is the tutorial.
pub(crate) fn run_process_with(sandbox: &Sandbox, act: impl Future<Output = ()>) -> End {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let base = sandbox.now();
        let stop = CancellationToken::new();
        let controller = Controller::new(sandbox.client("default"), Settings::default())
            .with_clock(Arc::new(RuntimeClock::starting_at(base)))
            .with_hooks(Arc::new(Open))
            .with_providers(MetricProviders::default().with("prometheus", |_| Ok(Arc::new(Healthy))));
        let life = async {
            act.await;
            tokio::time::sleep(Duration::from_secs(30)).await; // whatever is still to be told
            stop.cancel();
        };
        let work = async { tokio::join!(controller.run(stop.clone()), life).0.unwrap() };
        tokio::select! {
            () = work => End::Done,
            () = sandbox.severed() => End::Killed,
            never = drive(sandbox.clone(), base) => match never {},
            () = tokio::time::sleep(Duration::from_secs(3600)) => panic!("not over within an hour, phase {}", phase(sandbox)),
        }
    })
}

/// Runs a controller while `life` goes on, in paused time, with hooks of the caller's.
pub(crate) fn live<T>(
    sandbox: &Sandbox,
    settings: Settings,
    hooks: Arc<dyn Hooks>,
    life: impl Future<Output = T>,
) -> T {
    let providers = MetricProviders::default().with("prometheus", |_| Ok(Arc::new(Healthy)));
    live_with(sandbox, settings, hooks, providers, life)
}

/// The same with metric providers of the caller's.
pub(crate) fn live_with<T>(
    sandbox: &Sandbox,
    settings: Settings,
    hooks: Arc<dyn Hooks>,
    providers: MetricProviders,
    life: impl Future<Output = T>,
) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let base = sandbox.now();
        let stop = CancellationToken::new();
        let controller = Controller::new(sandbox.client("default"), settings)
            .with_clock(Arc::new(RuntimeClock::starting_at(base)))
            .with_hooks(hooks)
            .with_providers(providers);
        let life = async {
            let value = life.await;
            stop.cancel();
            value
        };
        let work = async { tokio::join!(controller.run(stop.clone()), life) };
        tokio::select! {
            (end, value) = work => { end.unwrap(); value }
            never = drive(sandbox.clone(), base) => match never {},
        }
    })
}

/// Waits until the condition holds; an hour is too long.
pub(crate) async fn until(sandbox: &Sandbox, what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            pass(1).await; // of the paused clock
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(3600), wait).await.is_ok();
    assert!(in_time, "{what}: not within an hour, phase {}, told {:?}", phase(sandbox), messages(sandbox));
}

/// Lets that much time pass.
pub(crate) async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// The canary's share in the mesh.
pub(crate) fn canary_weight(sandbox: &Sandbox) -> Option<i64> {
    let route = sandbox.get(ROUTES, NAMESPACE, "podinfo")?;
    route.pointer("/spec/http/0/route/1/weight")?.as_i64()
}

/// All objects at the end, without what differs between two runs that are alike: identities, versions and times.
pub(crate) fn objects(sandbox: &Sandbox) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for resource in [
        DEPLOYMENTS,
        CANARIES,
        ROUTES,
        "services",
        "configmaps",
        "horizontalpodautoscalers.autoscaling",
        "destinationrules.networking.istio.io",
    ] {
        for mut object in sandbox.list(resource, NAMESPACE) {
            let name =
                object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
            forget_identity(&mut object);
            all.insert(format!("{resource}/{name}"), object);
        }
    }
    all
}

fn forget_identity(value: &mut Value) {
    match value {
        Value::Object(map) => {
            // The history has times in a text.
            if let Some(Value::String(history)) = map.get_mut(canary_api::HISTORY_ANNOTATION) {
                let rollouts: Value = serde_json::from_str(history).unwrap();
                let known = |r: &Value| json!([r["revision"], r["images"], r["outcome"]]);
                *history = rollouts.as_array().unwrap().iter().map(known).collect::<Value>().to_string();
            }
            map.retain(|key, _| {
                !matches!(
                    key.as_str(),
                    "uid" | "resourceVersion" | "managedFields" | "clusterIP" | "clusterIPs" | "flagger-id"
                ) && !key.ends_with("Time")
                    && !key.ends_with("Timestamp")
            });
            map.values_mut().for_each(forget_identity);
        }
        Value::Array(list) => list.iter_mut().for_each(forget_identity),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Messages of all events.
pub(crate) fn messages(sandbox: &Sandbox) -> Vec<String> {
    let text = |e: &Value| e.pointer("/message").and_then(Value::as_str).unwrap_or_default().to_owned();
    sandbox.list("events", NAMESPACE).iter().map(text).collect()
}

/// Where traffic goes and who could serve it, checked after each request.
#[derive(Default)]
pub(crate) struct Traffic {
    weights: BTreeMap<String, i64>,
    replicas: Option<i64>,
}

impl Traffic {
    /// Traffic only goes to workloads with available pods, weights add up, and a target that is sent anything is not taken
    /// down.
    pub(crate) fn inspect(&mut self, request: &RequestInfo, view: &View<'_>) -> Result<(), String> {
        let available = |name: &str| {
            let deployment = view.get(DEPLOYMENTS, NAMESPACE, name).unwrap_or_default();
            deployment.pointer("/status/availableReplicas").and_then(Value::as_i64).unwrap_or(0)
        };
        let workload =
            |host: &str| if host == "podinfo-canary" { "podinfo" } else { "podinfo-primary" }.to_owned();
        let mut weights = BTreeMap::new();
        if let Some(route) = view.get(ROUTES, NAMESPACE, "podinfo") {
            for destination in
                route.pointer("/spec/http/0/route").and_then(Value::as_array).into_iter().flatten()
            {
                let host =
                    destination.pointer("/destination/host").and_then(Value::as_str).unwrap_or_default();
                let weight = destination.get("weight").and_then(Value::as_i64).unwrap_or(100);
                weights.insert(workload(host), weight);
            }
            if weights.values().sum::<i64>() != 100 {
                return Err(format!("after {request}: weights {weights:?} do not add up to 100"));
            }
        }
        if let Some(apex) = view.get("services", NAMESPACE, "podinfo") {
            let selected = apex.pointer("/spec/selector/app").and_then(Value::as_str).unwrap_or_default();
            if available(selected) == 0 {
                return Err(format!(
                    "after {request}: the Service selects {selected}, which has no available pod"
                ));
            }
        }
        for (name, weight) in &weights {
            if *weight > 0 && available(name) == 0 {
                return Err(format!("after {request}: {weight} % go to {name}, which has no available pod"));
            }
        }
        let target = view.get(DEPLOYMENTS, NAMESPACE, "podinfo").unwrap_or_default();
        let replicas = target.pointer("/spec/replicas").and_then(Value::as_i64);
        if replicas == Some(0) && self.replicas != Some(0) && weights.get("podinfo").is_some_and(|w| *w > 0) {
            return Err(format!("after {request}: the target was taken down with traffic"));
        }
        self.replicas = replicas;
        self.weights = weights;
        Ok(())
    }
}
