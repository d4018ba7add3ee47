//! Alerts and dashboard rest on metrics that the controller has, and a real Prometheus reads them.
//!
//! Needs `PROMETHEUS` and `PROMTOOL`, except for the names.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use canary_controller::{AdminServer, Readiness, Telemetry};
use canary_core::{Phase, Weights};
use canary_tests::{deploy_folder, documents, fetch, succeed, tool};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// How long Prometheus may take to start and to scrape.
const PATIENCE: Duration = Duration::from_secs(60);

fn file(name: &str) -> PathBuf {
    deploy_folder().join("chart/files").join(name)
}

/// Every expression of the alerts and of the dashboard.
fn expressions() -> Vec<String> {
    let rules = &documents(&std::fs::read_to_string(file("alerts.yml")).unwrap()).unwrap()[0];
    let dashboard: Value =
        serde_json::from_str(&std::fs::read_to_string(file("dashboard.json")).unwrap()).unwrap();
    let groups = rules["groups"].as_array().unwrap().iter();
    let alerts = groups.flat_map(|group| group["rules"].as_array().unwrap()).map(|rule| &rule["expr"]);
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels
        .flat_map(|panel| panel["targets"].as_array().into_iter().flatten())
        .map(|target| &target["expr"]);
    alerts.chain(targets).map(|expr| expr.as_str().unwrap().replace("$namespace", ".*")).collect()
}

/// Words of an expression that are names of metrics, without the endings of histograms.
fn metrics(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours = words.filter(|word| ["flagger_", "canaryd_", "process_"].iter().any(|p| word.starts_with(p)));
    let plain = |word: &str| {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end));
        base.unwrap_or(word).to_owned()
    };
    ours.map(plain).collect()
}

/// Everything that the controller can measure, measured once.
fn measured() -> Telemetry {
    let telemetry = Telemetry::new("0.1.0", "abc", "istio");
    telemetry.canaries(BTreeMap::from([("test".to_owned(), 1)]));
    telemetry.phase("test", "podinfo", Phase::Failed);
    telemetry.weights("test", "podinfo", Weights::PRIMARY);
    telemetry.metric_value("test", "podinfo", "request-success-rate", 99.5);
    telemetry.tick_started(Duration::from_millis(5));
    telemetry.tick_ended("test", "podinfo", Duration::from_millis(20));
    telemetry.rollout_ended("test", "podinfo", "canary", false, true);
    telemetry.rollout_ended("test", "podinfo", "canary", false, false);
    telemetry.reconcile_failed("forbidden");
    telemetry.question_answered("metric", "failed", Duration::from_secs(5));
    telemetry.calls_running(1);
    telemetry.working(true);
    telemetry
}

#[test]
fn every_metric_of_alerts_and_dashboard_is_one_that_the_controller_has() {
    let text = measured().encode();
    let known: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let expressions = expressions();
    assert!(expressions.len() > 20, "only {} expressions were found", expressions.len());
    for expression in expressions {
        let named = metrics(&expression);
        assert!(!named.is_empty(), "{expression} names no metric");
        for name in named {
            assert!(known.contains(name.as_str()), "{name} of {expression} is not among {known:?}");
        }
    }
}

/// `promtool` plays series and compares what fires, so that an alert that cannot fire is found.
#[test]
fn each_alert_fires_when_it_should_and_not_otherwise() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/observed/alerts.test.yml");
    let rules = &documents(&std::fs::read_to_string(file("alerts.yml")).unwrap()).unwrap()[0];
    let played = &documents(&std::fs::read_to_string(&tests).unwrap()).unwrap()[0];
    let groups = rules["groups"].as_array().unwrap().iter();
    let alerts: BTreeSet<&str> = groups
        .flat_map(|group| group["rules"].as_array().unwrap())
        .map(|rule| rule["alert"].as_str().unwrap())
        .collect();
    let cases = played["tests"].as_array().unwrap().iter();
    let fired: BTreeSet<&str> = cases
        .flat_map(|case| case["alert_rule_test"].as_array().unwrap())
        .filter(|test| !test["exp_alerts"].as_array().unwrap().is_empty())
        .map(|test| test["alertname"].as_str().unwrap())
        .collect();
    assert_eq!(fired, alerts, "each alert has a case in which it fires");
    let Some(promtool) = tool("PROMTOOL") else { return };
    succeed(Command::new(promtool).args(["test", "rules"]).arg(tests)).unwrap();
}

struct Prometheus {
    process: Child,
    folder: PathBuf,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn start(prometheus: &Path, scraped: u16, port: u16) -> Prometheus {
    let folder = std::env::temp_dir().join(format!("prometheus-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let rules = file("alerts.yml").canonicalize().unwrap();
    let config = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: ['{}']\n\
         scrape_configs: [{{job_name: canaryd, static_configs: [{{targets: ['127.0.0.1:{scraped}']}}]}}]\n",
        rules.display()
    );
    std::fs::write(folder.join("prometheus.yml"), config).unwrap();
    let process = Command::new(prometheus)
        .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Prometheus { process, folder }
}

/// The answer of Prometheus to a query; `None` while it is not up.
async fn query(port: u16, expression: &str) -> Option<Value> {
    let encoded: String =
        expression
            .bytes()
            .map(|byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            })
            .collect();
    let body = fetch(port, &format!("/api/v1/query?query={encoded}")).await?;
    // Chunked: what is between the first and the last brace is the document.
    let document = body.get(body.find('{')?..=body.rfind('}')?)?.to_owned();
    serde_json::from_str(&document).ok()
}

#[tokio::test]
async fn a_real_prometheus_evaluates_every_expression_on_what_it_scrapes() {
    let (Some(prometheus), Some(promtool)) = (tool("PROMETHEUS"), tool("PROMTOOL")) else { return };
    succeed(Command::new(promtool).args(["check", "rules"]).arg(file("alerts.yml"))).unwrap();

    let stop = CancellationToken::new();
    let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (scraped, port) = (free(), free());
    let admin = AdminServer::bind(scraped, measured(), Readiness::waiting("never")).await.unwrap();
    let serving = tokio::spawn(admin.serve(stop.clone()));
    let _running = start(&prometheus, scraped, port);

    let failed = async {
        loop {
            let answer = query(port, "flagger_canary_status == 2").await.unwrap_or_default();
            if answer["data"]["result"][0]["metric"]["name"] == "podinfo" {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, failed).await.expect("Prometheus scrapes nothing");
    for expression in expressions() {
        let answer = query(port, &expression).await.unwrap_or_default();
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
    }
    stop.cancel();
    serving.await.unwrap();
}
