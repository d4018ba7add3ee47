//! Unary gRPC on HTTP/2: how a message is framed, and how an answer tells what became of the call.

mod code;
mod descriptors;
mod health;

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use percent_encoding::percent_decode;

pub use code::GrpcCode;
pub use descriptors::{CallError, Descriptors, GrpcError, GrpcMethod};

/// Before each message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcStatus {
    /// The status code. An answer that breaks the rules of gRPC has the code that clients give it.
    pub code: GrpcCode,
    /// What the server says about it, or what is wrong with its answer.
    pub message: String,
}

impl fmt::Display for GrpcStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if self.message.is_empty() { Ok(()) } else { write!(f, ": {}", self.message) }
    }
}

impl GrpcStatus {
    fn new(code: GrpcCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// What the trailers say, or the headers of an answer that has nothing else.
    fn of(fields: &HeaderMap) -> Option<Self> {
        let code = fields.get("grpc-status")?;
        let number = code.to_str().ok().and_then(|text| text.trim().parse().ok());
        let message =
            fields.get("grpc-message").map(|text| percent_decode(text.as_bytes()).decode_utf8_lossy());
        let message = message.unwrap_or_default().into_owned();
        Some(match number {
            Some(number) => Self::new(GrpcCode::of(number), message),
            None => Self::new(GrpcCode::Unknown, format!("its grpc-status {code:?} is no number")),
        })
    }
}

/// A message as it is sent: uncompressed, after its length.
pub(crate) fn frame(message: &[u8]) -> Result<Bytes, String> {
    let length = u32::try_from(message.len()).map_err(|_| "its message is longer than 4 GiB".to_owned())?;
    let mut framed = BytesMut::with_capacity(PREFIX + message.len());
    framed.put_u8(0);
    framed.put_u32(length);
    framed.put_slice(message);
    Ok(framed.freeze())
}

/// How much of a body has to be kept for a message of that size.
pub(crate) fn room(limit: usize) -> usize {
    limit.saturating_add(PREFIX)
}

/// What an answer means: the status of the call, and the message if it is OK.
pub(crate) fn read(
    status: StatusCode,
    headers: &HeaderMap,
    trailers: Option<&HeaderMap>,
    body: &Bytes,
    length: u64,
    limit: usize,
) -> (GrpcStatus, Bytes) {
    let told = trailers.and_then(GrpcStatus::of).or_else(|| GrpcStatus::of(headers));
    let judged = match told {
        Some(told) if told.code != GrpcCode::Ok => Err(told),
        Some(told) => message(headers, body, length, limit).map(|message| (told, message)),
        None => Err(without_status(status, headers)),
    };
    judged.unwrap_or_else(|status| (status, Bytes::new()))
}

/// The one message of a body.
fn message(headers: &HeaderMap, body: &Bytes, length: u64, limit: usize) -> Result<Bytes, GrpcStatus> {
    let broken = |why: String| GrpcStatus::new(GrpcCode::Internal, why);
    let Some((prefix, rest)) = body.split_first_chunk::<PREFIX>() else {
        return Err(broken(format!("the status is OK, but its body of {length} bytes has no message")));
    };
    let [flag, size @ ..] = *prefix;
    let size = u32::from_be_bytes(size);
    if flag != 0 {
        let encoding = headers.get("grpc-encoding").and_then(|name| name.to_str().ok());
        return Err(match encoding.filter(|name| *name != "identity") {
            Some(name) => GrpcStatus::new(
                GrpcCode::Unimplemented,
                format!("the message is compressed with {name}, which was not offered"),
            ),
            None => broken(format!("the message is marked as compressed ({flag}), and nothing says how")),
        });
    }
    if usize::try_from(size).map_or(true, |size| size > limit) {
        return Err(GrpcStatus::new(
            GrpcCode::ResourceExhausted,
            format!("the message has {size} bytes, more than the limit of {limit}"),
        ));
    }
    let there = length.saturating_sub(PREFIX as u64);
    if there != u64::from(size) {
        return Err(broken(format!(
            "the message is announced with {size} bytes, and {there} follow; a unary call has one whole message"
        )));
    }
    Ok(body.slice_ref(rest))
}

/// Nothing in the answer says what became of the call: a proxy answered, or the call was broken off.
fn without_status(status: StatusCode, headers: &HeaderMap) -> GrpcStatus {
    let code = match status.as_u16() {
        400 => GrpcCode::Internal,
        401 => GrpcCode::Unauthenticated,
        403 => GrpcCode::PermissionDenied,
        404 => GrpcCode::Unimplemented,
        429 | 502..=504 => GrpcCode::Unavailable,
        _ => GrpcCode::Unknown,
    };
    let kind = headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let why = if status != StatusCode::OK {
        format!("the answer has no grpc-status; its HTTP status is {}", status.as_u16())
    } else if kind.starts_with("application/grpc") {
        "the answer ends without a grpc-status".to_owned()
    } else {
        format!("the answer has no grpc-status; its content-type {kind:?} is not application/grpc")
    };
    GrpcStatus::new(code, why)
}

#[cfg(test)]
mod tests;
