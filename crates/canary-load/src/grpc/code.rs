//! The status codes of gRPC.

use std::fmt;
use std::str::FromStr;

/// A status code of gRPC.
///
/// ```
/// use canary_load::GrpcCode;
/// assert_eq!("NOT_FOUND".parse(), Ok(GrpcCode::NotFound));
/// assert_eq!("5".parse(), Ok(GrpcCode::NotFound));
/// assert_eq!(GrpcCode::NotFound.as_str(), "NOT_FOUND");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GrpcCode {
    /// 0: it went well.
    Ok,
    /// 1: somebody gave it up, mostly the caller.
    Cancelled,
    /// 2: an error that fits no other code, or an answer without a status.
    Unknown,
    /// 3: the arguments are wrong, whatever the state of the system.
    InvalidArgument,
    /// 4: it was not done in time.
    DeadlineExceeded,
    /// 5: what it is about does not exist.
    NotFound,
    /// 6: what it was to make exists already.
    AlreadyExists,
    /// 7: the caller may not do it.
    PermissionDenied,
    /// 8: a quota or a resource is used up, or a message too large.
    ResourceExhausted,
    /// 9: the system is not in the state that it needs.
    FailedPrecondition,
    /// 10: it collided with something else.
    Aborted,
    /// 11: it went past the end of something.
    OutOfRange,
    /// 12: the server does not have the method.
    Unimplemented,
    /// 13: something that must hold does not, or the answer is malformed.
    Internal,
    /// 14: the service cannot be reached now.
    Unavailable,
    /// 15: data is lost or damaged.
    DataLoss,
    /// 16: the caller has not said who he is.
    Unauthenticated,
}

const ALL: [(GrpcCode, &str); 17] = [
    (GrpcCode::Ok, "OK"),
    (GrpcCode::Cancelled, "CANCELLED"),
    (GrpcCode::Unknown, "UNKNOWN"),
    (GrpcCode::InvalidArgument, "INVALID_ARGUMENT"),
    (GrpcCode::DeadlineExceeded, "DEADLINE_EXCEEDED"),
    (GrpcCode::NotFound, "NOT_FOUND"),
    (GrpcCode::AlreadyExists, "ALREADY_EXISTS"),
    (GrpcCode::PermissionDenied, "PERMISSION_DENIED"),
    (GrpcCode::ResourceExhausted, "RESOURCE_EXHAUSTED"),
    (GrpcCode::FailedPrecondition, "FAILED_PRECONDITION"),
    (GrpcCode::Aborted, "ABORTED"),
    (GrpcCode::OutOfRange, "OUT_OF_RANGE"),
    (GrpcCode::Unimplemented, "UNIMPLEMENTED"),
    (GrpcCode::Internal, "INTERNAL"),
    (GrpcCode::Unavailable, "UNAVAILABLE"),
    (GrpcCode::DataLoss, "DATA_LOSS"),
    (GrpcCode::Unauthenticated, "UNAUTHENTICATED"),
];

impl GrpcCode {
    /// Its name as the specification writes it, such as `NOT_FOUND`.
    pub fn as_str(self) -> &'static str {
        ALL[self as usize].1
    }

    /// Its number.
    pub fn number(self) -> u32 {
        self as u32
    }

    /// The code with that number; one that nobody knows counts as [`Self::Unknown`].
    pub fn of(number: u32) -> Self {
        let known = usize::try_from(number).ok().and_then(|at| ALL.get(at));
        known.map_or(Self::Unknown, |(code, _)| *code)
    }
}

impl fmt::Display for GrpcCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for GrpcCode {
    type Err = String;

    /// Reads a name or a number.
    fn from_str(text: &str) -> Result<Self, String> {
        let by_number = text.parse::<usize>().ok().and_then(|at| ALL.get(at));
        by_number
            .or_else(|| ALL.iter().find(|(_, name)| name.eq_ignore_ascii_case(text)))
            .map(|(code, _)| *code)
            .ok_or_else(|| {
                let names: Vec<&str> = ALL.iter().map(|(_, name)| *name).collect();
                format!("{text:?} is no gRPC status; they are 0 to 16, or {}", names.join(", "))
            })
    }
}
