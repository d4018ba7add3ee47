//! One connection and the exchange of one request for one answer on it.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use tokio::sync::Mutex;

use crate::dial::Dialer;
use crate::stamped::Heard;
use crate::stream::Stream;
use crate::{ErrorClass, GrpcStatus, Protocol, Target};

/// What came back, before anybody has judged it.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) grpc: Option<GrpcStatus>,
    pub(crate) body: Bytes,
    pub(crate) length: u64,
    /// When the last of it reached this machine, where that is known.
    pub(crate) at: Option<Instant>,
}

/// Connection number n of HTTP/2, shared by its streams.
pub(crate) type Shared = Rc<Mutex<Option<http2::SendRequest<Full<Bytes>>>>>;

/// The connection of one worker to one target.
pub(crate) enum Connection {
    Http1(Http1),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// A connection that its worker drives itself: no task of its own, no hand-over between tasks.
pub(crate) struct Http1 {
    sender: http1::SendRequest<Full<Bytes>>,
    driver: Pin<Box<http1::Connection<TokioIo<Stream>, Full<Bytes>>>>,
    heard: Heard,
    ended: bool,
    used: u32,
}

impl Http1 {
    pub(crate) async fn open(dialer: &Dialer, target: &Target) -> Result<Self, ErrorClass> {
        let stream = dialer.dial(target).await?;
        let heard = stream.heard();
        // One piece: a write of several costs the kernel more than copying a small body.
        let (sender, driver) = http1::Builder::new()
            .writev(false)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|_| ErrorClass::Connect)?;
        Ok(Self { sender, driver: Box::pin(driver), heard, ended: false, used: 0 })
    }

    fn poll_driver(&mut self, cx: &mut Context<'_>) {
        if !self.ended {
            self.ended = self.driver.as_mut().poll(cx).is_ready();
        }
    }

    /// Waits for `work` while driving the connection.
    async fn drive<F: Future>(&mut self, work: F) -> F::Output {
        let mut work = std::pin::pin!(work);
        poll_fn(|cx| {
            self.poll_driver(cx);
            work.as_mut().poll(cx)
        })
        .await
    }

    /// Whether it can take a request, as far as one can know.
    async fn is_usable(&mut self, churn: u32) -> bool {
        if self.ended || (churn > 0 && self.used >= churn) {
            return false;
        }
        // The state of the sender is that of the last look at the socket; look again.
        poll_fn(|cx| {
            self.poll_driver(cx);
            if self.ended {
                Poll::Ready(false)
            } else {
                self.sender.poll_ready(cx).map(|ready| ready.is_ok())
            }
        })
        .await
    }

    pub(crate) async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
        keep: usize,
    ) -> Result<Received, (ErrorClass, Option<Request<Full<Bytes>>>)> {
        self.used += 1;
        let sending = self.sender.try_send_request(request);
        let answer = match self.drive(sending).await {
            Ok(answer) => answer,
            Err(mut error) => return Err((ErrorClass::Reset, error.take_message())),
        };
        let (mut received, mut body) = split(answer, keep);
        if body.is_end_stream() {
            received.at = self.heard.last();
            return Ok(received);
        }
        let mut kept = BytesMut::new();
        while let Some(frame) = self.drive(body.frame()).await {
            let frame = frame.map_err(|_| (ErrorClass::Reset, None))?;
            received.take(frame.into_data().ok(), &mut kept, keep);
        }
        received.body = kept.freeze();
        received.at = self.heard.last();
        Ok(received)
    }
}

impl Connection {
    /// Sees to a connection that is not in use: notices that the other side has closed it.
    pub(crate) fn poll_idle(&mut self, cx: &mut Context<'_>) {
        if let Self::Http1(connection) = self {
            connection.poll_driver(cx);
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        match self {
            Self::Http1(connection) => connection.ended,
            Self::Http2(sender) => sender.is_closed(),
        }
    }
}

/// Sends a request on the worker's connection, or a new one, and reads the answer to its end. The connection is back in
/// `place` when it can be used again.
pub(crate) async fn exchange(
    place: &mut Option<Connection>,
    shared: &Shared,
    dialer: &Dialer,
    target: &Target,
    request: Request<Full<Bytes>>,
    keep: usize,
    churn: u32,
) -> Result<Received, ErrorClass> {
    match target.protocol {
        Protocol::Http1 => exchange_http1(place, dialer, target, request, keep, churn).await,
        Protocol::Http2 { .. } => {
            let mut sender = match place.take() {
                Some(Connection::Http2(sender)) if !sender.is_closed() => sender,
                _ => Box::pin(open_http2(shared, dialer, target)).await?,
            };
            let received = exchange_http2(&mut sender, request, keep).await?;
            *place = Some(Connection::Http2(sender));
            Ok(received)
        }
    }
}

pub(crate) async fn exchange_http2(
    sender: &mut http2::SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
    keep: usize,
) -> Result<Received, ErrorClass> {
    sender.ready().await.map_err(|_| ErrorClass::Reset)?;
    let answer = sender.send_request(request).await.map_err(|_| ErrorClass::Reset)?;
    let (mut received, mut body) = split(answer, keep);
    let mut kept = BytesMut::new();
    while let Some(frame) = body.frame().await {
        match frame.map_err(|_| ErrorClass::Reset)?.into_data() {
            Ok(data) => received.take(Some(data), &mut kept, keep),
            Err(frame) => received.trailers = frame.into_trailers().ok(),
        }
    }
    received.body = kept.freeze();
    Ok(received)
}

async fn exchange_http1(
    place: &mut Option<Connection>,
    dialer: &Dialer,
    target: &Target,
    mut request: Request<Full<Bytes>>,
    keep: usize,
    churn: u32,
) -> Result<Received, ErrorClass> {
    // Taken out: an exchange that is given up half-way drops its connection.
    if let Some(Connection::Http1(mut connection)) = place.take()
        && connection.is_usable(churn).await
    {
        match connection.exchange(request, keep).await {
            Ok(received) => {
                *place = Some(Connection::Http1(connection));
                return Ok(received);
            }
            // Not a byte of it was sent: the other side had closed the idle connection.
            Err((_, Some(unsent))) => request = unsent,
            Err((class, None)) => return Err(class),
        }
    }
    // In a box, since the way of all other requests is short, and should stay small.
    let mut connection = Box::pin(Http1::open(dialer, target)).await?;
    let received = connection.exchange(request, keep).await.map_err(|(class, _)| class)?;
    *place = Some(Connection::Http1(connection));
    Ok(received)
}

async fn open_http2(
    shared: &Shared,
    dialer: &Dialer,
    target: &Target,
) -> Result<http2::SendRequest<Full<Bytes>>, ErrorClass> {
    // Whoever comes first dials, the other streams wait for that.
    let mut shared = shared.lock().await;
    if let Some(sender) = shared.as_ref().filter(|sender| !sender.is_closed()) {
        return Ok(sender.clone());
    }
    let stream = dialer.dial(target).await?;
    let (sender, driver) =
        http2::handshake(LocalTasks, TokioIo::new(stream)).await.map_err(|_| ErrorClass::Connect)?;
    tokio::task::spawn_local(driver);
    *shared = Some(sender.clone());
    Ok(sender)
}

/// Runs the tasks of HTTP/2 on the thread that they came from.
#[derive(Clone)]
struct LocalTasks;

impl<F: Future + 'static> hyper::rt::Executor<F> for LocalTasks {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(async move {
            task.await;
        });
    }
}

fn split(answer: Response<Incoming>, keep: usize) -> (Received, Incoming) {
    let (head, body) = answer.into_parts();
    let headers = if keep > 0 { head.headers } else { HeaderMap::new() };
    let status = head.status;
    let (body_kept, length) = (Bytes::new(), 0);
    (Received { status, headers, trailers: None, grpc: None, body: body_kept, length, at: None }, body)
}

impl Received {
    fn take(&mut self, data: Option<Bytes>, kept: &mut BytesMut, keep: usize) {
        let Some(data) = data else { return };
        self.length += u64::try_from(data.len()).unwrap_or(u64::MAX);
        let room = keep.saturating_sub(kept.len());
        kept.extend_from_slice(&data[..data.len().min(room)]);
    }
}
