//! What all requests share.

use std::net::SocketAddr;
use std::time::Duration;

use http::StatusCode;
use regex::Regex;
use tokio_util::sync::CancellationToken;

use crate::accounts::Accounts;
use crate::canaries::Canaries;
use crate::command::Bounds;
use crate::flags::{Auth, Commands};
use crate::gates::Gates;
use crate::queue::Queue;
use crate::runs::Runs;
use crate::scenarios::Scenarios;
use crate::signature::Signatures;
use crate::store::Store;
use crate::targets::Targets;
use crate::tokens::Tokens;

/// What all requests share.
pub(crate) struct State {
    /// Keeps gates and load over a restart.
    pub(crate) store: Store,
    pub(crate) gates: Gates,
    pub(crate) queue: Queue,
    /// The process ends: what runs is to go on in the next one.
    pub(crate) closing: CancellationToken,
    pub(crate) runs: Runs,
    pub(crate) scenarios: Scenarios,
    pub(crate) canaries: Canaries,
    pub(crate) tokens: Tokens,
    pub(crate) accounts: Accounts,
    pub(crate) signatures: Option<Signatures>,
    pub(crate) targets: Targets,
    pub(crate) auth: Auth,
    pub(crate) commands: Commands,
    /// How much of the machine a command may take.
    pub(crate) bounds: Bounds,
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
