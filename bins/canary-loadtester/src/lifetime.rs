//! When load for a canary has to end: as soon as the canary leaves the phase in which a hook asked for it.

use std::time::{Duration, Instant};

use crate::canaries::{Canaries, Watched, phase};
use crate::queue::Queue;

/// How often the phase is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How often the API server is asked where Canaries cannot be watched.
const ASK: Duration = Duration::from_secs(1);
/// A hook may be called before its phase is seen; if it is not seen by then, it was over already.
const NOT_YET: Duration = Duration::from_millis(1500);
/// Phases in which hooks ask for load. Flagger goes on with checks while it waits for promotion, and so with their load.
const ANALYSES: [&str; 2] = ["Progressing", "WaitingPromotion"];

/// Whether hooks ask for load in a phase.
pub(crate) fn is_analysed(phase: &str) -> bool {
    ANALYSES.contains(&phase)
}

/// What is known about a canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen<'a> {
    Phase(&'a str),
    Gone,
    Unknown,
}

/// Watches over one canary.
#[derive(Debug)]
pub(crate) struct Life {
    began: Instant,
    /// The phase that was seen first.
    phase: Option<&'static str>,
}

impl Life {
    pub(crate) fn new(now: Instant) -> Self {
        Self { began: now, phase: None }
    }

    /// Whether it is over, given what is seen at `now`.
    pub(crate) fn is_over(&mut self, seen: Seen<'_>, now: Instant) -> bool {
        match seen {
            Seen::Phase(phase) => {
                self.phase = self.phase.or_else(|| ANALYSES.into_iter().find(|known| *known == phase));
                match self.phase {
                    Some(begun) => begun != phase,
                    None => now.duration_since(self.began) > NOT_YET,
                }
            }
            Seen::Gone => true,
            // The time limit of the run holds in any case.
            Seen::Unknown => false,
        }
    }
}

/// Waits until the canary is not progressing any more; without a cluster for ever.
pub(crate) async fn over(canaries: &Canaries, namespace: &str, name: &str) {
    if !canaries.is_connected() && matches!(canaries.watched(namespace, name), Watched::Unknown) {
        return std::future::pending().await;
    }
    let mut life = Life::new(Instant::now());
    loop {
        let (answer, pause) = match canaries.watched(namespace, name) {
            Watched::Canary(canary) => (Ok(Some(*canary)), LOOK),
            Watched::Gone => (Ok(None), LOOK),
            Watched::Unknown => (canaries.ask(namespace, name).await, ASK),
        };
        let seen = match &answer {
            Ok(Some(canary)) => Seen::Phase(phase(canary)),
            Ok(None) => Seen::Gone,
            Err(_) => Seen::Unknown,
        };
        if life.is_over(seen, Instant::now()) {
            return;
        }
        tokio::time::sleep(pause).await;
    }
}

/// Waits until nobody has asked for a task for the length of its lease; without one for ever.
pub(crate) async fn expired(queue: &Queue, task: &str, lease: Option<Duration>) {
    let Some(lease) = lease else { return std::future::pending().await };
    while let Some(left) = queue.since_renewal(task).and_then(|since| lease.checked_sub(since)) {
        tokio::time::sleep(left.max(LOOK)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_ends_when_the_phase_is_left_and_not_before_it_is_seen() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut life = Life::new(start);
        assert!(!life.is_over(Seen::Phase("Initialized"), after(1)));
        assert!(!life.is_over(Seen::Phase("Progressing"), after(2)));
        assert!(!life.is_over(Seen::Unknown, after(300)));
        for left in ["Promoting", "WaitingPromotion", "Failed", "Succeeded", "Terminating", ""] {
            assert!(life.is_over(Seen::Phase(left), after(301)), "{left}");
        }
        assert!(life.is_over(Seen::Gone, after(301)));
    }

    #[test]
    fn load_that_came_too_late_ends_after_a_while() {
        let start = Instant::now();
        let mut life = Life::new(start);
        assert!(!life.is_over(Seen::Phase("Failed"), start + Duration::from_secs(1)));
        assert!(life.is_over(Seen::Phase("Failed"), start + Duration::from_secs(2)));
    }

    #[test]
    fn load_that_is_asked_for_while_promotion_is_waited_for_goes_on_until_that_ends() {
        let start = Instant::now();
        let mut life = Life::new(start);
        assert!(!life.is_over(Seen::Phase("WaitingPromotion"), start));
        assert!(!life.is_over(Seen::Phase("WaitingPromotion"), start + Duration::from_secs(600)));
        assert!(life.is_over(Seen::Phase("Promoting"), start + Duration::from_secs(601)));
    }
}
