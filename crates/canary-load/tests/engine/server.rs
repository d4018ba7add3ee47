//! A target on loopback that counts, delays, freezes and closes as a test wants it.
#![allow(clippy::unwrap_used, clippy::struct_excessive_bools)] // a test's server that fails is a test that fails

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// How the target behaves.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Behaviour {
    /// Nothing is answered between these times after the first request.
    pub(crate) frozen: Option<(Duration, Duration)>,
    /// No answer at all.
    pub(crate) silent: bool,
    /// Connections end after each answer, without a word before.
    pub(crate) closes: bool,
    pub(crate) http2: bool,
    pub(crate) tls: bool,
}

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) state: Arc<State>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) behaviour: Behaviour,
    pub(crate) requests: AtomicU64,
    pub(crate) connections: AtomicU64,
    pub(crate) paths: Mutex<Vec<String>>,
    first: Mutex<Option<Instant>>,
}

impl Server {
    /// Serves on a thread of its own until the process ends.
    pub(crate) fn start(behaviour: Behaviour) -> Self {
        let state = Arc::new(State { behaviour, ..State::default() });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let serving = state.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let acceptor = behaviour.tls.then(acceptor);
                let listener = TcpListener::from_std(listener).unwrap();
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    stream.set_nodelay(true).unwrap();
                    let (state, acceptor) = (serving.clone(), acceptor.clone());
                    state.connections.fetch_add(1, Ordering::Relaxed);
                    tokio::spawn(async move {
                        match acceptor {
                            Some(acceptor) => {
                                if let Ok(stream) = acceptor.accept(stream).await {
                                    serve(stream, state).await;
                                }
                            }
                            None => serve(stream, state).await,
                        }
                    });
                }
            });
        });
        Self { address, state }
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.state.behaviour.tls { "https" } else { "http" };
        format!("{scheme}://{}/", self.address)
    }

    pub(crate) fn requests(&self) -> u64 {
        self.state.requests.load(Ordering::Relaxed)
    }

    pub(crate) fn connections(&self) -> u64 {
        self.state.connections.load(Ordering::Relaxed)
    }
}

fn acceptor() -> TlsAcceptor {
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(signed.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key.unwrap())
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, state: Arc<State>) {
    let (closes, is_http2) = (state.behaviour.closes, state.behaviour.http2);
    let service = service_fn(move |request| answer(state.clone(), request));
    if is_http2 {
        let _ =
            http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
    } else {
        // Closing without `connection: close` is what servers do with idle connections.
        let mut connection = std::pin::pin!(
            http1::Builder::new().keep_alive(!closes).serve_connection(TokioIo::new(stream), service)
        );
        let _ = connection.as_mut().await;
    }
}

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    state.requests.fetch_add(1, Ordering::Relaxed);
    state.paths.lock().unwrap().push(request.uri().path().to_owned());
    if state.behaviour.silent {
        std::future::pending::<()>().await;
    }
    let first = *state.first.lock().unwrap().get_or_insert_with(Instant::now);
    if let Some((from, to)) = state.behaviour.frozen
        && (first + from..first + to).contains(&Instant::now())
    {
        tokio::time::sleep_until((first + to).into()).await;
    }
    let mut answer = Response::new(Full::from("OK"));
    match request.uri().path() {
        "/fail" => *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
        "/tagged" => drop(answer.headers_mut().insert("etag", "abc".parse().unwrap())),
        _ => {}
    }
    Ok(answer)
}
