//! How many own requests had been sent at any time of the last minutes.

use std::collections::VecDeque;

/// Seconds that are remembered: more than two samples of a pod may lie apart.
const KEPT: f64 = 600.0;

/// A running sum over time, a line between what was told.
#[derive(Debug, Default)]
pub(super) struct Sent(VecDeque<(f64, f64)>);

impl Sent {
    pub(super) fn push(&mut self, at: f64, total: f64) {
        if self.0.back().is_some_and(|(last, _)| at <= *last) {
            return;
        }
        self.0.push_back((at, total));
        while self.0.front().is_some_and(|(first, _)| *first < at - KEPT) {
            self.0.pop_front();
        }
    }

    /// The sum at a time; before the first word nothing had been sent, after the last nothing more.
    pub(super) fn at(&self, at: f64) -> f64 {
        let next = self.0.partition_point(|(time, _)| *time < at);
        match (next.checked_sub(1).and_then(|i| self.0.get(i)), self.0.get(next)) {
            (Some((t0, s0)), Some((t1, s1))) => s0 + (s1 - s0) * (at - t0) / (t1 - t0),
            (Some((_, sum)), None) | (None, Some((_, sum))) => *sum,
            (None, None) => 0.0,
        }
    }
}
