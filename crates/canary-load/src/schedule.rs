//! When arrivals happen: the profile's integral and the spacing put together. Pure; time comes from outside.

use std::time::Duration;

use crate::arrivals::Spacing;
use crate::profile::Integral;
use crate::{Arrivals, Profile};

/// The moments of arrivals since the start, one after another, or one share of them.
///
/// Arrival k is where the integral of the rate reaches k (or the k-th sum of exponential gaps), so that a change of the
/// rate neither loses arrivals nor bunches them.
///
/// ```
/// use std::time::Duration;
/// use canary_load::{Arrivals, Profile, Schedule};
///
/// let mut schedule = Schedule::new(&Profile::constant(4.0), Arrivals::Even);
/// let first: Vec<Duration> = std::iter::from_fn(|| schedule.take()).take(3).collect();
/// assert_eq!(first, [0, 250, 500].map(Duration::from_millis));
///
/// schedule.set_rate(Duration::from_millis(500), 1.0);
/// assert_eq!(schedule.take(), Some(Duration::from_millis(1500)));
/// ```
#[derive(Debug)]
pub struct Schedule {
    integral: Integral,
    spacing: Spacing,
    end: Option<Duration>,
    left: Option<u64>,
    pending: Option<Duration>,
}

impl Schedule {
    /// All arrivals of a profile.
    pub fn new(profile: &Profile, arrivals: Arrivals) -> Self {
        Self::share(profile, arrivals, 0, 1)
    }

    /// Share number `index` of `of` (at least 1): together the shares are all arrivals.
    pub fn share(profile: &Profile, arrivals: Arrivals, index: u32, of: u32) -> Self {
        let mut schedule = Self {
            integral: Integral::of(profile),
            spacing: Spacing::new(arrivals, index, of),
            end: None,
            left: None,
            pending: None,
        };
        schedule.look();
        schedule
    }

    /// Nothing arrives at or after `end`.
    #[must_use]
    pub fn ending(mut self, end: Duration) -> Self {
        self.end = Some(end);
        self.look();
        self
    }

    /// Nothing arrives after that many arrivals.
    #[must_use]
    pub fn at_most(mut self, arrivals: u64) -> Self {
        self.left = Some(arrivals);
        self.look();
        self
    }

    /// When the next arrival is; `None`: at the present rate never.
    pub fn peek(&self) -> Option<Duration> {
        self.pending
    }

    /// The next arrival, which is then over.
    pub fn take(&mut self) -> Option<Duration> {
        let at = self.pending?;
        self.spacing.advance();
        if let Some(left) = &mut self.left {
            *left -= 1;
        }
        self.look();
        Some(at)
    }

    /// The rate from `at` on, in arrivals per second of all shares; arrivals due before keep their time.
    pub fn set_rate(&mut self, at: Duration, rate: f64) {
        let rate = if rate.is_finite() { rate.max(0.0) } else { 0.0 };
        self.integral.change(at.as_secs_f64(), rate, self.spacing.next());
        self.look();
    }

    /// The rate of all shares at `at`, in arrivals per second.
    pub fn rate(&self, at: Duration) -> f64 {
        self.integral.rate(at.as_secs_f64())
    }

    /// Whether no rate can bring another arrival after `now`.
    pub fn is_over(&self, now: Duration) -> bool {
        self.pending.is_none() && (self.left == Some(0) || self.end.is_some_and(|end| now >= end))
    }

    fn look(&mut self) {
        self.pending = None;
        if self.left == Some(0) {
            return;
        }
        let at = self.integral.reaches(self.spacing.next());
        // A rate next to nothing may put the next arrival further away than a Duration reaches.
        let at = at.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        self.pending = at.filter(|at| self.end.is_none_or(|end| *at < end));
    }
}

#[cfg(test)]
mod tests;
