//! The rate over time, piecewise linear, with its integral and the inverse of that. Pure.

use std::collections::VecDeque;
use std::time::Duration;

/// A part of a profile: the rate goes in a straight line from where it was to `to`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stage {
    /// How long it takes.
    pub length: Duration,
    /// The rate at its end, in arrivals per second.
    pub to: f64,
}

/// A rate over time, in arrivals per second. After the last stage the rate stays.
///
/// ```
/// use std::time::Duration;
/// use canary_load::Profile;
///
/// let profile = Profile::ramp(0.0, 100.0, Duration::from_secs(10));
/// assert_eq!(profile.rate(Duration::from_secs(5)), 50.0);
/// assert_eq!(profile.rate(Duration::from_secs(60)), 100.0);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    start: f64,
    stages: Vec<Stage>,
}

impl Profile {
    /// The same rate all the time.
    pub fn constant(rate: f64) -> Self {
        Self { start: rate, stages: Vec::new() }
    }

    /// From one rate to another, in a straight line, and then that.
    pub fn ramp(from: f64, to: f64, over: Duration) -> Self {
        Self { start: from, stages: vec![Stage { length: over, to }] }
    }

    /// Begins at `start` and goes through all stages.
    pub fn stages(start: f64, stages: Vec<Stage>) -> Self {
        Self { start, stages }
    }

    /// The rate at that time since the start.
    pub fn rate(&self, at: Duration) -> f64 {
        let (mut rate, mut left) = (self.start, at.as_secs_f64());
        for stage in &self.stages {
            let length = stage.length.as_secs_f64();
            if left < length {
                return rate + (stage.to - rate) * left / length;
            }
            (rate, left) = (stage.to, left - length);
        }
        rate
    }

    /// The highest rate in it.
    pub fn highest(&self) -> f64 {
        self.stages.iter().map(|stage| stage.to).fold(self.start, f64::max)
    }

    /// A rate that is negative or no number, if there is one.
    pub(crate) fn flaw(&self) -> Option<f64> {
        std::iter::once(self.start)
            .chain(self.stages.iter().map(|stage| stage.to))
            .find(|rate| !rate.is_finite() || *rate < 0.0)
    }
}

/// A stretch of a profile on which the rate is a line. Times in seconds since the start.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    start: f64,
    /// Infinite for the last.
    length: f64,
    rate: f64,
    slope: f64,
    /// The integral of everything before it.
    before: f64,
}

impl Stretch {
    fn constant(start: f64, rate: f64, before: f64) -> Self {
        Self { start, length: f64::INFINITY, rate, slope: 0.0, before }
    }

    fn integral(&self, at: f64) -> f64 {
        let x = (at - self.start).clamp(0.0, self.length);
        self.before + x * (self.rate + self.slope * x / 2.0)
    }

    /// Where the integral reaches `value`, if it does on this stretch.
    fn reaches(&self, value: f64) -> Option<f64> {
        let need = value - self.before;
        if self.rate <= 0.0 && self.slope <= 0.0 {
            return None;
        }
        if need <= 0.0 {
            return Some(self.start);
        }
        let root = (self.rate * self.rate + 2.0 * self.slope * need).max(0.0).sqrt();
        let x = 2.0 * need / (self.rate + root);
        // The last arrival of a stretch may be lost to rounding by a hair; it then comes at the start of the next.
        (x.is_finite() && x <= self.length).then_some(self.start + x)
    }
}

/// The integral of a profile, which can be changed from some moment on.
#[derive(Debug)]
pub(crate) struct Integral(VecDeque<Stretch>);

impl Integral {
    pub(crate) fn of(profile: &Profile) -> Self {
        let mut stretches = VecDeque::new();
        let (mut start, mut rate, mut before) = (0.0, profile.start, 0.0);
        for stage in &profile.stages {
            let length = stage.length.as_secs_f64();
            if length > 0.0 {
                let stretch = Stretch { start, length, rate, slope: (stage.to - rate) / length, before };
                before = stretch.integral(start + length);
                stretches.push_back(stretch);
                start += length;
            }
            rate = stage.to;
        }
        stretches.push_back(Stretch::constant(start, rate, before));
        Self(stretches)
    }

    /// When the integral reaches `value`, in seconds.
    pub(crate) fn reaches(&self, value: f64) -> Option<f64> {
        self.0.iter().find_map(|stretch| stretch.reaches(value))
    }

    /// From `at` on the rate is `rate`; what was before stays, as far as it is needed for values from `value` on.
    pub(crate) fn change(&mut self, at: f64, rate: f64, value: f64) {
        while self.0.get(1).is_some_and(|second| second.start <= at && second.before <= value) {
            self.0.pop_front();
        }
        let at = self.0.front().map_or(at, |first| at.max(first.start));
        while self.0.len() > 1 && self.0.back().is_some_and(|last| last.start >= at) {
            self.0.pop_back();
        }
        let Some(last) = self.0.back_mut() else { return };
        let before = last.integral(at);
        last.length = at - last.start;
        self.0.push_back(Stretch::constant(at, rate, before));
    }

    /// The rate at that time, in seconds.
    pub(crate) fn rate(&self, at: f64) -> f64 {
        let found = self.0.iter().rev().find(|stretch| stretch.start <= at).or(self.0.front());
        found.map_or(0.0, |s| s.rate + s.slope * (at - s.start).clamp(0.0, s.length.min(f64::MAX)))
    }
}
