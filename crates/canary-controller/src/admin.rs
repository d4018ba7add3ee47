//! The HTTP server that kubelets and Prometheus ask: `/healthz`, `/readyz` and `/metrics`.
//!
//! It serves standbys as well as the leader, and nothing in it changes anything.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::telemetry::Telemetry;

/// How long a client may take to send a request, also on a connection that it keeps open.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long answers under way may take when the server stops.
const GRACE: Duration = Duration::from_secs(3);
/// Pause after a connection that cannot be accepted: the usual reason, no free file descriptor, does not go at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Whether the controller is of use yet, and if not, why. Clones share their state.
///
/// A standby is ready: it would otherwise hold up the rolling update that is to end the leader.
///
/// ```
/// use canary_controller::Readiness;
/// let readiness = Readiness::waiting("listing canaries");
/// assert_eq!(readiness.reason().as_deref(), Some("listing canaries"));
/// readiness.ready();
/// assert_eq!(readiness.reason(), None);
/// ```
#[derive(Clone, Debug)]
pub struct Readiness(Arc<Mutex<Option<String>>>);

impl Readiness {
    /// Not ready, for that reason.
    pub fn waiting(reason: impl Into<String>) -> Self {
        Self(Arc::new(Mutex::new(Some(reason.into()))))
    }

    /// It is ready from now on.
    pub fn ready(&self) {
        self.set(None);
    }

    /// It is not ready any more, for that reason.
    pub fn wait_for(&self, reason: impl Into<String>) {
        self.set(Some(reason.into()));
    }

    /// Why it is not ready; `None` when it is.
    pub fn reason(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, reason: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }
}

/// The server, bound to its port and not serving yet.
#[derive(Debug)]
pub struct AdminServer {
    listener: TcpListener,
    state: State,
}

#[derive(Clone, Debug)]
struct State {
    telemetry: Telemetry,
    readiness: Readiness,
}

impl AdminServer {
    /// Takes `port` on every address of the machine; 0 takes a free one.
    ///
    /// # Errors
    /// [`AdminError`] when the port is taken or not permitted.
    pub async fn bind(port: u16, telemetry: Telemetry, readiness: Readiness) -> Result<Self, AdminError> {
        // The IPv6 wildcard takes IPv4 too, where there is IPv6 at all.
        let listener = match TcpListener::bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))).await {
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))).await
            }
            bound => bound,
        };
        let listener = listener.map_err(|source| AdminError { port, source })?;
        Ok(Self { listener, state: State { telemetry, readiness } })
    }

    /// The port that it listens on.
    pub fn port(&self) -> Option<u16> {
        self.listener.local_addr().ok().map(|address| address.port())
    }

    /// Serves until `shutdown`, then finishes answers under way for up to 3 s.
    pub async fn serve(self, shutdown: CancellationToken) {
        let mut connections = JoinSet::new();
        while let Some(accepted) = shutdown.run_until_cancelled(self.listener.accept()).await {
            match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, self.state.clone(), shutdown.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
            while connections.try_join_next().is_some() {}
        }
        drop(self.listener);
        let all_done = async { while connections.join_next().await.is_some() {} };
        if timeout(GRACE, all_done).await.is_err() {
            tracing::warn!("connections were closed before their answer was read");
        }
    }
}

async fn connection(stream: TcpStream, state: State, shutdown: CancellationToken) {
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = state.answer(&request);
        async move { Ok::<_, Infallible>(answer) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a client left early");
    }
}

impl State {
    fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed");
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return answer;
        }
        match request.uri().path() {
            "/healthz" => text(StatusCode::OK, "OK"),
            "/readyz" => match self.readiness.reason() {
                None => text(StatusCode::OK, "OK"),
                Some(reason) => text(StatusCode::SERVICE_UNAVAILABLE, reason),
            },
            "/metrics" => {
                let mut answer = text(StatusCode::OK, self.telemetry.encode());
                let format = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
                answer.headers_mut().insert(CONTENT_TYPE, format);
                answer
            }
            _ => text(StatusCode::NOT_FOUND, "not found"),
        }
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}

/// The admin port cannot be taken.
#[derive(Debug, thiserror::Error)]
#[error("port {port} for /healthz, /readyz and /metrics cannot be taken")]
pub struct AdminError {
    /// The port.
    pub port: u16,
    /// Why.
    #[source]
    pub source: io::Error,
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::task::JoinHandle;

    use super::*;

    struct Running {
        port: u16,
        readiness: Readiness,
        shutdown: CancellationToken,
        task: JoinHandle<()>,
    }

    async fn start() -> Running {
        let readiness = Readiness::waiting("listing canaries");
        let telemetry = Telemetry::new("1.2.3", "abc", "istio");
        let server = AdminServer::bind(0, telemetry, readiness.clone()).await.unwrap();
        let (port, shutdown) = (server.port().unwrap(), CancellationToken::new());
        let task = tokio::spawn(server.serve(shutdown.clone()));
        Running { port, readiness, shutdown, task }
    }

    impl Running {
        async fn connect(&self) -> TcpStream {
            TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await.unwrap()
        }

        /// Status and body.
        async fn ask(&self, method: &str, path: &str) -> (u16, String) {
            let mut stream = self.connect().await;
            let request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
        }
    }

    #[tokio::test]
    async fn it_is_healthy_at_once_and_ready_when_told_so() {
        let running = start().await;
        assert_eq!(running.ask("GET", "/healthz").await, (200, "OK".into()));
        assert_eq!(running.ask("GET", "/readyz").await, (503, "listing canaries".into()));
        running.readiness.ready();
        assert_eq!(running.ask("GET", "/readyz").await, (200, "OK".into()));
        running.readiness.wait_for("listing deployments");
        assert_eq!(running.ask("GET", "/readyz").await, (503, "listing deployments".into()));
    }

    #[tokio::test]
    async fn metrics_are_served_as_text_and_nothing_else_is_served() {
        let running = start().await;
        let (status, body) = running.ask("GET", "/metrics").await;
        assert_eq!(status, 200);
        assert!(body.contains(r#"flagger_info{mesh_provider="istio",version="1.2.3"} 1"#), "{body}");
        assert_eq!(running.ask("HEAD", "/metrics").await, (200, String::new()));
        assert_eq!(running.ask("GET", "/secrets").await.0, 404);
        assert_eq!(running.ask("POST", "/metrics").await.0, 405);
    }

    #[tokio::test]
    async fn it_stops_although_a_client_keeps_a_connection_open() {
        let running = start().await;
        let mut idle = running.connect().await;
        idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut first = [0; 12];
        idle.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        running.shutdown.cancel();
        running.task.await.unwrap();
        let mut rest = Vec::new();
        idle.read_to_end(&mut rest).await.unwrap();
        assert!(rest.ends_with(b"OK"), "{}", String::from_utf8_lossy(&rest));
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_named() {
        let running = start().await;
        let telemetry = Telemetry::new("1.2.3", "abc", "istio");
        let error = AdminServer::bind(running.port, telemetry, Readiness::waiting("")).await.unwrap_err();
        assert!(error.to_string().starts_with(&format!("port {} ", running.port)), "{error}");
    }
}
