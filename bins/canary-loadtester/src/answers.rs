//! Answers as Flagger's load tester gives them: a status and a short text.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;

/// An answer that is complete.
pub(crate) type Reply = Response<Full<Bytes>>;

/// A status with a text.
pub(crate) fn text(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    of_type(status, body, "text/plain; charset=utf-8")
}

/// A status with nothing.
pub(crate) fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(Full::default());
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

fn of_type(status: StatusCode, body: impl Into<Bytes>, kind: &'static str) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    reply
}

/// What Flagger's load tester says to those who may not.
pub(crate) fn forbidden() -> Reply {
    text(StatusCode::FORBIDDEN, "Forbidden")
}
