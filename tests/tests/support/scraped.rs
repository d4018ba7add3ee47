//! A Prometheus that scrapes a page of Istio's metrics, which grow with every look.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use canary_metrics::{MetricProviders, ProviderSpec};
use canary_tests::{Folder, Running, free_port, wait_for};

/// Requests that each scrape adds.
const STEP: u64 = 10;

/// Requests within 0.25 s, all of them, to two workloads: with the durations of an older Istio (seconds), and of a newer one.
fn page(namespace: &str, all: u64) -> String {
    let to = |workload: &str| {
        format!(
            r#"reporter="destination",destination_workload_namespace="{namespace}",destination_workload="{workload}""#
        )
    };
    let mut lines = vec!["# TYPE istio_requests_total counter".to_owned()];
    for workload in ["podinfo", "newer"] {
        lines.push(format!("istio_requests_total{{{},response_code=\"200\"}} {all}", to(workload)));
    }
    let older = ("podinfo", "seconds", ["0.1", "0.25"]);
    for (workload, unit, buckets) in [older, ("newer", "milliseconds", ["100", "250"])] {
        let (name, labels) = (format!("istio_request_duration_{unit}"), to(workload));
        lines.push(format!("# TYPE {name} histogram"));
        for (le, count) in [(buckets[0], 0), (buckets[1], all), ("+Inf", all)] {
            lines.push(format!("{name}_bucket{{{labels},le=\"{le}\"}} {count}"));
        }
        lines.push(format!("{name}_sum{{{labels}}} {all}\n{name}_count{{{labels}}} {all}"));
    }
    // The metric of the documentation: a fifth of the requests is for what is not there.
    lines.push("# TYPE http_requests_total counter".into());
    for (code, count) in [("200", all / 10 * 8), ("404", all / 10 * 2)] {
        let labels = format!("namespace=\"{namespace}\",app=\"podinfo\",code=\"{code}\"");
        lines.push(format!("http_requests_total{{{labels}}} {count}"));
    }
    lines.join("\n") + "\n"
}

fn exporter(namespace: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let scrapes = AtomicU64::new(0);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut request) = (stream.unwrap(), [0; 4096]);
            let _ = stream.read(&mut request);
            let body = page(namespace, (scrapes.fetch_add(1, Ordering::SeqCst) + 1) * STEP);
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        }
    });
    port
}

/// Starts the program and waits until it has rates.
pub(crate) async fn prometheus(server: &str, namespace: &'static str) -> (Running, String, Folder) {
    let folder = Folder::new("prometheus").unwrap();
    let config = folder.0.join("prometheus.yml");
    let text = format!(
        "global: {{scrape_interval: 500ms}}\nscrape_configs: [{{job_name: mesh, static_configs: [{{targets: ['127.0.0.1:{}']}}]}}]\n",
        exporter(namespace)
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
