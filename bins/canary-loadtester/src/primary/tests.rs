use std::net::SocketAddr;
use std::time::{Duration, Instant};

use canary_load::{Arrivals, Flow, Limits, Plan, Prepared, Profile, Target};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::runs::{Beginning, Label, Runs};

const BOTH: [&str; 2] = ["canary", "primary"];

fn plan(addresses: &[SocketAddr], arms: &[&str]) -> Plan {
    let targets: Vec<Target> =
        addresses.iter().map(|address| format!("http://{address}").parse().unwrap()).collect();
    let flows = arms.iter().zip(0..).map(|(arm, n)| {
        Flow::request(*arm, n, Prepared::new(&targets[n], "GET", "/", &[], "").unwrap()).in_arm(*arm)
    });
    let flows = flows.collect();
    let mut plan = Plan::new(targets, flows).open(Profile::constant(200.0), Arrivals::Even);
    plan.limits = Limits { connections: 4, ..Limits::default() };
    plan
}

fn limits(text: &str, arms: &[&str]) -> Result<Option<PrimaryLimits>, String> {
    let mut payload = Payload::default();
    payload.metadata.insert(KEY.to_owned(), text.to_owned());
    PrimaryLimits::of(&payload, &plan(&vec!["127.0.0.1:9".parse().unwrap(); arms.len()], arms))
}

#[test]
fn limits_are_about_errors_and_quantiles_of_load_on_the_primary() {
    assert!(limits("errors < 5%; p99 < 500ms", &BOTH).unwrap().is_some());
    for (text, arms, why) in [
        ("errors < 5", &BOTH[..], "is no rule"),
        ("", &BOTH, "no rule"),
        ("requests > 5", &BOTH, "about neither errors nor a quantile"),
        ("errors < 5%", &BOTH[..1], "of: each"),
    ] {
        let error = limits(text, arms).unwrap_err();
        assert!(error.starts_with(KEY) && error.contains(why), "{error}");
    }
    let none = PrimaryLimits::of(&Payload::default(), &plan(&["127.0.0.1:9".parse().unwrap()], &["canary"]));
    assert_eq!(none, Ok(None));
}

/// A target that answers well a number of times, and then badly.
async fn target(good: u64) -> MockServer {
    let target = MockServer::start().await;
    if good > 0 {
        Mock::given(any()).respond_with(ResponseTemplate::new(200)).up_to_n_times(good).mount(&target).await;
    }
    Mock::given(any()).respond_with(ResponseTemplate::new(503)).with_priority(9).mount(&target).await;
    target
}

/// Runs load on a canary and a primary until something ends it, or for three seconds.
async fn run(runs: &Runs, canary: &MockServer, primary: &MockServer, rules: &str) -> (Arc<Record>, Duration) {
    let mut plan = plan(&[*canary.address(), *primary.address()], &BOTH);
    plan.duration = Some(Duration::from_secs(3));
    let limits = limits(rules, &BOTH).unwrap().unwrap();
    let label = Label { namespace: "test".into(), canary: "podinfo".into(), name: "load".into() };
    let beginning = Beginning {
        id: "run".into(),
        identity: "identity".into(),
        label,
        first: None,
        stop: CancellationToken::new(),
    };
    let attended = runs.begin(plan, beginning).unwrap();
    let (record, began) = (attended.record.clone(), Instant::now());
    let attending = attended.attend(async move |record: Arc<Record>| {
        limits.watch(&record).await;
        std::future::pending::<()>().await;
    });
    attending.await.unwrap();
    (record, began.elapsed())
}

#[tokio::test]
async fn load_is_aborted_within_two_seconds_of_the_primary_failing_and_judges_nothing() {
    let (canary, primary) = (target(u64::MAX).await, target(20).await);
    let runs = Runs::default();
    let (record, took) = run(&runs, &canary, &primary, "errors < 20%").await;
    // The first fifth of a second is well.
    assert!(took < Duration::from_millis(2200), "{took:?}");
    let reason = record.aborted().unwrap();
    assert!(reason.starts_with("the primary degraded: errors < 20%: it was "), "{reason}");
    let shown = json!(record.show());
    assert_eq!((shown["state"].as_str(), shown["reason"].as_str()), (Some("aborted"), Some(reason)));
    assert!(record.is_no_evidence() && runs.aborted("identity").is_some());
    let mut sum = Sum::default();
    sum.add(&record, Duration::from_secs(60), Some("canary"), jiff::Timestamp::now());
    assert!(sum.is_limited());
    // Each arm has its own numbers.
    let report = record.report().unwrap();
    assert!(report.arms["canary"].errors.is_empty() && report.arms["primary"].errors["status"] > 0);
    let told = crate::events::aborted("load", reason, &report);
    assert!(told.starts_with(&format!("Load on load was aborted and judges nothing: {reason}; ")), "{told}");
    assert!(told.contains("; canary: ") && told.contains("; primary: "), "{told}");
}

#[tokio::test]
async fn a_canary_that_fails_aborts_nothing() {
    let (canary, primary) = (target(0).await, target(u64::MAX).await);
    let runs = Runs::default();
    let (record, took) = run(&runs, &canary, &primary, "errors < 5%").await;
    assert!(took > Duration::from_millis(2900) && record.aborted().is_none());
    assert_eq!(json!(record.show())["state"], "ended");
    assert!(runs.aborted("identity").is_none());
}

#[tokio::test]
async fn a_rule_waits_for_as_many_requests_as_it_needs() {
    let needed = |rule: &str| Rule::parse(rule).unwrap().requests_needed();
    assert_eq!(needed("errors < 1%"), Some(20));
    assert_eq!([needed("p50 < 1s"), needed("p95 < 1s"), needed("p99 < 1s")], [Some(20), Some(20), Some(100)]);
    assert_eq!([needed("p9999 < 1s"), needed("requests > 1")], [Some(1000), None]);
    let primary = target(0).await;
    for (requests, is_broken) in [(19, false), (20, true)] {
        let mut plan = plan(&[*primary.address()], &["primary"]);
        plan.requests = Some(requests);
        let mut run = canary_load::Engine::start(plan).unwrap();
        let (mut snapshots, mut seconds) = (run.snapshots(), VecDeque::new());
        while let Some(second) = snapshots.next().await {
            seconds.push_front(second);
        }
        let limits = limits("errors < 5%", &BOTH).unwrap().unwrap();
        assert_eq!(limits.broken(&seconds).is_some(), is_broken, "{requests}");
    }
}
