//! What happened in one second, of all threads.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::histogram::{coarse, merge};
use crate::report::Quantiles;
use crate::tally::Interval;
use crate::{Counts, Lateness};

/// What happened in one second of a run.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Which second, from 0.
    pub second: u64,
    /// The rate wanted at its end, in arrivals per second; 0 for closed loops.
    pub rate: f64,
    /// Requests under way at its end.
    pub in_flight: u64,
    /// Requests that waited for a connection at its end.
    pub waiting: u64,
    /// By flow and step, in the order of the plan.
    pub steps: Vec<StepSnapshot>,
    pub(crate) lag: Histogram<u64>,
}

/// What happened to one step in a second.
#[derive(Clone, Debug)]
pub struct StepSnapshot {
    /// Name of the flow.
    pub flow: String,
    /// Arm of the flow.
    pub arm: Option<String>,
    /// Name of the step.
    pub step: String,
    /// What became of its requests.
    pub counts: Counts,
    /// Latencies from the intended start, in microseconds, with 2 digits.
    pub latency: Histogram<u64>,
}

impl Snapshot {
    /// All steps together.
    pub fn counts(&self) -> Counts {
        let mut all = Counts::default();
        for step in &self.steps {
            all += &step.counts;
        }
        all
    }

    /// Latencies of all steps together, in microseconds.
    pub fn latency(&self) -> Histogram<u64> {
        let mut all = coarse();
        for step in &self.steps {
            merge(&mut all, &step.latency);
        }
        all
    }

    /// How late the engine itself sent requests that did not have to wait.
    pub fn lag(&self) -> Quantiles {
        Quantiles::of(&self.lag)
    }

    /// How many requests that did not have to wait were sent late.
    pub fn lateness(&self) -> Lateness {
        Lateness::of(&self.lag)
    }

    pub(crate) fn new(second: u64, names: &[StepName]) -> Self {
        let steps = names
            .iter()
            .map(|name| StepSnapshot {
                flow: name.flow.clone(),
                arm: name.arm.clone(),
                step: name.step.clone(),
                counts: Counts::default(),
                latency: coarse(),
            })
            .collect();
        Self { second, rate: 0.0, in_flight: 0, waiting: 0, steps, lag: coarse() }
    }

    pub(crate) fn add(&mut self, beat: &Beat) {
        self.rate = beat.rate;
        self.in_flight += beat.in_flight;
        self.waiting += beat.waiting;
        merge(&mut self.lag, &beat.lag);
        for (step, interval) in self.steps.iter_mut().zip(&beat.steps) {
            step.counts += &interval.counts;
            merge(&mut step.latency, &interval.latency);
        }
    }
}

/// What a thread tells once a second.
#[derive(Debug)]
pub(crate) struct Beat {
    pub(crate) second: u64,
    pub(crate) rate: f64,
    pub(crate) in_flight: u64,
    pub(crate) waiting: u64,
    pub(crate) steps: Vec<Interval>,
    pub(crate) lag: Histogram<u64>,
}

/// Which step a place in the lists means.
#[derive(Clone, Debug)]
pub(crate) struct StepName {
    pub(crate) flow: String,
    pub(crate) arm: Option<String>,
    pub(crate) step: String,
}

/// The second that `elapsed` is in.
pub(crate) fn second_of(elapsed: Duration) -> u64 {
    elapsed.as_secs()
}
