//! A service on loopback whose requests are counted in one of four pods each, by chance.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const PODS: usize = 4;
/// One of so many readings of a page fails.
const FAILING: u64 = 33;

#[derive(Default)]
struct Counters {
    pods: [AtomicU64; PODS],
    own: AtomicU64,
    readings: AtomicU64,
}

/// The service; it goes on as long as the process.
pub(crate) struct Service {
    port: u16,
    counters: Arc<Counters>,
}

impl Service {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, counters) = (listener.local_addr().unwrap().port(), Arc::<Counters>::default());
        let shared = counters.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                tokio::spawn(answer(stream, shared.clone()));
            }
        });
        Self { port, counters }
    }

    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// The pods' pages.
    pub(crate) fn pages(&self) -> Vec<String> {
        (0..PODS).map(|pod| format!("{}metrics/{pod}", self.address())).collect()
    }

    /// Real requests so far, and all.
    #[expect(clippy::cast_precision_loss, reason = "small numbers only")]
    pub(crate) fn counts(&self) -> (f64, f64) {
        let all: u64 = self.counters.pods.iter().map(|pod| pod.load(Ordering::Relaxed)).sum();
        let own = self.counters.own.load(Ordering::Relaxed);
        (all.saturating_sub(own) as f64, all as f64)
    }
}

async fn answer(mut stream: TcpStream, counters: Arc<Counters>) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let end = loop {
            if let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(read) => request.extend_from_slice(&buffer[..read]),
            }
        };
        let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
        request.drain(..end);
        let (status, body) = one(&head, &counters);
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn one(head: &str, counters: &Counters) -> (&'static str, String) {
    let page =
        head.strip_prefix("get /metrics/").and_then(|rest| rest.split(' ').next()?.parse::<usize>().ok());
    if let Some(pod) = page.and_then(|pod| counters.pods.get(pod)) {
        if counters.readings.fetch_add(1, Ordering::Relaxed) % FAILING == FAILING - 1 {
            return ("503 Service Unavailable", String::new());
        }
        let count = pod.load(Ordering::Relaxed);
        return ("200 OK", format!("# TYPE requests_total counter\nrequests_total {count}\n"));
    }
    counters.pods[rand::random_range(0..PODS)].fetch_add(1, Ordering::Relaxed);
    if head.contains("\r\nx-canary-load:") {
        counters.own.fetch_add(1, Ordering::Relaxed);
    }
    ("200 OK", "ok".to_owned())
}
