//! What is told of a check that has no good value: which of four troubles it is, what was asked, and, once, why there is nothing.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[path = "support/farm.rs"]
mod farm;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use canary_controller::Settings;
use canary_core::{MetricError, MetricProvider, Samples};
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
    async fn samples(&self, _: &str) -> Samples {
        let mut samples = Samples::default();
        (samples.series, samples.count, samples.age) =
            (Some(2), Some(24), Some(Duration::from_millis(14_200)));
        samples
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
    told_on(sandbox(), answer, text)
}

fn told_on(sandbox: Sandbox, answer: Result<Option<f64>, MetricError>, text: &str) -> (Sandbox, Value) {
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

/// What the Canary says of the last failed check.
fn condition(sandbox: &Sandbox) -> Option<Value> {
    let canary = sandbox.get(CANARIES, NAMESPACE, "podinfo").unwrap();
    let conditions = canary["status"]["conditions"].as_array().unwrap();
    assert_eq!(conditions[0]["type"], "Promoted", "{canary}");
    conditions.iter().find(|condition| condition["type"] == "MetricCheckFailed").cloned()
}

#[test]
fn four_troubles_are_told_apart_in_the_annotations_of_the_event() {
    let refused = MetricError::Refused("parse error".into());
    let table = [
        (
            Ok(Some(97.5)),
            "advancement success rate 97.50% < 99%",
            "bad-value",
            "BadValue",
            "request-success-rate is 97.5, below 99; 2 series, 24 samples, 14s old; query: ",
        ),
        (
            Ok(None),
            "no values found for istio metric request-success-rate",
            "no-data",
            "NoData",
            "request-success-rate: running query failed: no values found; there is no metric \"istio_requests_total\"; 2 series, ",
        ),
        (
            Err(MetricError::Unreachable("gone".into())),
            "Prometheus query failed: running query failed: gone",
            "provider-unreachable",
            "ProviderUnreachable",
            "request-success-rate: running query failed: gone; query: ",
        ),
        (
            Err(refused),
            "Prometheus query failed: running query failed: parse error",
            "wrong-query",
            "WrongQuery",
            "request-success-rate: running query failed: parse error; query: ",
        ),
    ];
    for (answer, text, trouble, reason, told_as) in table {
        let (sandbox, annotations) = told(answer.clone(), text);
        let condition = condition(&sandbox).unwrap();
        assert_eq!(condition["reason"], reason, "{condition}");
        let message = condition["message"].as_str().unwrap();
        assert!(message.starts_with(told_as), "{message}");
        assert!(message.contains("; query: sum( rate( istio_requests_total{"), "{message}");
        let known = answer.is_ok().then_some("24");
        assert_eq!(annotations["canaryd/samples"].as_str(), known, "{annotations}");
        assert_eq!(annotations["canaryd/age"].as_str(), known.map(|_| "14s"), "{annotations}");
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
fn flaggers_definition_of_a_canary_keeps_the_condition() {
    let sandbox = sandbox();
    for crd in canary_api::flagger_crds() {
        sandbox.put_object(serde_json::to_value(crd).unwrap()).unwrap();
    }
    let (sandbox, _) = told_on(sandbox, Ok(Some(97.5)), "advancement success rate 97.50% < 99%");
    let condition = condition(&sandbox).unwrap();
    assert!(condition["message"].as_str().unwrap().contains("is 97.5, below 99"), "{condition}");
    assert!(condition["lastUpdateTime"].is_string(), "{condition}");
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

/// Has no values for the first two questions about success.
struct Mending(AtomicU32);

#[async_trait]
impl MetricProvider for Mending {
    async fn query(&self, query: &str) -> Result<Option<f64>, MetricError> {
        if query.contains("histogram_quantile") {
            return Ok(Some(20.0));
        }
        Ok((self.0.fetch_add(1, Ordering::SeqCst) >= 2).then_some(100.0))
    }
    async fn check(&self) -> Result<(), MetricError> {
        Ok(())
    }
}

#[test]
fn the_condition_stands_while_the_rollout_goes_on_and_goes_with_its_success() {
    let sandbox = sandbox();
    let user = User::default();
    let mending = Arc::new(Mending(AtomicU32::new(0)));
    let providers = MetricProviders::default().with("prometheus", move |_| Ok(mending.clone()));
    let mut seen = Vec::new();
    live_with(&sandbox, Settings::default(), Arc::new(Open), providers, async {
        let watching = async {
            loop {
                let canary = sandbox.get(CANARIES, NAMESPACE, "podinfo").unwrap();
                let failed = &canary["status"]["failedChecks"];
                let conditions = canary["status"]["conditions"].as_array();
                let told = conditions.into_iter().flatten().find(|c| c["type"] == "MetricCheckFailed");
                let since = told.map(|c| (c["lastTransitionTime"].clone(), c["lastUpdateTime"].clone()));
                let now = (failed.as_i64().unwrap_or(0), since);
                if seen.last() != Some(&now) {
                    seen.push(now);
                }
                pass(1).await;
            }
        };
        tokio::select! {
            () = watching => {}
            () = user.act(&sandbox) => {}
        }
    });
    assert_eq!(condition(&sandbox), None);
    let told: Vec<_> = seen.iter().filter_map(|(failed, since)| Some((*failed, since.as_ref()?))).collect();
    assert_eq!(told.iter().map(|(failed, _)| *failed).collect::<Vec<_>>(), [1, 2], "{seen:?}");
    let ((_, first), (_, second)) = (told[0], told[1]);
    assert_eq!(first.0, second.0, "it became true once");
    assert!(first.1.as_str() < second.1.as_str(), "and was told twice: {seen:?}");
}
