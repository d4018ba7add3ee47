//! What became of a request.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::GrpcStatus;

/// What kind of error a request ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ErrorClass {
    /// The name was not resolved, or the connection not made.
    Connect,
    /// The address may not be dialled.
    Forbidden,
    /// The TLS handshake failed.
    Tls,
    /// There was no complete answer within the timeout.
    Timeout,
    /// The connection broke before the answer was complete, or the answer was malformed.
    Reset,
    /// The answer has a status of 400 or more.
    Status,
    /// The call of a gRPC method ended with another status than OK, or without one.
    Grpc,
    /// The answer is not as it should be.
    Check,
    /// Something that later steps need is not in the answer.
    Capture,
    /// The run was ended before there was an answer.
    Cut,
}

impl ErrorClass {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Connect,
        Self::Forbidden,
        Self::Tls,
        Self::Timeout,
        Self::Reset,
        Self::Status,
        Self::Grpc,
        Self::Check,
        Self::Capture,
        Self::Cut,
    ];

    /// Its name in reports and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Forbidden => "forbidden",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Status => "status",
            Self::Grpc => "grpc",
            Self::Check => "check",
            Self::Capture => "capture",
            Self::Cut => "cut",
        }
    }

    pub(crate) fn index(self) -> usize {
        Self::ALL.iter().position(|class| *class == self).unwrap_or(0)
    }
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// What became of the call; none for requests that are no gRPC.
    pub grpc: Option<GrpcStatus>,
    /// Its body, or the message of a gRPC call that is OK, as far as the plan's limit goes. Empty for requests whose flow is no script.
    pub body: Bytes,
    /// Length of the whole body in bytes.
    pub length: u64,
    /// Time since the intended start.
    pub latency: Duration,
}
