use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use canary_controller::{Controller, RuntimeClock, Settings};
use canary_core::{HookAnswer, HookCall, Hooks, MetricError, MetricProvider};
use canary_metrics::MetricProviders;
use canary_routers::Routers;
use canary_sandbox::{Sandbox, drive};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::{Span, status::StatusCode};
use prost::Message as _;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::layer::SubscriberExt as _;

use super::*;

/// A word that stands for what must not leave the cluster.
const SECRET: &str = "s3cr3t";

/// A collector on loopback that keeps what arrives.
struct Collector {
    address: String,
    arrived: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let arrived = Arc::<Mutex<Vec<_>>>::default();
        let kept = arrived.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = BufReader::new(stream.unwrap());
                let (mut line, mut length) = (String::new(), 0);
                stream.read_line(&mut line).unwrap();
                assert!(line.starts_with("POST /v1/traces HTTP/1.1"), "{line}");
                loop {
                    line.clear();
                    stream.read_line(&mut line).unwrap();
                    if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    if line.trim().is_empty() {
                        break;
                    }
                }
                let mut body = vec![0; length];
                stream.read_exact(&mut body).unwrap();
                kept.lock().unwrap().push(ExportTraceServiceRequest::decode(&*body).unwrap());
                let answer =
                    "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
                stream.get_mut().write_all(answer.as_bytes()).unwrap();
            }
        });
        Self { address, arrived }
    }

    fn spans(&self) -> Vec<Span> {
        let arrived = self.arrived.lock().unwrap();
        let scopes = arrived.iter().flat_map(|r| &r.resource_spans).flat_map(|r| &r.scope_spans);
        scopes.flat_map(|s| s.spans.clone()).collect()
    }

    /// Attributes of the process that sent them.
    fn service(&self) -> Vec<(String, String)> {
        let arrived = self.arrived.lock().unwrap();
        let resource = arrived[0].resource_spans[0].resource.clone().unwrap();
        resource.attributes.into_iter().filter_map(|a| Some((a.key, text(a.value?.value)?))).collect()
    }
}

fn text(value: Option<Any>) -> Option<String> {
    let value = value?;
    if let Any::StringValue(text) = value {
        return Some(text);
    }
    Some(format!("{value:?}"))
}

/// How many there are of each name, for messages.
fn counted(spans: &[Span]) -> std::collections::BTreeMap<&str, usize> {
    let mut counts = std::collections::BTreeMap::new();
    for span in spans {
        *counts.entry(span.name.as_str()).or_default() += 1;
    }
    counts
}

fn attribute(span: &Span, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|a| a.key == key)?;
    text(found.value.clone()?.value)
}

fn failed(span: &Span) -> bool {
    span.status.as_ref().is_some_and(|status| status.code == StatusCode::Error as i32)
}

/// Success rates are good; durations cannot be had, for a reason that has a secret in it.
struct Half;

#[async_trait]
impl MetricProvider for Half {
    async fn query(&self, query: &str) -> Result<Option<f64>, MetricError> {
        if query.contains("histogram_quantile") {
            return Err(MetricError::Unreachable(format!("http://user:{SECRET}@prometheus")));
        }
        Ok(Some(100.0))
    }
    async fn check(&self) -> Result<(), MetricError> {
        Ok(())
    }
}

#[async_trait]
impl Hooks for Half {
    async fn call(&self, _: &HookCall) -> HookAnswer {
        HookAnswer::Passed
    }
}

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new("2026-01-01T00:00:00Z".parse().unwrap());
    for definition in canary_api::crds() {
        sandbox.put_object(serde_json::to_value(definition).unwrap()).unwrap();
    }
    for kind in Routers::default().kinds("istio").unwrap() {
        sandbox.serve(&kind, true);
    }
    let template = json!({"metadata": {"labels": {"app": "podinfo"}},
        "spec": {"containers": [{"name": "podinfod", "image": "podinfo:1"}]}});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "podinfo", "namespace": "test"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "podinfo"}}, "template": template}});
    let metric = |name: &str, range: serde_json::Value| json!({"name": name, "interval": "1m", "thresholdRange": range});
    let hook =
        json!({"name": "acceptance", "type": "pre-rollout", "url": format!("http://tester/?token={SECRET}")});
    let canary = json!({"apiVersion": "flagger.app/v1beta1", "kind": "Canary",
        "metadata": {"name": "podinfo", "namespace": "test"},
        "spec": {"provider": "istio",
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"},
            "service": {"port": 80},
            "analysis": {"interval": "10s", "threshold": 2, "maxWeight": 50, "stepWeight": 50, "webhooks": [hook],
                "metrics": [metric("request-success-rate", json!({"min": 99})),
                            metric("request-duration", json!({"max": 500}))]}}});
    for object in [deployment, canary] {
        sandbox.put_object(object).unwrap();
    }
    sandbox
}

/// A rollout that fails, in virtual time, with spans for whatever subscriber is at work.
fn roll_out() {
    let sandbox = sandbox();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let (base, stop) = (sandbox.now(), CancellationToken::new());
        let controller = Controller::new(sandbox.client("default"), Settings::default())
            .with_clock(Arc::new(RuntimeClock::starting_at(base)))
            .with_hooks(Arc::new(Half))
            .with_providers(MetricProviders::default().with("prometheus", |_| Ok(Arc::new(Half))));
        let phase = || {
            let canary = sandbox.get("canaries.flagger.app", "test", "podinfo").unwrap();
            canary["status"]["phase"].as_str().unwrap_or_default().to_owned()
        };
        let life = async {
            for (image, wanted) in [("podinfo:1", "Initialized"), ("podinfo:2", "Failed")] {
                let patch = json!({"spec": {"template": {"spec": {"containers": [{"name": "podinfod", "image": image}]}}}});
                sandbox.patch_object("deployments.apps", "test", "podinfo", &patch).unwrap();
                for _ in 0..600 {
                    if phase() == wanted {
                        break;
                    }
                    tokio::time::sleep(Duration::from_secs(1)).await; // of the paused clock
                }
                assert_eq!(phase(), wanted);
            }
            stop.cancel();
        };
        let work = async { tokio::join!(controller.run(stop.clone()), life).0 };
        tokio::select! {
            done = work => done.unwrap(),
            never = drive(sandbox.clone(), base) => match never {},
        }
    });
}

#[test]
fn a_collector_gets_a_trace_of_each_tick_and_no_secret() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let collector = Collector::start();
    let endpoint = Url::parse(&format!("{}/v1/traces", collector.address)).unwrap();
    let traces = Traces::new(&endpoint).unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(traces.layer()), roll_out);
    traces.finish();

    let spans = collector.spans();
    let is_tick = |s: &&Span| attribute(s, "canary.tick").as_deref() == Some("BoolValue(true)");
    let ticks: Vec<&Span> = spans.iter().filter(|s| s.name == "look").filter(is_tick).collect();
    assert!(ticks.iter().all(|t| t.parent_span_id.is_empty()), "a tick is the root of its trace");
    let parts = |tick: &Span| -> Vec<&Span> {
        spans.iter().filter(|s| s.parent_span_id == tick.span_id && s.trace_id == tick.trace_id).collect()
    };
    let with = |name: &str| {
        ticks
            .iter()
            .find(|t| parts(t).iter().any(|p| p.name == name))
            .unwrap_or_else(|| panic!("no {name} in any tick: {:?}", counted(&spans)))
    };
    let step = with("set weights");
    let names: Vec<&str> = parts(step).iter().map(|p| p.name.as_str()).collect();
    for name in ["observe", "ensure routes", "set weights", "commit"] {
        assert!(names.contains(&name), "{name} among {names:?}");
    }
    assert_eq!(attribute(step, "canary.name").as_deref(), Some("podinfo"));
    assert_eq!(attribute(step, "k8s.namespace.name").as_deref(), Some("test"));

    let hook = parts(with("hook")).into_iter().find(|p| p.name == "hook").unwrap();
    assert_eq!(attribute(hook, "question.name").as_deref(), Some("acceptance"));
    let asked: Vec<&Span> = parts(with("metric")).into_iter().filter(|p| p.name == "metric").collect();
    let told: Vec<_> = asked
        .iter()
        .map(|m| {
            (attribute(m, "question.name").unwrap(), attribute(m, "question.outcome").unwrap(), failed(m))
        })
        .collect();
    assert_eq!(
        told,
        [
            ("request-success-rate".into(), "answered".into(), false),
            ("request-duration".into(), "failed".into(), true)
        ]
    );
    assert!(ticks.iter().any(|t| attribute(t, "canary.phase.next").as_deref() == Some("Failed")));
    let looks = spans.iter().filter(|s| s.name == "look").count();
    assert!(looks > ticks.len(), "calls between two ticks are told from ticks");

    let everything = format!("{spans:?}");
    assert!(!everything.contains(SECRET) && !everything.contains("http://"), "{everything}");
    assert!(
        collector.service().contains(&("service.name".into(), "canaryd".into())),
        "{:?}",
        collector.service()
    );
}

#[test]
fn without_a_collector_no_span_is_made() {
    let none = tracing_subscriber::registry()
        .with(tracing_subscriber::fmt::layer().with_writer(std::io::sink).with_filter(LevelFilter::DEBUG));
    tracing::subscriber::with_default(none, || {
        let made = tracing::trace_span!(target: SPAN_TARGET, "look");
        assert!(made.is_disabled());
    });
}
