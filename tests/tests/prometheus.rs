//! A whole canary on the sandbox, measured by a real Prometheus that scrapes a page which the test serves.
//!
//! `PROMETHEUS` names the program: of the Debian package `prometheus`, or of a release.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[path = "../../crates/canary-controller/tests/support/farm.rs"]
mod farm;
#[path = "support/scraped.rs"]
mod scraped;

use std::sync::Arc;
use std::time::Duration;

use canary_controller::{Controller, RuntimeClock, Settings};
use canary_metrics::{MetricProviders, ProviderSpec, QueryModel, observer};
use canary_sandbox::{Sandbox, drive};
use canary_tests::{documented_query, program};
use farm::{CANARIES, NAMESPACE, Open, User, messages, phase, sandbox};
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// Plays a rollout in real time, with ticks of a second; where it ends.
async fn play(sandbox: &Sandbox, metrics_server: &str) -> String {
    let base = sandbox.now();
    let stop = CancellationToken::new();
    let settings =
        Settings { metrics_server: canary_controller::Address::new(metrics_server), ..Settings::default() };
    let controller = Controller::new(sandbox.client("default"), settings)
        .with_clock(Arc::new(RuntimeClock::starting_at(base)))
        .with_hooks(Arc::new(Open));
    let user = User::default();
    let life = async {
        tokio::time::timeout(Duration::from_secs(120), user.act(sandbox)).await.unwrap();
        // The explanation follows the commit.
        tokio::time::sleep(Duration::from_secs(2)).await;
        stop.cancel();
    };
    let work = async { tokio::join!(controller.run(stop.clone()), life).0.unwrap() };
    tokio::select! {
        () = work => {}
        never = drive(sandbox.clone(), base) => match never {},
    }
    phase(sandbox)
}

fn with_analysis(metrics: &serde_json::Value) -> Sandbox {
    let sandbox = sandbox();
    let analysis = json!({"interval": "1s", "threshold": 2, "maxWeight": 50, "stepWeight": 25, "metrics": metrics, "webhooks": []});
    sandbox.patch_object(CANARIES, NAMESPACE, "podinfo", &json!({"spec": {"analysis": analysis}})).unwrap();
    sandbox
}

#[tokio::test]
async fn a_canary_is_measured_and_a_spelling_mistake_is_named() {
    let how = "apt-get install prometheus, or apt-get download prometheus and dpkg-deb -x";
    let Some(server) = program("PROMETHEUS", how) else { return };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (_running, address, _folder) = scraped::prometheus(&server, NAMESPACE).await;

    // Only the older name of the series exists, in seconds: 99 % are within 0.25 s, which is 250 ms at most.
    let good = json!([
        {"name": "request-success-rate", "thresholdRange": {"min": 99}, "interval": "1m"},
        {"name": "request-duration", "thresholdRange": {"min": 100, "max": 250}, "interval": "30s"},
    ]);
    let good = with_analysis(&good);

    let misspelt = json!([{"name": "requests", "thresholdRange": {"min": 1}, "interval": "1m",
        "templateRef": {"name": "requests"}}]);
    let misspelt = with_analysis(&misspelt);
    misspelt
        .put_object(json!({
            "apiVersion": "flagger.app/v1beta1", "kind": "MetricTemplate",
            "metadata": {"name": "requests", "namespace": NAMESPACE},
            "spec": {
                "provider": {"type": "prometheus", "address": address},
                "query": "sum(rate(istio_request_total{destination_workload=\"{{ target }}\"}[{{ interval }}]))",
            },
        }))
        .unwrap();

    let tight = json!([{"name": "request-success-rate", "thresholdRange": {"max": 99}, "interval": "1m"}]);
    let tight = with_analysis(&tight);

    // Real time is what takes long, so they share it.
    let ends = tokio::join!(play(&good, &address), play(&misspelt, &address), play(&tight, &address));
    assert_eq!(ends.0, "Succeeded", "{:?}", messages(&good));
    assert_eq!((ends.1.as_str(), ends.2.as_str()), ("Failed", "Failed"));

    let sandbox = misspelt;
    let reason = r#"No values of metric requests: there is no metric "istio_request_total"; the nearest is "istio_requests_total""#;
    assert!(messages(&sandbox).iter().any(|message| message == reason), "{:?}", messages(&sandbox));
    let canary = sandbox.get(CANARIES, NAMESPACE, "podinfo").unwrap();
    let condition = &canary["status"]["conditions"][1];
    assert_eq!((&condition["type"], &condition["reason"]), (&json!("MetricCheckFailed"), &json!("NoData")));
    let told = condition["message"].as_str().unwrap();
    assert!(told.contains(r#"the nearest is "istio_requests_total""#), "{told}");
    assert!(
        told.ends_with(
            r#"0 samples; query: sum(rate(istio_request_total{destination_workload="podinfo"}[1m]))"#
        ),
        "{told}"
    );

    // A value out of bounds says how many samples it is made of, and how old the newest is.
    let sandbox = tight;
    let canary = sandbox.get(CANARIES, NAMESPACE, "podinfo").unwrap();
    let told = canary["status"]["conditions"][1]["message"].as_str().unwrap();
    assert!(told.starts_with("request-success-rate is 100, above 99; 1 series, "), "{told}");
    let events = sandbox.list("events", NAMESPACE);
    let notes = events.iter().map(|event| &event["metadata"]["annotations"]);
    let notes: Vec<_> = notes.filter(|notes| notes["canaryd/trouble"] == "bad-value").collect();
    let notes = notes[0];
    let samples: u64 = notes["canaryd/samples"].as_str().unwrap().parse().unwrap();
    assert!(samples > 2, "{notes}");
    let age: u64 = notes["canaryd/age"].as_str().unwrap().trim_end_matches('s').parse().unwrap();
    assert!(age < 30, "{notes}");

    // The newer name of the series, in milliseconds.
    let mut model =
        QueryModel { namespace: NAMESPACE.into(), target: "newer".into(), ..QueryModel::default() };
    model.interval = "30s".into();
    let istio = observer("istio", "", false).0;
    let provider = MetricProviders::default().build(&ProviderSpec::new("prometheus", &address)).unwrap();
    let newer = provider.query(&istio.duration(&model).unwrap()).await.unwrap().unwrap();
    assert!(istio.duration_milliseconds(newer).is_some_and(|ms| (100.0..=250.0).contains(&ms)), "{newer}");

    let page = documented_query("prometheus.md", NAMESPACE).unwrap();
    let measured = provider.measure(&page).await.unwrap();
    assert!(measured.value.is_some_and(|percentage| (percentage - 20.0).abs() < 1e-6), "{measured:?}");

    // Everything that may be missing, in one look each.
    for (query, expected) in [
        (
            r#"istio_requests_total{destination_workloads="podinfo"}"#,
            r#"metric "istio_requests_total" has no label "destination_workloads"; the nearest is "destination_workload""#,
        ),
        (
            r#"sum(rate(istio_requests_total{destination_workload=~"podinf"}[1m]))"#,
            r#"no series of "istio_requests_total" has destination_workload=~"podinf"; the nearest value is "podinfo""#,
        ),
        (
            r#"istio_requests_total{response_code=~"5.*"}"#,
            r#"no series of "istio_requests_total" has response_code=~"5.*"; its values are "200""#,
        ),
        ("rate(istio_requests_total[1ms])", "all its series exist"),
    ] {
        assert_eq!(provider.query(query).await, Ok(None), "{query}");
        let reason = provider.explain(query).await.unwrap();
        assert!(reason.starts_with(expected), "{query}: {reason}");
    }
}
