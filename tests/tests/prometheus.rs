//! A whole canary on the sandbox, measured by a real Prometheus that scrapes a page which the test serves.
//!
//! `PROMETHEUS` names the program: of the Debian package `prometheus`, or of a release.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[path = "../../crates/canary-controller/tests/support/farm.rs"]
mod farm;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use canary_controller::{Controller, RuntimeClock, Settings};
use canary_metrics::{MetricProviders, ProviderSpec};
use canary_sandbox::{Sandbox, drive};
use canary_tests::{Folder, Running, free_port, program, wait_for};
use farm::{CANARIES, NAMESPACE, Open, User, messages, phase, sandbox};
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// Requests that each scrape adds.
const STEP: u64 = 10;

/// Serves a page of metrics whose counters grow with every look: requests of an older Istio, 9 of 10 within 0.25 s.
fn exporter() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let scrapes = AtomicU64::new(0);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut request) = (stream.unwrap(), [0; 4096]);
            let _ = stream.read(&mut request);
            let all = (scrapes.fetch_add(1, Ordering::SeqCst) + 1) * STEP;
            let labels = format!(
                r#"reporter="destination",destination_workload_namespace="{NAMESPACE}",destination_workload="podinfo""#
            );
            let body = format!(
                "# TYPE istio_requests_total counter\nistio_requests_total{{{labels},response_code=\"200\"}} {all}\n\
                 # TYPE istio_request_duration_seconds histogram\n\
                 istio_request_duration_seconds_bucket{{{labels},le=\"0.1\"}} 0\n\
                 istio_request_duration_seconds_bucket{{{labels},le=\"0.25\"}} {all}\n\
                 istio_request_duration_seconds_bucket{{{labels},le=\"+Inf\"}} {all}\n\
                 istio_request_duration_seconds_sum{{{labels}}} {all}\nistio_request_duration_seconds_count{{{labels}}} {all}\n"
            );
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        }
    });
    port
}

/// Starts Prometheus and waits until it has rates.
async fn prometheus(server: &str) -> (Running, String, Folder) {
    let folder = Folder::new("prometheus").unwrap();
    let config = folder.0.join("prometheus.yml");
    let text = format!(
        "global: {{scrape_interval: 500ms}}\nscrape_configs: [{{job_name: mesh, static_configs: [{{targets: ['127.0.0.1:{}']}}]}}]\n",
        exporter()
    );
    std::fs::write(&config, text).unwrap();
    let address = format!("127.0.0.1:{}", free_port().unwrap());
    let running = Running::start(Command::new(server).current_dir(&folder.0).args([
        format!("--config.file={}", config.display()),
        format!("--storage.tsdb.path={}", folder.0.join("data").display()),
        format!("--web.listen-address={address}"),
    ]))
    .unwrap();
    let address = format!("http://{address}");
    let provider = MetricProviders::default().build(&ProviderSpec::new("prometheus", &address)).unwrap();
    let rate = "sum(rate(istio_requests_total[1m])) > 0";
    wait_for("rates", async || provider.query(rate).await.ok().flatten()).await;
    (running, address, folder)
}

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
    let (_running, address, _folder) = prometheus(&server).await;

    // Only the older name of the series exists, in seconds: 99 % are within 0.25 s, which is 250 ms at most.
    let good = json!([
        {"name": "request-success-rate", "thresholdRange": {"min": 99}, "interval": "1m"},
        {"name": "request-duration", "thresholdRange": {"min": 100, "max": 250}, "interval": "30s"},
    ]);
    let sandbox = with_analysis(&good);
    assert_eq!(play(&sandbox, &address).await, "Succeeded", "{:?}", messages(&sandbox));

    let misspelt = json!([{"name": "requests", "thresholdRange": {"min": 1}, "interval": "1m",
        "templateRef": {"name": "requests"}}]);
    let sandbox = with_analysis(&misspelt);
    sandbox
        .put_object(json!({
            "apiVersion": "flagger.app/v1beta1", "kind": "MetricTemplate",
            "metadata": {"name": "requests", "namespace": NAMESPACE},
            "spec": {
                "provider": {"type": "prometheus", "address": address},
                "query": "sum(rate(istio_request_total{destination_workload=\"{{ target }}\"}[{{ interval }}]))",
            },
        }))
        .unwrap();
    assert_eq!(play(&sandbox, &address).await, "Failed");
    let reason = r#"No values of metric requests: there is no metric "istio_request_total"; the nearest is "istio_requests_total""#;
    assert!(messages(&sandbox).iter().any(|message| message == reason), "{:?}", messages(&sandbox));

    // Everything that may be missing, in one look each.
    let provider = MetricProviders::default().build(&ProviderSpec::new("prometheus", &address)).unwrap();
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
