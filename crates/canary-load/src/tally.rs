//! What is counted, by one thread and then by all of them. Nothing is left out: planned = sent + not sent.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::histogram::{coarse, fine, merge, record};
use crate::{ErrorClass, GrpcCode, Plan};

/// Requests that were planned and not sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NotSent {
    /// There was no free connection within the timeout. They count in the latencies, with the timeout.
    pub timeout: u64,
    /// The run was stopped before there was a free connection.
    pub stopped: u64,
    /// An earlier step of the flow failed.
    pub skipped: u64,
}

impl NotSent {
    /// All of them.
    pub fn total(self) -> u64 {
        self.timeout + self.stopped + self.skipped
    }
}

/// What became of the requests of one step, or of several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests that were to be sent so far.
    pub planned: u64,
    /// Requests whose sending began.
    pub sent: u64,
    /// Requests that were not sent, and are not waiting either.
    pub not_sent: NotSent,
    /// Sent requests with an outcome, good or bad.
    pub done: u64,
    /// Bytes of all bodies received.
    pub bytes: u64,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// gRPC calls by what became of them.
    pub grpc: BTreeMap<GrpcCode, u64>,
    errors: [u64; ErrorClass::ALL.len()],
}

impl Counts {
    /// Errors of sent requests of that class.
    pub fn errors_of(&self, class: ErrorClass) -> u64 {
        self.errors[class.index()]
    }

    /// Errors of sent requests.
    pub fn errors(&self) -> u64 {
        self.errors.iter().sum()
    }

    /// The share of failed requests among those with an outcome, from 0 to 1; those that were not sent within the timeout
    /// are failed ones. `None`: there are none yet.
    pub fn error_ratio(&self) -> Option<f64> {
        let all = self.done + self.not_sent.timeout;
        (all > 0).then(|| real(self.errors() + self.not_sent.timeout) / real(all))
    }

    pub(crate) fn fail(&mut self, class: ErrorClass, number: u64) {
        self.errors[class.index()] += number;
    }
}

/// A count as a number to calculate with.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(crate) fn real(count: u64) -> f64 {
    count as f64
}

impl AddAssign<&Self> for Counts {
    fn add_assign(&mut self, other: &Self) {
        self.planned += other.planned;
        self.sent += other.sent;
        self.not_sent.timeout += other.not_sent.timeout;
        self.not_sent.stopped += other.not_sent.stopped;
        self.not_sent.skipped += other.not_sent.skipped;
        self.done += other.done;
        self.bytes += other.bytes;
        for (status, number) in &other.statuses {
            *self.statuses.entry(*status).or_default() += number;
        }
        for (code, number) in &other.grpc {
            *self.grpc.entry(*code).or_default() += number;
        }
        for (mine, theirs) in self.errors.iter_mut().zip(other.errors) {
            *mine += theirs;
        }
    }
}

/// One step's numbers of a second.
#[derive(Clone, Debug)]
pub(crate) struct Interval {
    pub(crate) counts: Counts,
    pub(crate) latency: Histogram<u64>,
}

/// One step's numbers of a run.
#[derive(Clone, Debug)]
pub(crate) struct Total {
    pub(crate) counts: Counts,
    pub(crate) latency: Histogram<u64>,
    pub(crate) service: Histogram<u64>,
}

impl Total {
    pub(crate) fn new() -> Self {
        Self { counts: Counts::default(), latency: fine(), service: fine() }
    }
}

impl AddAssign<&Self> for Total {
    fn add_assign(&mut self, other: &Self) {
        self.counts += &other.counts;
        merge(&mut self.latency, &other.latency);
        merge(&mut self.service, &other.service);
    }
}

/// The counters of one thread.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Where the steps of each flow begin.
    offsets: Vec<usize>,
    seconds: Vec<Interval>,
    pub(crate) totals: Vec<Total>,
    pub(crate) lag: Histogram<u64>,
}

impl Tally {
    pub(crate) fn new(plan: &Plan) -> Self {
        let mut offsets = Vec::with_capacity(plan.flows.len());
        let mut steps = 0;
        for flow in &plan.flows {
            offsets.push(steps);
            steps += flow.steps().len();
        }
        Self {
            offsets,
            seconds: vec![Interval::new(); steps],
            totals: vec![Total::new(); steps],
            lag: coarse(),
        }
    }

    /// The place of a step of a flow among all steps. A step that the flow did not declare counts as its last.
    pub(crate) fn place(&self, flow: usize, step: usize) -> usize {
        let end = self.offsets.get(flow + 1).copied().unwrap_or(self.totals.len());
        (self.offsets[flow] + step).min(end - 1)
    }

    pub(crate) fn counts(&mut self, place: usize) -> &mut Counts {
        &mut self.seconds[place].counts
    }

    /// A sent request has an outcome.
    pub(crate) fn done(
        &mut self,
        place: usize,
        outcome: Result<(), ErrorClass>,
        latency: Duration,
        service: Duration,
    ) {
        let second = &mut self.seconds[place];
        second.counts.done += 1;
        if let Err(class) = outcome {
            second.counts.fail(class, 1);
        }
        record(&mut second.latency, latency);
        let total = &mut self.totals[place];
        record(&mut total.latency, latency);
        record(&mut total.service, service);
    }

    /// A request was not sent within the timeout.
    pub(crate) fn expired(&mut self, place: usize, timeout: Duration) {
        let second = &mut self.seconds[place];
        second.counts.not_sent.timeout += 1;
        record(&mut second.latency, timeout);
        record(&mut self.totals[place].latency, timeout);
    }

    /// What has been counted since the last call.
    pub(crate) fn take(&mut self) -> Vec<Interval> {
        let fresh = vec![Interval::new(); self.seconds.len()];
        let taken = std::mem::replace(&mut self.seconds, fresh);
        for (total, second) in self.totals.iter_mut().zip(&taken) {
            total.counts += &second.counts;
        }
        taken
    }

    /// Everything that is still under way will have no outcome.
    pub(crate) fn cut(&mut self) {
        for (total, second) in self.totals.iter().zip(&mut self.seconds) {
            let under_way =
                (total.counts.sent + second.counts.sent) - (total.counts.done + second.counts.done);
            second.counts.done += under_way;
            second.counts.fail(ErrorClass::Cut, under_way);
        }
    }
}

impl Interval {
    pub(crate) fn new() -> Self {
        Self { counts: Counts::default(), latency: coarse() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally() -> Tally {
        Tally::new(&Plan::get("http://localhost/").unwrap())
    }

    #[test]
    fn errors_and_requests_that_were_never_sent_make_the_error_ratio() {
        let mut tally = tally();
        assert_eq!(tally.counts(0).error_ratio(), None);
        let ms = Duration::from_millis;
        tally.done(0, Ok(()), ms(1), ms(1));
        tally.done(0, Ok(()), ms(1), ms(1));
        tally.done(0, Err(ErrorClass::Status), ms(1), ms(1));
        tally.expired(0, ms(100));
        assert_eq!(tally.counts(0).error_ratio(), Some(0.5));
        let second = tally.take().remove(0);
        assert_eq!((second.latency.len(), second.latency.max() / 1000), (4, 100));
    }

    #[test]
    fn a_second_is_taken_once_and_stays_in_the_total() {
        let mut tally = tally();
        tally.counts(0).planned += 3;
        assert_eq!(tally.take()[0].counts.planned, 3);
        assert_eq!(tally.take()[0].counts.planned, 0);
        assert_eq!(tally.totals[0].counts.planned, 3);
    }

    #[test]
    fn what_is_under_way_when_a_run_is_cut_counts_as_an_error() {
        let mut tally = tally();
        tally.counts(0).sent += 3;
        tally.take();
        tally.done(0, Ok(()), Duration::ZERO, Duration::ZERO);
        tally.cut();
        tally.take();
        let counts = &tally.totals[0].counts;
        assert_eq!((counts.done, counts.errors_of(ErrorClass::Cut)), (3, 2));
    }
}
