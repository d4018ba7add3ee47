//! The health service of a server that answers as the service asked for is called.
#![allow(clippy::unwrap_used)] // a test's server that fails is a test that fails

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

/// What a call looked like.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) te: String,
    pub(crate) kind: String,
    pub(crate) timeout: String,
}

pub(crate) struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

impl Server {
    /// Serves on a thread of its own until the process ends.
    pub(crate) fn start() -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let noted = seen.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let noted = noted.clone();
                    let service = service_fn(move |request| answer(noted.clone(), request));
                    let connection = http2::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service);
                    tokio::spawn(connection);
                }
            });
        });
        Self { address, seen }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The last call.
    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }
}

fn fields(all: &[(&'static str, &'static str)]) -> HeaderMap {
    all.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

type Body = BoxBody<Bytes, Infallible>;

/// An answer with a message and trailers.
fn message(body: impl Into<Bytes>, trailers: &[(&'static str, &'static str)]) -> Response<Body> {
    let trailers = fields(trailers);
    let body = Full::new(body.into());
    let mut answer = Response::new(if trailers.is_empty() {
        body.boxed()
    } else {
        body.with_trailers(async move { Some(Ok(trailers)) }).boxed()
    });
    answer.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    answer
}

const SERVING: &[u8] = b"\0\0\0\0\x02\x08\x01";
const OK: (&str, &str) = ("grpc-status", "0");

async fn answer(noted: Arc<Mutex<Seen>>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let header =
        |name: &str| request.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    *noted.lock().unwrap() = Seen {
        path: request.uri().path().to_owned(),
        te: header("te"),
        kind: header("content-type"),
        timeout: header("grpc-timeout"),
    };
    let asked = request.into_body().collect().await.unwrap().to_bytes();
    // Prefix of 5 bytes, tag, length.
    let service = String::from_utf8_lossy(asked.get(7..).unwrap_or_default()).into_owned();
    let mut answered = match service.as_str() {
        "silent" => std::future::pending().await,
        "status-in-trailers" => {
            message(SERVING, &[("grpc-status", "9"), ("grpc-message", "not yet: 50 %25")])
        }
        "status-alone" | "proxy" => message(Bytes::new(), &[]),
        "no-trailers" => message(SERVING, &[]),
        "compressed" => message(&b"\x01\0\0\0\x02\x08\x01"[..], &[OK]),
        "too-large" => message([&[0, 0, 0, 3, 232][..], &[0; 1000]].concat(), &[OK]),
        _ => message(SERVING, &[OK]),
    };
    match service.as_str() {
        "status-alone" => {
            answered
                .headers_mut()
                .extend(fields(&[("grpc-status", "5"), ("grpc-message", "no such service")]));
        }
        "compressed" => drop(answered.headers_mut().insert("grpc-encoding", "gzip".parse().unwrap())),
        "proxy" => {
            *answered.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            answered.headers_mut().clear();
        }
        _ => {}
    }
    Ok(answered)
}
