//! What is told of a check that has no good value: which of four troubles it is, what was asked, and, once, why there is nothing.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[path = "support/farm.rs"]
mod farm;

use std::sync::Arc;

use async_trait::async_trait;
use canary_controller::Settings;
use canary_core::{MetricError, MetricProvider};
use canary_metrics::MetricProviders;
use canary_sandbox::Sandbox;
use farm::{CANARIES, NAMESPACE, Open, User, live_with, messages, pass, sandbox};
use serde_json::{Value, json};

/// Answers success rates as it is told.
struct Answers(Result<Option<f64>, MetricError>);

#[async_trait]
impl MetricProvider for Answers {
    async fn query(&self, query: &str) -> Result<Option<f64>, MetricError> {
        if query.contains("histogram_quantile") { Ok(Some(20.0)) } else { self.0.clone() }
    }
    async fn explain(&self, query: &str) -> Option<String> {
        assert!(query.contains("istio_requests_total"), "{query}");
        Some("there is no metric \"istio_requests_total\"".into())
    }
    async fn check(&self) -> Result<(), MetricError> {
        Ok(())
    }
}

/// Plays a rollout that fails, and gives the annotations of the first event with that text.
fn told(answer: Result<Option<f64>, MetricError>, text: &str) -> (Sandbox, Value) {
    let sandbox = sandbox();
    let providers =
        MetricProviders::default().with("prometheus", move |_| Ok(Arc::new(Answers(answer.clone()))));
    let user = User::default();
    live_with(&sandbox, Settings::default(), Arc::new(Open), providers, async {
        user.act(&sandbox).await;
        pass(30).await;
    });
    let events = sandbox.list("events", NAMESPACE);
    let found =
        events.iter().find(|event| event["message"].as_str().is_some_and(|message| message.contains(text)));
    let annotations = found.map(|event| event["metadata"]["annotations"].clone());
    let annotations =
        annotations.unwrap_or_else(|| panic!("no event says {text:?}: {:?}", messages(&sandbox)));
    (sandbox, annotations)
}

#[test]
fn four_troubles_are_told_apart_in_the_annotations_of_the_event() {
    let refused = MetricError::Refused("parse error".into());
    let table = [
        (Ok(Some(97.5)), "advancement success rate 97.50% < 99%", "bad-value"),
        (Ok(None), "no values found for istio metric request-success-rate", "no-data"),
        (
            Err(MetricError::Unreachable("gone".into())),
            "Prometheus query failed: running query failed: gone",
            "provider-unreachable",
        ),
        (Err(refused), "Prometheus query failed: running query failed: parse error", "wrong-query"),
    ];
    for (answer, text, trouble) in table {
        let (_, annotations) = told(answer.clone(), text);
        assert_eq!(annotations["canaryd/trouble"], trouble, "{annotations}");
        assert_eq!(annotations["canaryd/metric"], "request-success-rate", "{annotations}");
        let query = annotations["canaryd/query"].as_str().unwrap();
        assert!(query.contains(r#"destination_workload=~"podinfo""#), "{query}");
        if answer == Ok(Some(97.5)) {
            assert_eq!(
                (&annotations["canaryd/value"], &annotations["canaryd/bound"]),
                (&json!("97.5"), &json!("99"))
            );
        }
    }
}

#[test]
fn missing_values_are_explained_once_for_each_rollout_and_metric() {
    let (sandbox, _) = told(Ok(None), "no values found for istio metric");
    let canary = sandbox.get(CANARIES, NAMESPACE, "podinfo").unwrap();
    assert_eq!(canary["status"]["phase"], "Failed");
    let reason = r#"No values of metric request-success-rate: there is no metric "istio_requests_total""#;
    assert_eq!(
        messages(&sandbox).iter().filter(|message| *message == reason).count(),
        1,
        "{:?}",
        messages(&sandbox)
    );
    let counts: i64 = sandbox
        .list("events", NAMESPACE)
        .iter()
        .filter(|event| event["message"] == reason)
        .filter_map(|event| event["count"].as_i64())
        .sum();
    assert_eq!(counts, 1);
}

#[test]
fn good_values_are_kept_on_the_events_of_their_tick() {
    let (sandbox, annotations) = told(Ok(Some(99.5)), "Advance podinfo.test canary weight 20");
    let values: Value = serde_json::from_str(annotations["canaryd/values"].as_str().unwrap()).unwrap();
    assert_eq!(values, json!({"request-success-rate": 99.5, "request-duration": 20.0}));
    let events = sandbox.list("events", NAMESPACE);
    let first = events.iter().find(|e| e["message"] == "Starting canary analysis for podinfo.test").unwrap();
    assert_eq!(first["metadata"]["annotations"], Value::Null, "nothing was asked before the first step");
}

#[test]
fn an_alert_that_nobody_gets_is_told_as_an_event() {
    let sandbox = sandbox();
    let alerts = json!([{"name": "on-call", "providerRef": {"name": "absent"}}]);
    let patch = json!({"spec": {"analysis": {"alerts": alerts}}});
    sandbox.patch_object(CANARIES, NAMESPACE, "podinfo", &patch).unwrap();
    let providers = MetricProviders::default().with("prometheus", |_| Ok(Arc::new(Answers(Ok(Some(100.0))))));
    live_with(&sandbox, Settings::default(), Arc::new(Open), providers, pass(60));
    let events = sandbox.list("events", NAMESPACE);
    let text = "An alert of podinfo.test was not delivered: on-call: alertproviders.flagger.app \"absent\" not found";
    let found = events.iter().find(|e| e["message"] == text);
    let found = found.unwrap_or_else(|| panic!("{:?}", messages(&sandbox)));
    assert_eq!(
        (&found["type"], &found["metadata"]["annotations"]["canaryd/alert"]),
        (&json!("Warning"), &json!("on-call"))
    );
}
