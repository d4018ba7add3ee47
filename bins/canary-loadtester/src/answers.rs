//! Answers as Flagger's load tester gives them: a status and a short text; and streams of events.

use std::convert::Infallible;

use bytes::Bytes;
use futures::Stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;

/// An answer.
pub(crate) type Reply = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// A status with a text.
pub(crate) fn text(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    of_type(status, body, "text/plain; charset=utf-8")
}

/// A status with nothing.
pub(crate) fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(Full::default().boxed_unsync());
    *reply.status_mut() = status;
    reply
}

/// A status with a JSON document.
pub(crate) fn json(status: StatusCode, body: &impl serde::Serialize) -> Reply {
    match serde_json::to_vec(body) {
        Ok(body) => of_type(status, body, "application/json"),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

/// Server-sent events, one after the other as they come.
pub(crate) fn events(events: impl Stream<Item = String> + Send + 'static) -> Reply {
    let frames = futures::StreamExt::map(events, |event| Ok(Frame::data(Bytes::from(event))));
    let mut reply = Response::new(StreamBody::new(frames).boxed_unsync());
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// A status with a body of that type.
pub(crate) fn of_type(status: StatusCode, body: impl Into<Bytes>, kind: &'static str) -> Reply {
    let mut reply = Response::new(Full::new(body.into()).boxed_unsync());
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    reply
}

/// What Flagger's load tester says to those who may not.
pub(crate) fn forbidden() -> Reply {
    text(StatusCode::FORBIDDEN, "Forbidden")
}
