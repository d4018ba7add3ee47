//! A server on the loopback interface that answers as a case wants it. HTTP is written by hand, because servers that do it
//! right cannot break off in the middle.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::subject::{Connection, Content, ProviderSubject};

/// Longest head of a request.
const MAX_HEAD: usize = 64 * 1024;
/// Bytes of an answer that is huge.
pub(super) const HUGE: u64 = 64 * 1024 * 1024;

/// A request as it arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContractRequest {
    /// Such as `GET`.
    pub method: String,
    /// Path and query, encoded.
    pub target: String,
    /// By their names in small letters.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContractReply {
    /// Status of HTTP.
    pub status: u16,
    /// Type of the body.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
}

impl ContractReply {
    /// Status 200.
    pub fn new(content_type: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, content_type: content_type.into(), body: body.into() }
    }

    /// Status 200 with JSON.
    pub fn json(body: impl Into<Vec<u8>>) -> Self {
        Self::new("application/json", body)
    }

    /// With another status.
    #[must_use]
    pub fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }
}

/// What becomes of the query's request.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    Say(Content),
    /// A status, and the request itself as the text.
    Refuse(u16),
    /// Nothing, until the client goes.
    Sleep,
    CutOff(Content),
    /// Something that is in no format.
    Babble,
    Huge(Content),
    /// TLS with a certificate that nobody trusts.
    WrongCertificate,
}

/// The server, which ends with its last reference.
pub(super) struct Backend {
    pub(super) address: String,
    counts: Arc<Counts>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Counts {
    requests: AtomicU64,
    written: AtomicU64,
}

impl Backend {
    pub(super) async fn start(subject: &'static dyn ProviderSubject, deed: Deed) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let tls = if matches!(deed, Deed::WrongCertificate) { Some(self_signed()?) } else { None };
        let scheme = if tls.is_some() { "https" } else { "http" };
        let address = format!("{scheme}://{}", listener.local_addr()?);
        let counts = Arc::new(Counts::default());
        let shared = counts.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (deed, counts, tls) = (deed.clone(), shared.clone(), tls.clone());
                tokio::spawn(async move {
                    // What goes wrong here is what the case is about, or the client has gone.
                    let _ = if let Some(tls) = tls {
                        match tls.accept(stream).await {
                            Ok(mut stream) => serve(subject, &deed, &counts, &mut stream).await,
                            Err(error) => Err(error),
                        }
                    } else {
                        let mut stream = stream;
                        serve(subject, &deed, &counts, &mut stream).await
                    };
                });
            }
        });
        Ok(Self { address, counts, task })
    }

    /// Requests that arrived.
    pub(super) fn requests(&self) -> u64 {
        self.counts.requests.load(Ordering::SeqCst)
    }

    /// Bytes of the huge answer that could be sent.
    pub(super) fn written(&self) -> u64 {
        self.counts.written.load(Ordering::SeqCst)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    subject: &dyn ProviderSubject,
    deed: &Deed,
    counts: &Counts,
    stream: &mut dyn Connection,
) -> io::Result<()> {
    let request = read(stream).await?;
    counts.requests.fetch_add(1, Ordering::SeqCst);
    if let Some(reply) = subject.preliminary(&request) {
        return write(stream, &reply, reply.body.len() as u64).await;
    }
    match deed {
        Deed::Say(content) => {
            if subject.converse(content, &request, stream).await {
                return Ok(());
            }
            let reply = reply(subject, content, &request);
            write(stream, &reply, reply.body.len() as u64).await
        }
        Deed::Refuse(status) => {
            let text = format!("you sent {request:?} {}", String::from_utf8_lossy(&request.body));
            let reply = ContractReply::new("text/plain", text).with_status(*status);
            write(stream, &reply, reply.body.len() as u64).await
        }
        Deed::Sleep => stream.read(&mut [0]).await.map(drop),
        Deed::CutOff(content) => {
            let mut reply = reply(subject, content, &request);
            let length = reply.body.len() as u64;
            reply.body.truncate(reply.body.len() / 2);
            write(stream, &reply, length).await
        }
        Deed::Babble | Deed::WrongCertificate => {
            let reply = ContractReply::new("text/html", "<html><body>Please log in</body></html>");
            write(stream, &reply, reply.body.len() as u64).await
        }
        Deed::Huge(content) => {
            let reply = reply(subject, content, &request);
            write(stream, &reply, HUGE).await?;
            let blanks = vec![b' '; 64 * 1024];
            while counts.written.load(Ordering::SeqCst) < HUGE {
                stream.write_all(&blanks).await?;
                counts.written.fetch_add(blanks.len() as u64, Ordering::SeqCst);
            }
            Ok(())
        }
    }
}

fn reply(subject: &dyn ProviderSubject, content: &Content, request: &ContractRequest) -> ContractReply {
    let unwritable = || ContractReply::new("text/plain", "this content has no form").with_status(501);
    subject.answer(content, request).unwrap_or_else(unwritable)
}

async fn write(stream: &mut dyn Connection, reply: &ContractReply, length: u64) -> io::Result<()> {
    let ContractReply { status, content_type, body } = reply;
    let head = format!(
        "HTTP/1.1 {status} \r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    stream.flush().await
}

async fn read(stream: &mut dyn Connection) -> io::Result<ContractRequest> {
    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > MAX_HEAD {
            return Err(malformed());
        }
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).map_err(|_| malformed())?;
    let mut lines = head.lines();
    let mut first = lines.next().ok_or_else(malformed)?.split(' ');
    let (method, target) = (first.next().ok_or_else(malformed)?, first.next().ok_or_else(malformed)?);
    let headers: BTreeMap<_, _> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(ContractRequest { method: method.to_owned(), target: target.to_owned(), headers, body })
}

fn self_signed() -> io::Result<TlsAcceptor> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).map_err(io::Error::other)?;
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der())
        .map_err(io::Error::other)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key))
        .map_err(io::Error::other)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
