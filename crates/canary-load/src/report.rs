//! The result of a run.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::arm::{ArmReport, arms};
use crate::histogram::milliseconds;
use crate::lateness::LATE;
use crate::snapshot::StepName;
use crate::tally::{Total, real};
use crate::{Counts, ErrorClass, GrpcCode, NotSent};

/// The result of a run. Serialises to JSON; latencies in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// How long it took until the last outcome, in seconds.
    pub seconds: f64,
    /// Requests planned.
    pub planned: u64,
    /// Requests sent.
    pub sent: u64,
    /// Requests planned and not sent.
    pub not_sent: NotSent,
    /// Sent requests with an outcome.
    pub done: u64,
    /// Errors of sent requests by class; only those that happened.
    pub errors: BTreeMap<&'static str, u64>,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// gRPC calls by the name of their status; left out when there are none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub grpc: BTreeMap<&'static str, u64>,
    /// Bytes of all bodies received.
    pub bytes: u64,
    /// From the intended start: what users feel.
    pub latency: Quantiles,
    /// From the sending: what the target took.
    pub service: Quantiles,
    /// How late the engine itself sent requests that did not have to wait.
    pub lag: Quantiles,
    /// The engine was too slow for the plan: do not judge by this report.
    pub generator_limited: bool,
    /// What the arrivals were timed with.
    pub timer: &'static str,
    /// By arm, when flows are in arms.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub arms: BTreeMap<String, ArmReport>,
    /// By flow and step, in the order of the plan.
    pub steps: Vec<StepReport>,
    #[serde(skip)]
    counts: Counts,
}

/// The result of one step.
#[derive(Clone, Debug, Serialize)]
pub struct StepReport {
    /// Name of the flow.
    pub flow: String,
    /// Arm of the flow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arm: Option<String>,
    /// Name of the step.
    pub step: String,
    /// Requests planned.
    pub planned: u64,
    /// Requests sent.
    pub sent: u64,
    /// Requests planned and not sent.
    pub not_sent: NotSent,
    /// Errors of sent requests by class.
    pub errors: BTreeMap<&'static str, u64>,
    /// From the intended start.
    pub latency: Quantiles,
    /// From the sending.
    pub service: Quantiles,
    #[serde(skip)]
    counts: Counts,
    #[serde(skip)]
    histogram: Histogram<u64>,
}

/// Quantiles of a latency, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Quantiles {
    /// How many values.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// Half of the values are at most that.
    pub p50: f64,
    /// 90 % of the values are at most that.
    pub p90: f64,
    /// 95 % of the values are at most that.
    pub p95: f64,
    /// 99 % of the values are at most that.
    pub p99: f64,
    /// 99.9 % of the values are at most that.
    pub p999: f64,
    /// The highest value.
    pub max: f64,
}

impl Quantiles {
    /// Of a histogram of microseconds; all 0 when it is empty.
    pub fn of(histogram: &Histogram<u64>) -> Self {
        let at = |q| milliseconds(histogram.value_at_quantile(q));
        Self {
            count: histogram.len(),
            mean: if histogram.is_empty() { 0.0 } else { histogram.mean() / 1e3 },
            p50: at(0.5),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            p999: at(0.999),
            max: milliseconds(histogram.max()),
        }
    }
}

impl Report {
    pub(crate) fn new(
        elapsed: Duration,
        names: &[StepName],
        totals: &[Total],
        lag: &Histogram<u64>,
        timer: &'static str,
    ) -> Self {
        let mut all = Total::new();
        let mut steps = Vec::with_capacity(names.len());
        for (name, total) in names.iter().zip(totals) {
            all += total;
            steps.push(StepReport {
                flow: name.flow.clone(),
                arm: name.arm.clone(),
                step: name.step.clone(),
                planned: total.counts.planned,
                sent: total.counts.sent,
                not_sent: total.counts.not_sent,
                errors: by_class(&total.counts),
                latency: Quantiles::of(&total.latency),
                service: Quantiles::of(&total.service),
                counts: total.counts.clone(),
                histogram: total.latency.clone(),
            });
        }
        let Total { counts, latency, service } = all;
        let lag = Quantiles::of(lag);
        Self {
            seconds: elapsed.as_secs_f64(),
            planned: counts.planned,
            sent: counts.sent,
            not_sent: counts.not_sent,
            done: counts.done,
            errors: by_class(&counts),
            statuses: counts.statuses.clone(),
            grpc: counts.grpc.iter().map(|(code, number)| (code.as_str(), *number)).collect(),
            bytes: counts.bytes,
            latency: Quantiles::of(&latency),
            service: Quantiles::of(&service),
            lag,
            generator_limited: lag.p99 > LATE,
            timer,
            arms: arms(names, totals),
            steps,
            counts,
        }
    }

    /// All steps together.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Requests sent per second.
    pub fn rate(&self) -> f64 {
        if self.seconds > 0.0 { real(self.sent) / self.seconds } else { 0.0 }
    }
}

impl StepReport {
    /// What became of its requests.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Its latencies from the intended start, in microseconds.
    pub fn histogram(&self) -> &Histogram<u64> {
        &self.histogram
    }
}

pub(crate) fn by_class(counts: &Counts) -> BTreeMap<&'static str, u64> {
    ErrorClass::ALL
        .iter()
        .map(|class| (class.as_str(), counts.errors_of(*class)))
        .filter(|(_, number)| *number > 0)
        .collect()
}

/// One line for people.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} requests in {:.1} s ({:.1}/s), {:.2} % failed, {} not sent; p50 {:.1} ms, p95 {:.1} ms, p99 {:.1} ms, \
             max {:.1} ms",
            self.sent,
            self.seconds,
            self.rate(),
            self.counts.error_ratio().unwrap_or_default() * 100.0,
            self.not_sent.total(),
            self.latency.p50,
            self.latency.p95,
            self.latency.p99,
            self.latency.max
        )?;
        for (class, number) in &self.errors {
            write!(f, "; {class} {number}")?;
        }
        for (code, number) in self.grpc.iter().filter(|(code, _)| **code != GrpcCode::Ok.as_str()) {
            write!(f, ", {code} {number}")?;
        }
        if self.generator_limited {
            write!(f, "; the load generator was too slow to judge by this")?;
        }
        Ok(())
    }
}
