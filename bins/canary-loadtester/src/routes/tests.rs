//! The real server on loopback, asked as hooks, people and attackers ask it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use canary_api::Canary;
use canary_egress::Egress;
use canary_scenario::Fetcher;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::accounts::Accounts;
use crate::canaries::Canaries;
use crate::command::{Bounds, Environment};
use crate::flags::{Auth, Commands};
use crate::gates::Gates;
use crate::queue::Queue;
use crate::runs::Runs;
use crate::scenarios::{Scenarios, Writes};
use crate::server;
use crate::signature::Signatures;
use crate::state::State;
use crate::store::Store;
use crate::targets::{Allowed, Targets};
use crate::tokens::Tokens;

mod aborted;
mod arms;
mod flagger;
mod gates;
mod hostile;
mod load;
mod overlays;
mod resumed;
mod rights;
mod runs;
mod scenarios;

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
    let _ = rustls::crypto::ring::default_provider().install_default();
    State {
        store: Store::default(),
        gates: Gates::default(),
        queue: Queue::default(),
        closing: CancellationToken::new(),
        runs: Runs::default(),
        scenarios: Scenarios {
            fetcher: Fetcher::guarded(Egress::default(), vec!["127.0.0.1".to_owned()]).unwrap(),
            secrets: Arc::new([]),
            logins: Arc::new([]),
            allow_writes: false,
            writes: Writes::default(),
        },
        canaries: Canaries::default(),
        tokens: Tokens::default(),
        accounts: Accounts::default(),
        signatures: None,
        targets: Targets::new(vec![Allowed::Range("127.0.0.0/8".parse().unwrap())], vec![]),
        auth: Auth::None,
        commands: Commands::Bound,
        bounds: Bounds {
            memory: 256 << 20,
            tasks: 64,
            cpu: Duration::from_secs(60),
            environment: Environment::default(),
        },
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
    tokio::spawn(server::serve(listener, None, state.clone(), stop.clone()));
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
