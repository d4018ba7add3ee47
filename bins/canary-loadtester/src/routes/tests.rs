//! The real server on loopback, asked as hooks, people and attackers ask it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use canary_api::Canary;
use http::StatusCode;
use regex::Regex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use crate::canaries::Canaries;
use crate::flags::{Auth, Commands};
use crate::gates::Gates;
use crate::queue::Queue;
use crate::runs::Runs;
use crate::server;
use crate::signature::{Signatures, sign};
use crate::state::State;
use crate::targets::{Allowed, Targets};
use crate::tokens::Tokens;

const HOST: &str = "tester.test";
const RUNNER: &str = "runner-runner-runner";
const GATEKEEPER: &str = "gate-gate-gate-gate";
const KEY: &str = "a key for signatures";

fn nowhere(_: SocketAddr, _: SocketAddr) -> bool {
    false
}

fn everywhere(_: SocketAddr, _: SocketAddr) -> bool {
    true
}

/// As Flagger's load tester: nobody needs a right.
fn open() -> State {
    State {
        gates: Gates::default(),
        queue: Queue::default(),
        runs: Runs::default(),
        canaries: Canaries::default(),
        tokens: Tokens::default(),
        signatures: None,
        targets: Targets::new(vec![Allowed::Range("127.0.0.0/8".parse().unwrap())], vec![]),
        auth: Auth::None,
        commands: Commands::Bound,
        namespaces: None,
        timeout: Duration::from_secs(30),
        max_rate: 1000.0,
        max_connections: 20,
        max_tasks: 5,
        failed: StatusCode::INTERNAL_SERVER_ERROR,
        is_inside: nowhere,
    }
}

/// As by default, with a live Canary that names these webhooks.
fn guarded(webhooks: &Value) -> State {
    let spec = json!({"targetRef": {"name": "podinfo"}, "analysis": {"webhooks": webhooks}});
    let mut canary = Canary::new("test", "podinfo", spec);
    canary.status = json!({"phase": "Progressing"});
    State {
        auth: Auth::Required,
        canaries: Canaries::found(vec![canary]),
        tokens: Tokens::parse(&format!("{RUNNER} run,read\n{GATEKEEPER} gate test\n")).unwrap(),
        signatures: Some(Signatures::new(KEY)),
        ..open()
    }
}

struct Server {
    address: SocketAddr,
    state: Arc<State>,
    stop: CancellationToken,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn start(state: State) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, state, stop) = (listener.local_addr().unwrap(), Arc::new(state), CancellationToken::new());
    tokio::spawn(server::serve(listener, state.clone(), stop.clone()));
    Server { address, state, stop }
}

impl Server {
    async fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // A server that has refused a body stops reading it.
        let _ = stream.write_all(body.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        (head.split(' ').nth(1).unwrap_or("0").parse().unwrap(), body.to_owned())
    }

    async fn post(&self, path: &str, payload: &Value) -> (u16, String) {
        self.send("POST", path, "", &payload.to_string()).await
    }

    /// Waits until nothing runs.
    async fn idle(&self) {
        let began = Instant::now();
        while self.state.queue.len() > 0 {
            assert!(began.elapsed() < Duration::from_secs(20), "still running");
            tokio::task::yield_now().await;
        }
    }
}

fn payload(metadata: &Value) -> Value {
    json!({"name": "podinfo", "namespace": "test", "phase": "Progressing", "checksum": "x", "metadata": metadata})
}

fn said(status: u16, body: &str) -> (u16, String) {
    (status, body.to_owned())
}

// Flagger's endpoints, as recorded.

#[tokio::test]
async fn fixed_answers_are_those_of_flagger_whatever_the_method_and_body() {
    let server = start(guarded(&json!([]))).await;
    for method in ["GET", "POST", "PUT"] {
        assert_eq!(server.send(method, "/healthz", "", "").await, said(200, "OK"));
        assert_eq!(server.send(method, "/gate/approve", "", "no json").await, said(200, "OK"));
        assert_eq!(server.send(method, "/gate/halt", "", "").await, said(403, "Forbidden"));
    }
    assert_eq!(server.send("GET", "/metrics", "", "").await.0, 200);
}

#[tokio::test]
async fn gates_are_closed_until_opened_and_opened_until_closed() {
    let server = start(open()).await;
    let canary = payload(&json!({}));
    for gate in ["/gate", "/rollback"] {
        assert_eq!(server.post(&format!("{gate}/check"), &canary).await, said(403, "Forbidden"));
        assert_eq!(server.post(&format!("{gate}/open"), &canary).await, said(202, ""));
        assert_eq!(server.post(&format!("{gate}/check"), &canary).await, said(200, "Approved"));
        assert_eq!(
            server.post(&format!("{gate}/check"), &json!({"name": "other", "namespace": "test"})).await.0,
            403
        );
        assert_eq!(server.post(&format!("{gate}/close"), &canary).await, said(202, ""));
        assert_eq!(server.post(&format!("{gate}/check"), &canary).await, said(403, "Forbidden"));
    }
}

#[tokio::test]
async fn bodies_that_are_no_payload_are_bad_requests_without_a_text() {
    let server = start(open()).await;
    for path in ["/", "/ready", "/any/thing", "/gate/check", "/gate/open", "/rollback/close"] {
        for body in ["", "no json", r#"{"metadata":{"a":1}}"#] {
            assert_eq!(server.send("POST", path, "", body).await, said(400, ""), "{path} {body}");
        }
    }
}

#[tokio::test]
async fn namespaces_that_do_not_match_are_forbidden() {
    let server = start(State { namespaces: Some(Regex::new("^test$").unwrap()), ..open() }).await;
    let canary =
        |namespace: &str| json!({"name": "podinfo", "namespace": namespace, "metadata": {"type": "bash"}});
    assert_eq!(server.post("/", &canary("test")).await, said(200, ""));
    for path in ["/", "/gate/check", "/gate/open", "/rollback/close"] {
        assert_eq!(server.post(path, &canary("prod")).await, said(403, "Forbidden"));
    }
    assert_eq!(server.send("POST", "/gate/approve", "", "").await.0, 200);
}

#[tokio::test]
async fn metadata_that_says_nothing_to_do_is_a_bad_request() {
    let server = start(open()).await;
    for metadata in [json!({}), json!(null)] {
        assert_eq!(server.post("/", &payload(&metadata)).await, said(400, "metadata not found in payload"));
    }
    let nothing = payload(&json!({"logCmdOutput": "true"}));
    assert_eq!(server.post("/", &nothing).await, said(400, "cmd not found in metadata"));
    let unknown = payload(&json!({"type": "dance"}));
    assert_eq!(server.post("/", &unknown).await, said(400, "unknown task type dance"));
}

#[tokio::test]
async fn blocking_tasks_answer_with_their_outcome() {
    let server = start(open()).await;
    for (metadata, expected) in [
        (json!({"type": "bash", "cmd": "echo hello"}), said(200, "")),
        (
            json!({"type": "bash", "cmd": "echo hello; echo err >&2", "returnCmdOutput": "true"}),
            said(200, "hello\nerr\n"),
        ),
        (json!({"type": "bash", "cmd": "echo no", "returnCmdOutput": "yes"}), said(200, "")),
        (json!({"type": "bash", "cmd": "false"}), said(500, "command false failed: : exit status 1")),
        (
            json!({"type": "bash", "cmd": "echo why; exit 7"}),
            said(500, "command echo why; exit 7 failed: why\n: exit status 7"),
        ),
        (json!({"type": "bash"}), said(200, "")),
    ] {
        assert_eq!(server.post("/", &payload(&metadata)).await, expected, "{metadata}");
    }
    for (kind, program) in [("helm", "helm"), ("helmv3", "helm"), ("kubectl", "kubectl")] {
        let (status, body) =
            server.post("/", &payload(&json!({"type": kind, "cmd": "no such command"}))).await;
        assert_eq!(status, 500);
        assert!(body.starts_with("command no such command failed: "), "{program}: {body}");
    }
}

#[tokio::test]
async fn failed_tasks_may_answer_with_a_status_whose_text_is_not_lost() {
    let server = start(State { failed: StatusCode::PRECONDITION_FAILED, ..open() }).await;
    assert_eq!(server.post("/", &payload(&json!({"type": "bash", "cmd": "false"}))).await.0, 412);
}

#[tokio::test]
async fn queued_commands_are_accepted_before_they_run_and_run_once_at_a_time() {
    let server = start(open()).await;
    let file = std::env::temp_dir().join(format!("queued-{}", uuid::Uuid::new_v4()));
    let cmd = format!("echo x >> {}; sleep 0.3", file.display());
    let task = payload(&json!({"cmd": cmd}));
    assert_eq!(server.post("/", &task).await, said(202, ""));
    assert_eq!(server.post("/", &task).await, said(202, ""));
    server.idle().await;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "x\n");
    std::fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn metadata_of_ngrinder_and_concord_is_checked() {
    let server = start(open()).await;
    let (status, why) = server.post("/", &payload(&json!({"type": "ngrinder"}))).await;
    assert_eq!((status, why.as_str()), (400, "server is required"));
    let (status, why) = server.post("/", &payload(&json!({"type": "concord"}))).await;
    assert_eq!((status, why.as_str()), (500, "server is required"));
}

// Load.

async fn target() -> MockServer {
    let target = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200)).mount(&target).await;
    target
}

#[tokio::test]
async fn a_simple_hey_command_runs_on_the_engine() {
    let (server, target) = (start(open()).await, target().await);
    let cmd = format!("hey -n 40 -c 2 -H 'x-a: b' {}/path", target.uri());
    assert_eq!(server.post("/", &payload(&json!({"cmd": cmd}))).await, said(202, ""));
    server.idle().await;
    let requests = target.received_requests().await.unwrap();
    assert_eq!(requests.len(), 40);
    assert!(requests.iter().all(|r| r.url.path() == "/path" && r.headers["x-a"] == "b"));
    let query = "/api/v1/query?query=load_requests%7Bnamespace%3D%22test%22%7D";
    let (status, body) = server.send("GET", query, "", "").await;
    assert!(status == 200 && body.contains(r#""40""#), "{body}");
    let (_, metrics) = server.send("GET", "/metrics", "", "").await;
    assert!(metrics.contains(r#"result="ok"} 40"#), "{metrics}");
    let (status, why) =
        server.post("/", &payload(&json!({"type": "check", "judge": "errors < 1%; requests >= 41"}))).await;
    assert_eq!((status, why.as_str()), (412, "requests >= 41: it was 40"));
    assert_eq!(server.post("/", &payload(&json!({"type": "check", "judge": "errors < 1%"}))).await.0, 200);
}

#[tokio::test]
async fn nothing_is_sent_two_seconds_after_the_canary_stops_progressing() {
    for end in [Some("Failed"), Some("Promoting"), None] {
        let target = target().await;
        let cmd = format!("hey -z 1m -q 50 -c 2 {}/", target.uri());
        let hooks = json!([{"url": format!("http://{HOST}/"), "metadata": {"cmd": cmd}}]);
        let server = start(guarded(&hooks)).await;
        assert_eq!(server.post("/", &payload(&json!({"cmd": cmd}))).await, said(202, ""));
        let sent = async || target.received_requests().await.unwrap().len();
        let began = Instant::now();
        while sent().await < 30 {
            assert!(began.elapsed() < Duration::from_secs(20));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // Long enough for the phase to have been looked at once.
        tokio::time::sleep(Duration::from_millis(600)).await;
        server.state.canaries.set_phase("test", "podinfo", end);
        let changed = Instant::now();
        server.idle().await;
        assert!(changed.elapsed() < Duration::from_secs(2), "{:?}", changed.elapsed());
        let after = sent().await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(sent().await, after);
    }
}

#[tokio::test]
async fn a_command_is_killed_when_the_canary_stops_progressing() {
    let hooks = json!([{"url": format!("http://{HOST}/"), "metadata": {"cmd": "sleep 60 | cat"}}]);
    let server = start(guarded(&hooks)).await;
    assert_eq!(server.post("/", &payload(&json!({"cmd": "sleep 60 | cat"}))).await, said(202, ""));
    tokio::time::sleep(Duration::from_millis(700)).await;
    server.state.canaries.set_phase("test", "podinfo", Some("Failed"));
    server.idle().await;
}

#[tokio::test]
async fn runs_are_listed_changed_and_stopped() {
    let (server, target) =
        (start(State { is_inside: everywhere, ..guarded(&json!([])) }).await, target().await);
    let cmd = format!("hey -z 1m -q 10 -c 1 {}/", target.uri());
    let mut task = payload(&json!({"cmd": cmd}));
    task["phase"] = json!("");
    assert_eq!(server.post("/", &task).await, said(202, ""));
    let began = Instant::now();
    let id = loop {
        let (status, body) = server.send("GET", "/v1/runs", "", "").await;
        assert_eq!(status, 200);
        let body: Value = serde_json::from_str(&body).unwrap();
        if let Some(id) = body["runs"][0]["id"].as_str() {
            break id.to_owned();
        }
        assert!(began.elapsed() < Duration::from_secs(20));
    };
    assert_eq!(server.send("POST", &format!("/v1/runs/{id}/rate"), "", r#"{"rate": 20}"#).await.0, 202);
    assert_eq!(server.send("POST", &format!("/v1/runs/{id}/rate"), "", r#"{"rate": 1e9}"#).await.0, 400);
    assert_eq!(server.send("DELETE", &format!("/v1/runs/{id}"), "", "").await.0, 202);
    server.idle().await;
    let (_, body) = server.send("GET", &format!("/v1/runs/{id}"), "", "").await;
    assert!(body.contains("\"report\""), "{body}");
}

// Who may do what.

#[tokio::test]
async fn without_a_credential_only_what_a_live_canary_names_is_run() {
    let named = json!({"type": "bash", "cmd": "echo named", "returnCmdOutput": "true"});
    let server = start(guarded(&json!([{"url": format!("http://{HOST}/"), "metadata": named}]))).await;
    assert_eq!(server.post("/", &payload(&named)).await, said(200, "named\n"));
    let mut other = named.clone();
    other["cmd"] = json!("echo other");
    assert_eq!(server.post("/", &payload(&other)).await, said(403, "Forbidden"));
    let mut more = named.clone();
    more["extra"] = json!("x");
    assert_eq!(server.post("/", &payload(&more)).await, said(403, "Forbidden"));
    let mut elsewhere = payload(&named);
    elsewhere["namespace"] = json!("prod");
    assert_eq!(server.post("/", &elsewhere).await, said(403, "Forbidden"));
    assert_eq!(server.post("/elsewhere", &payload(&named)).await, said(403, "Forbidden"));
}

#[tokio::test]
async fn a_canary_reads_its_gate_and_does_not_open_it() {
    let hooks =
        json!([{"url": format!("http://{HOST}/gate/check")}, {"url": format!("http://{HOST}/gate/open")}]);
    let server = start(guarded(&hooks)).await;
    let canary = payload(&json!({}));
    assert_eq!(server.post("/gate/open", &canary).await, said(403, "Forbidden"));
    let keeper = format!("authorization: Bearer {GATEKEEPER}\r\n");
    assert_eq!(server.send("POST", "/gate/open", &keeper, &canary.to_string()).await, said(202, ""));
    assert_eq!(server.post("/gate/check", &canary).await, said(200, "Approved"));
    let opening = server.state.gates.opening("test", "podinfo", "shared", jiff::Timestamp::now());
    assert_eq!(opening.unwrap().by, "a token");
}

#[tokio::test]
async fn a_shell_in_the_pod_may_do_everything() {
    let server = start(State { is_inside: everywhere, ..guarded(&json!([])) }).await;
    assert_eq!(server.post("/gate/open", &payload(&json!({}))).await, said(202, ""));
    let task = payload(&json!({"type": "bash", "cmd": "echo in", "returnCmdOutput": "1"}));
    assert_eq!(server.post("/", &task).await, said(200, "in\n"));
}

#[tokio::test]
async fn a_wrong_token_is_refused_even_where_none_would_do() {
    let named = json!({"type": "bash", "cmd": "true"});
    let hooks = json!([{"url": format!("http://{HOST}/"), "metadata": named}]);
    let server = start(State { is_inside: everywhere, ..guarded(&hooks) }).await;
    for wrong in ["Bearer wrong-wrong-wrong", "Bearer", "Basic !", "Digest x"] {
        let header = format!("authorization: {wrong}\r\n");
        let answer = server.send("POST", "/", &header, &payload(&named).to_string()).await;
        assert_eq!(answer, said(403, "Forbidden"), "{wrong}");
    }
}

#[tokio::test]
async fn a_token_has_only_its_roles_and_runs_no_commands_by_default() {
    let server = start(guarded(&json!([]))).await;
    let runner = format!("authorization: Bearer {RUNNER}\r\n");
    let task = payload(&json!({"type": "bash", "cmd": "true"})).to_string();
    let (status, why) = server.send("POST", "/", &runner, &task).await;
    assert!(status == 403 && why.contains("-commands=shell"), "{status} {why}");
    assert_eq!(server.send("POST", "/gate/open", &runner, &task).await, said(403, "Forbidden"));
    assert_eq!(server.send("GET", "/v1/runs", &runner, "").await.0, 200);
    assert_eq!(server.send("GET", "/v1/runs", "", "").await.0, 403);
    assert_eq!(server.send("GET", "/api/v1/query?query=vector(1)", "", "").await.0, 403);
    let answer = server.send("GET", "/api/v1/query?query=vector(1)", &runner, "").await;
    assert!(answer.1.contains(r#""status":"success""#), "{answer:?}");

    let server = start(State { commands: Commands::Shell, ..guarded(&json!([])) }).await;
    assert_eq!(server.send("POST", "/", &runner, &task).await, said(200, ""));
    let server = start(State { commands: Commands::None, auth: Auth::None, ..open() }).await;
    assert_eq!(server.send("POST", "/", "", &task).await.0, 403);
}

#[tokio::test]
async fn a_signature_is_good_once() {
    let server = start(guarded(&json!([]))).await;
    let body = payload(&json!({})).to_string();
    let now = jiff::Timestamp::now().as_second();
    let header = format!(
        "{}: {}\r\n",
        crate::signature::HEADER,
        sign(KEY, now, "POST", "/gate/open", body.as_bytes())
    );
    assert_eq!(server.send("POST", "/rollback/open", &header, &body).await.0, 403);
    assert_eq!(server.send("POST", "/gate/open", &header, &body).await.0, 202);
    assert_eq!(server.send("POST", "/gate/open", &header, &body).await.0, 403);
}

#[tokio::test]
async fn load_goes_only_to_targets_that_the_canary_or_a_flag_names() {
    let state = State { targets: Targets::new(vec![], vec![]), ..guarded(&json!([])) };
    let server = start(state).await;
    let runner = format!("authorization: Bearer {RUNNER}\r\n");
    let load = |url: &str| payload(&json!({"cmd": format!("hey -n 10 -c 1 {url}")})).to_string();
    for url in
        ["http://169.254.169.254/latest/meta-data", "http://kubernetes.default/", "http://podinfo.prod/"]
    {
        let (status, why) = server.send("POST", "/", &runner, &load(url)).await;
        assert!(status == 403 && why.contains("is not a target"), "{url}: {status} {why}");
    }
    assert_eq!(server.send("POST", "/", &runner, &load("http://podinfo-canary.test:9898/")).await.0, 202);
    server.idle().await;
}

#[tokio::test]
async fn even_a_canary_does_not_send_load_to_link_local_addresses() {
    let cmd = "hey -n 3 -c 1 -t 1 http://169.254.169.254/latest/meta-data";
    let hooks = json!([{"url": format!("http://{HOST}/"), "metadata": {"cmd": cmd}}]);
    let server = start(State { targets: Targets::new(vec![], vec![]), ..guarded(&hooks) }).await;
    assert_eq!(server.post("/", &payload(&json!({"cmd": cmd}))).await, said(202, ""));
    server.idle().await;
    let (_, metrics) = server.send("GET", "/metrics", "", "").await;
    assert!(metrics.contains(r#"result="forbidden"} 3"#), "{metrics}");
}

#[tokio::test]
async fn a_body_of_a_hundred_megabytes_is_refused_unread() {
    let server = start(open()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!("POST / HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: 104857600\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}

#[tokio::test]
async fn a_namespace_has_only_so_many_tasks() {
    let server = start(State { max_tasks: 2, ..open() }).await;
    for (number, expected) in [(1, 202), (2, 202), (3, 429)] {
        let task = payload(&json!({"cmd": format!("sleep 30; echo {number}")}));
        assert_eq!(server.post("/", &task).await.0, expected);
    }
    server.state.queue.stop_all();
    server.idle().await;
}

#[tokio::test]
async fn gates_of_one_kind_are_opened_for_a_while() {
    let server = start(State { is_inside: everywhere, ..guarded(&json!([])) }).await;
    let gate = "/v1/gates/test/podinfo/confirm-promotion";
    assert_eq!(server.send("GET", gate, "", "").await.0, 403);
    assert_eq!(server.send("PUT", gate, "", r#"{"open": true, "for": "30m"}"#).await.0, 200);
    let (status, body) = server.send("POST", gate, "", "").await;
    assert!(status == 200 && body.contains("until"), "{body}");
    assert_eq!(server.send("GET", "/v1/gates/test/podinfo/confirm-rollout", "", "").await.0, 403);
    assert_eq!(server.send("PUT", gate, "", r#"{"open": false}"#).await.0, 200);
    assert_eq!(server.send("GET", gate, "", "").await.0, 403);
    assert_eq!(server.send("GET", "/v1/gates/test/podinfo/any", "", "").await.0, 404);
    assert_eq!(server.send("PUT", gate, "", r#"{"open": true, "for": "soon"}"#).await.0, 400);
}
