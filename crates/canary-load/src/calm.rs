//! Whether a thread may sleep through answers until the next arrival, so that a request wakes it once instead of twice.
//!
//! It may when nothing follows an answer at once, and when the other side can send all of it without being read. Latencies
//! stay right: they count until the answer reached the machine ([`crate::stamped`]), not until it was read.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use crate::{Flow, Plan, Protocol};

/// How long at most.
pub(crate) const DOZE: Duration = Duration::from_millis(2);

/// What fits into the buffers of a socket with plenty of room: a request, or an answer.
const SMALL: u64 = 32 * 1024;

#[derive(Debug)]
pub(crate) struct Calm {
    /// Stamps are of a connection, and one of HTTP/2 has the answers of several streams.
    is_possible: bool,
    /// Which flows go on after an answer.
    goes_on: Vec<bool>,
    /// Requests under way whose answer, or whose sending, must be seen to at once.
    urgent: Rc<Cell<usize>>,
    /// The longest body that came so far.
    longest: Cell<u64>,
    /// Whether the system told when the last answer came. It begins to some time after it was asked to.
    is_told: Cell<bool>,
}

/// Something is urgent for as long as this is there.
pub(crate) struct Urgent(Rc<Cell<usize>>);

impl Drop for Urgent {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Calm {
    pub(crate) fn new(plan: &Plan) -> Self {
        let goes_on = |flow: &Flow| flow.steps().len() > 1;
        Self {
            is_possible: cfg!(target_os = "linux")
                && plan.targets.iter().all(|target| target.protocol == Protocol::Http1),
            goes_on: plan.flows.iter().map(goes_on).collect(),
            urgent: Rc::default(),
            longest: Cell::default(),
            is_told: Cell::default(),
        }
    }

    /// A request is about to be sent: with a body of that length, for that flow.
    pub(crate) fn sends(&self, flow: usize, length: usize) -> Option<Urgent> {
        let is_long = u64::try_from(length).is_ok_and(|length| length > SMALL);
        if !is_long && !self.goes_on[flow] {
            return None;
        }
        self.urgent.set(self.urgent.get() + 1);
        Some(Urgent(self.urgent.clone()))
    }

    /// A body of that length came, and whether the system told when.
    pub(crate) fn came(&self, length: u64, is_told: bool) {
        self.longest.set(self.longest.get().max(length));
        self.is_told.set(is_told);
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.is_possible && self.urgent.get() == 0 && self.longest.get() <= SMALL && self.is_told.get()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Next, Script, Visit, Work};

    struct Steps(usize);

    impl Script for Steps {
        fn steps(&self) -> Vec<String> {
            (0..self.0).map(|step| step.to_string()).collect()
        }

        fn visit(&self) -> Box<dyn Visit> {
            struct Nothing;
            impl Visit for Nothing {
                fn next(&mut self) -> Next {
                    Next::End { skipped: Vec::new() }
                }
                fn seen(
                    &mut self,
                    _: Result<&crate::Answer, crate::ErrorClass>,
                ) -> Result<(), crate::ErrorClass> {
                    Ok(())
                }
            }
            Box::new(Nothing)
        }
    }

    fn plan() -> Plan {
        Plan::get("http://localhost/").unwrap()
    }

    #[test]
    fn a_thread_dozes_once_it_knows_that_answers_are_short() {
        let calm = Calm::new(&plan());
        assert!(!calm.is_calm());
        calm.came(SMALL, true);
        assert_eq!(calm.is_calm(), cfg!(target_os = "linux"));
        calm.came(SMALL + 1, true);
        calm.came(0, true);
        assert!(!calm.is_calm());
    }

    #[test]
    fn a_thread_is_awake_for_answers_whose_time_nobody_tells() {
        let calm = Calm::new(&plan());
        calm.came(0, false);
        assert!(!calm.is_calm());
        calm.came(0, true);
        calm.came(0, false);
        assert!(!calm.is_calm());
    }

    #[test]
    fn answers_that_something_follows_and_long_requests_are_seen_to_at_once() {
        let mut plan = plan();
        for (steps, length, is_calm) in [(1, 0, true), (2, 0, false), (1, 100_000, false)] {
            plan.flows[0].work = Work::Script(Arc::new(Steps(steps)));
            let calm = Calm::new(&plan);
            calm.came(0, true);
            let urgent = calm.sends(0, length);
            assert_eq!(calm.is_calm(), is_calm && cfg!(target_os = "linux"), "{steps} steps, {length} bytes");
            drop(urgent);
            assert_eq!(calm.is_calm(), cfg!(target_os = "linux"));
        }
    }

    #[test]
    fn streams_that_share_a_connection_are_not_left_alone() {
        let mut plan = plan();
        plan.targets[0].protocol = Protocol::Http2 { streams: 10 };
        let calm = Calm::new(&plan);
        calm.came(0, true);
        assert!(!calm.is_calm());
    }
}
