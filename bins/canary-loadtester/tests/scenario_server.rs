//! The server as a process, under a Canary: what its scenarios have written is taken back also when it is killed.
#![allow(clippy::unwrap_used, missing_docs)] // helpers of tests are no tests to clippy

#[path = "../../../crates/canary-scenario/tests/run/shop.rs"]
mod shop;

#[path = "program/server.rs"]
mod program;

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use program::Tester;
use serde_json::{Value, json};
use shop::Shop;

const ORDERS: &str = r#"
name: orders
load: {target: 300/s, arrivals: even}
base: http://unused
cleanup: {rate: 5000/s, time: 20s}
flows:
- name: order
  writes: true
  steps:
  - STEP
    capture: {order: "json $.id"}
    check: ["status 201"]
  cleanup: [{delete: "/orders/{{ ID }}", check: ["status 200..204, 404"]}]
  cleanup-at: end
"#;

/// An API server with one Canary and one ConfigMap. It takes events.
#[derive(Clone)]
struct Cluster {
    port: u16,
    phase: Arc<Mutex<&'static str>>,
    events: Arc<Mutex<Vec<String>>>,
    scenario: Arc<str>,
    metadata: Value,
}

impl Cluster {
    fn open(scenario: &str, shop: &Shop) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let cluster = Self {
            port: listener.local_addr().unwrap().port(),
            phase: Arc::new(Mutex::new("Progressing")),
            events: Arc::default(),
            scenario: scenario.into(),
            metadata: json!({"type": "load", "scenario": "load/orders.yaml", "base": shop.address}),
        };
        let mine = cluster.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let cluster = mine.clone();
                thread::spawn(move || cluster.serve(stream));
            }
        });
        cluster
    }

    fn serve(&self, mut stream: TcpStream) {
        let Some((first, body)) = request(&mut BufReader::new(&mut stream)) else { return };
        let (status, answer) = self.answer(&first, &body);
        let text = answer.to_string();
        let _ = write!(
            stream,
            "HTTP/1.1 {status} Answer\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{text}",
            text.len()
        );
    }

    fn answer(&self, first: &str, body: &str) -> (u16, Value) {
        let path = first.split(' ').nth(1).unwrap_or_default().split('?').next().unwrap_or_default();
        match path {
            "/apis/flagger.app/v1beta1/namespaces/test/canaries/podinfo" => (200, self.canary()),
            "/api/v1/namespaces/test/configmaps/load" => {
                (200, json!({"metadata": {"name": "load"}, "data": {"orders.yaml": &*self.scenario}}))
            }
            "/apis/events.k8s.io/v1/namespaces/test/events" => {
                let event: Value = serde_json::from_str(body).unwrap();
                let told =
                    format!("{} {}", event["reason"].as_str().unwrap(), event["note"].as_str().unwrap());
                self.events.lock().unwrap().push(told);
                (201, event)
            }
            // Whoever may not list all Canaries asks for each.
            _ => {
                let why = "not here";
                let reason = "Forbidden";
                (
                    403,
                    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason,
                    "message": why, "code": 403}),
                )
            }
        }
    }

    fn canary(&self) -> Value {
        json!({
            "apiVersion": "flagger.app/v1beta1", "kind": "Canary",
            "metadata": {"name": "podinfo", "namespace": "test", "uid": "u",
                "annotations": {"canaryd/allow-load-writes": "true"}},
            "spec": {"targetRef": {"name": "podinfo"}, "service": {"port": 9898},
                "analysis": {"webhooks": [{"url": "http://tester.test/", "metadata": self.metadata}]}},
            "status": {"phase": *self.phase.lock().unwrap()},
        })
    }

    fn hook(&self) -> String {
        let payload = json!({"name": "podinfo", "namespace": "test", "phase": "Progressing", "checksum": "x",
            "metadata": self.metadata});
        payload.to_string()
    }

    fn has_event(&self, what: &str) -> bool {
        self.events.lock().unwrap().iter().any(|event| event.contains(what))
    }
}

/// First line and body.
fn request(reader: &mut impl BufRead) -> Option<(String, String)> {
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|n| *n > 0)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((first, String::from_utf8(body).ok()?))
}

/// What a tester keeps over a restart, and how it is started.
struct Place {
    folder: PathBuf,
}

impl Place {
    fn new(cluster: &Cluster) -> Self {
        let folder = std::env::temp_dir().join(format!("canary-server-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&folder).unwrap();
        let kubeconfig = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: a\nclusters: [{{name: a, cluster: {{server: 'http://127.0.0.1:{}'}}}}]\n\
             users: [{{name: a, user: {{}}}}]\ncontexts: [{{name: a, context: {{cluster: a, user: a, namespace: test}}}}]\n",
            cluster.port
        );
        std::fs::write(folder.join("kubeconfig"), kubeconfig).unwrap();
        Self { folder }
    }

    fn start(&self) -> Tester {
        let at = |name: &str| self.folder.join(name).display().to_string();
        Tester::start(|command| {
            command
                .args(["-allow-target=127.0.0.0/8", "-allow-writes"])
                .arg(format!("-kubeconfig={}", at("kubeconfig")))
                .arg(format!("-journal-file={}", at("journal")))
                .arg(format!("-state-file={}", at("state")))
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Tester {
    fn runs(&self) -> Value {
        serde_json::from_str(&self.ask("GET", "/v1/runs", "").1).unwrap()
    }

    fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        while !holds(self) {
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "never {what}: {}\n{}",
                self.runs(),
                self.said()
            );
            thread::park_timeout(Duration::from_millis(50));
        }
    }

    /// Without a chance to do anything.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A server in the middle of a run, which creates orders by that step and removes them by that id.
fn writing(step: &str, id: &str) -> (Shop, Cluster, Place, Tester) {
    let shop = Shop::open();
    let cluster = Cluster::open(&ORDERS.replace("STEP", step).replace("ID", id), &shop);
    let place = Place::new(&cluster);
    let tester = place.start();
    assert_eq!(tester.ask("POST", "/", &cluster.hook()), (202, String::new()));
    shop.wait_until_made(100);
    (shop, cluster, place, tester)
}

#[test]
fn a_killed_server_takes_back_what_it_wrote_once_it_is_started_again() {
    let (shop, cluster, place, tester) = writing("put: \"/orders/{{ visit.id }}\"", "visit.id");
    tester.kill();
    assert!(shop.orders() >= 100);
    // Meanwhile the rollout has ended, so that the load does not go on.
    *cluster.phase.lock().unwrap() = "Failed";
    let tester = place.start();
    tester.until("empty", |_| shop.orders() == 0);
    tester.until("told", |_| {
        cluster.has_event("LoadCleanedUp Load load/orders.yaml that ended before its clean-up")
    });
    assert_eq!(tester.runs()["leftovers"], json!([]));
    assert_eq!(std::fs::read_to_string(place.folder.join("journal")).unwrap(), "");
}

#[test]
fn load_that_goes_on_after_a_kill_leaves_nothing_either() {
    let (shop, cluster, place, tester) = writing("put: \"/orders/{{ visit.id }}\"", "visit.id");
    let kept = || std::fs::read_to_string(place.folder.join("state")).is_ok_and(|text| text.contains("run-"));
    tester.until("kept", |_| kept());
    tester.kill();
    let before = shop.made();
    let tester = place.start();
    tester.until("resumed", |tester| tester.runs()["runs"][0]["resumed"].is_string());
    shop.wait_until_made(before + 50);
    *cluster.phase.lock().unwrap() = "Promoting";
    tester.until("empty", |_| shop.orders() == 0);
    tester.until("told", |_| cluster.has_event("LoadFinished") && cluster.has_event("LoadCleanedUp"));
    assert_eq!(tester.runs()["leftovers"], json!([]));
}

#[test]
fn what_a_killed_server_cannot_know_is_listed_and_nothing_else_is_left() {
    // The shop makes the ids: an answer that was not seen is one that nobody knows.
    let (shop, cluster, place, tester) = writing("post: /orders", "order");
    tester.kill();
    *cluster.phase.lock().unwrap() = "Failed";
    let tester = place.start();
    let listed = |tester: &Tester| tester.runs()["leftovers"][0]["leftovers"].as_array().map_or(0, Vec::len);
    let worked_off = |tester: &Tester| shop.orders() <= listed(tester) && cluster.has_event("LoadCleanedUp");
    tester.until("worked off or listed", worked_off);
    // Those alone whose answer had not been there yet.
    assert!(listed(&tester) <= 50, "{}", tester.runs());
}
