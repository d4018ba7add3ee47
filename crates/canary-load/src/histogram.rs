//! Histograms of latencies, in microseconds from 1 µs to 60 s; longer ones count as 60 s.

use std::time::Duration;

use hdrhistogram::Histogram;

const LOWEST: u64 = 1;
const HIGHEST: u64 = 60_000_000;

/// For one second: 2 digits.
pub(crate) fn coarse() -> Histogram<u64> {
    with_digits(2)
}

/// For a whole run: 3 digits.
pub(crate) fn fine() -> Histogram<u64> {
    with_digits(3)
}

fn with_digits(digits: u8) -> Histogram<u64> {
    Histogram::new_with_bounds(LOWEST, HIGHEST, digits).expect("the bounds are constants within the allowed")
}

pub(crate) fn record(histogram: &mut Histogram<u64>, latency: Duration) {
    let micros = u64::try_from(latency.as_micros()).unwrap_or(HIGHEST).max(LOWEST);
    histogram.saturating_record(micros);
}

/// Adds `other`; both have the same bounds, maybe not the same digits.
pub(crate) fn merge(into: &mut Histogram<u64>, other: &Histogram<u64>) {
    into.add(other).expect("both have the same bounds");
}

/// A latency as milliseconds.
pub(crate) fn milliseconds(micros: u64) -> f64 {
    Duration::from_micros(micros).as_secs_f64() * 1e3
}
