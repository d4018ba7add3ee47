//! The doctor on the sandbox.

use std::sync::Arc;

use async_trait::async_trait;
use canary_core::{MetricError, MetricProvider};
use canary_sandbox::Sandbox;
use serde_json::json;

use super::*;
use crate::manifests::parse_text;

/// Knows durations; of rates it has none, and says why.
struct Durations;

#[async_trait]
impl MetricProvider for Durations {
    async fn query(&self, query: &str) -> Result<Option<f64>, MetricError> {
        match query {
            text if text.contains("refused") => Err(MetricError::Refused("parse error".into())),
            text if text.contains("histogram_quantile") => Ok(Some(21.5)),
            _ => Ok(None),
        }
    }
    async fn explain(&self, _: &str) -> Option<String> {
        Some("there is no metric \"istio_requests_total\"".into())
    }
    async fn check(&self) -> Result<(), MetricError> {
        Ok(())
    }
}

const FILES: &str = r#"
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: podinfo, namespace: test}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}
  service: {port: 80}
  analysis:
    interval: 1m
    threshold: 5
    stepWeight: 10
    metrics:
      - {name: request-success-rate, thresholdRange: {min: 99}}
      - {name: request-duration, thresholdRange: {max: 500}}
      - {name: errors, thresholdRange: {max: 1}, templateRef: {name: errors}}
      - {name: absent, thresholdRange: {max: 1}, templateRef: {name: absent}}
    webhooks:
      - {name: load, url: "http://loadtester.test/"}
      - {name: gate, url: "http://gate.test.svc:8080/"}
---
apiVersion: flagger.app/v1beta1
kind: MetricTemplate
metadata: {name: errors, namespace: test}
spec: {provider: {type: prometheus, address: "http://prometheus"}, query: "refused({{ target }})"}
"#;

async fn rows(sandbox: &Sandbox, files: &str) -> Vec<String> {
    let look = Look {
        namespace: "default".into(),
        mesh_provider: "istio".into(),
        metrics_server: "http://prometheus".into(),
    };
    let providers = MetricProviders::default().with("prometheus", |_| Ok(Arc::new(Durations)));
    let client = sandbox.client("default");
    let rows = with_cluster(parse_text(files), &look, client, &providers).await.unwrap();
    rows.iter().map(|row| format!("{:?} {}: {}", row.state, row.what, row.text)).collect()
}

#[tokio::test]
async fn everything_that_a_canary_needs_is_looked_at() {
    let sandbox = Sandbox::new("2026-01-01T00:00:00Z".parse().unwrap());
    for crd in canary_api::crds() {
        sandbox.put_object(serde_json::to_value(crd).unwrap()).unwrap();
    }
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "loadtester", "namespace": "test"},
        "spec": {"ports": [{"port": 80}], "selector": {"app": "loadtester"}}});
    sandbox.put_object(service).unwrap();
    assert_eq!(
        rows(&sandbox, FILES).await,
        [
            "Good canary: is valid",
            "Bad targetRef: Deployment podinfo.test does not exist",
            "Doubtful metric request-success-rate: no-data at the moment: there is no metric \"istio_requests_total\"",
            "Good metric request-duration: is 21 at the moment",
            "Bad metric errors: wrong-query: parse error",
            "Bad metric absent: MetricTemplate absent.test does not exist",
            "Good hook load: Service loadtester.test has port 80",
            "Bad hook gate: Service gate.test.svc does not exist",
        ]
        .map(|row| row.replace("gate.test.svc does", "gate.test does"))
    );
}

#[tokio::test]
async fn an_invalid_canary_is_bad_and_says_where() {
    let sandbox = Sandbox::new("2026-01-01T00:00:00Z".parse().unwrap());
    let rows = rows(&sandbox, &FILES.replace("  service: {", "  provider: isito\n  service: {")).await;
    assert!(rows.len() == 1 && rows[0].starts_with("Bad canary: "), "{rows:?}");
}
