//! What waits on a floor: requests for a worker, and visits for the end of their pause.

use std::sync::Arc;
use std::time::Instant;

use crate::{Prepared, Visit};

/// One request that is to be sent, and what follows it.
pub(crate) struct Job {
    pub(crate) intended: Instant,
    pub(crate) flow: usize,
    /// Where it counts.
    pub(crate) place: usize,
    pub(crate) target: usize,
    pub(crate) request: Arc<Prepared>,
    /// The user who sends it; none for flows of one request.
    pub(crate) visit: Option<Box<dyn Visit>>,
    /// It does not have to wait for another request: a connection is free, or one may be made.
    pub(crate) at_once: bool,
}

/// A visit in a pause.
pub(crate) struct Pausing {
    pub(crate) until: Instant,
    pub(crate) flow: usize,
    pub(crate) visit: Box<dyn Visit>,
}

impl PartialEq for Pausing {
    fn eq(&self, other: &Self) -> bool {
        self.until == other.until
    }
}

impl Eq for Pausing {}

impl PartialOrd for Pausing {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pausing {
    /// The heap's greatest is the one that ends first.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.until.cmp(&self.until)
    }
}
