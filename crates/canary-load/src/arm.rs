//! The arms of a comparison, each with its own numbers.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::report::by_class;
use crate::snapshot::StepName;
use crate::tally::Total;
use crate::{Counts, NotSent, Quantiles};

/// The result of all steps of one arm.
#[derive(Clone, Debug, Serialize)]
pub struct ArmReport {
    /// Requests planned.
    pub planned: u64,
    /// Requests sent.
    pub sent: u64,
    /// Requests planned and not sent.
    pub not_sent: NotSent,
    /// Errors of sent requests by class; only those that happened.
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

impl ArmReport {
    /// What became of its requests.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Its latencies from the intended start, in microseconds: those of all its steps together.
    pub fn histogram(&self) -> &Histogram<u64> {
        &self.histogram
    }
}

/// The arms by their names; steps without one are in none.
pub(crate) fn arms(names: &[StepName], totals: &[Total]) -> BTreeMap<String, ArmReport> {
    let mut sums: BTreeMap<&str, Total> = BTreeMap::new();
    for (name, total) in names.iter().zip(totals) {
        let Some(arm) = &name.arm else { continue };
        *sums.entry(arm).or_insert_with(Total::new) += total;
    }
    let report = |Total { counts, latency, service }: Total| ArmReport {
        planned: counts.planned,
        sent: counts.sent,
        not_sent: counts.not_sent,
        errors: by_class(&counts),
        latency: Quantiles::of(&latency),
        service: Quantiles::of(&service),
        counts,
        histogram: latency,
    };
    sums.into_iter().map(|(arm, sum)| (arm.to_owned(), report(sum))).collect()
}
