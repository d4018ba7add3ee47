//! What all requests share.

use std::net::SocketAddr;
use std::time::Duration;

use http::StatusCode;
use regex::Regex;

use crate::canaries::Canaries;
use crate::flags::{Auth, Commands};
use crate::gates::Gates;
use crate::queue::Queue;
use crate::runs::Runs;
use crate::signature::Signatures;
use crate::targets::Targets;
use crate::tokens::Tokens;

/// What all requests share.
pub(crate) struct State {
    pub(crate) gates: Gates,
    pub(crate) queue: Queue,
    pub(crate) runs: Runs,
    pub(crate) canaries: Canaries,
    pub(crate) tokens: Tokens,
    pub(crate) signatures: Option<Signatures>,
    pub(crate) targets: Targets,
    pub(crate) auth: Auth,
    pub(crate) commands: Commands,
    /// Which namespaces may use it; none: all.
    pub(crate) namespaces: Option<Regex>,
    /// How long any task may run.
    pub(crate) timeout: Duration,
    pub(crate) max_rate: f64,
    pub(crate) max_connections: usize,
    pub(crate) max_tasks: usize,
    /// The status of a task that failed; Flagger's is 500.
    pub(crate) failed: StatusCode,
    /// Whether a connection comes from this pod and this user: peer, then own address.
    pub(crate) is_inside: fn(SocketAddr, SocketAddr) -> bool,
}
