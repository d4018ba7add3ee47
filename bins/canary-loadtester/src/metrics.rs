//! Results as metrics for Prometheus to scrape. Runs are left out ten minutes after their end.

use std::fmt::{Display, Write};

use canary_load::{ErrorClass, TopUpState};
use jiff::Timestamp;

use crate::query::as_number;
use crate::runs::{Record, Runs, Total};

/// How long a run is shown after its end, in seconds.
const AFTERLIFE: i64 = 600;
/// Upper bounds of the buckets of latencies, in milliseconds.
const BUCKETS: [u64; 14] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000];
/// States of filling up, in the order of their names.
const STATES: [(TopUpState, &str); 6] = [
    (TopUpState::Blind, "blind"),
    (TopUpState::Checking, "checking"),
    (TopUpState::Holding, "holding"),
    (TopUpState::Mismatch, "mismatch"),
    (TopUpState::Seeing, "seeing"),
    (TopUpState::Starting, "starting"),
];

/// A metric with its lines.
struct Family {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    lines: String,
}

impl Family {
    fn new(name: &'static str, kind: &'static str, help: &'static str) -> Self {
        Self { name, kind, help, lines: String::new() }
    }

    fn put(&mut self, ending: &str, labels: &str, value: impl Display) {
        // Writing to a String does not fail.
        let _ = writeln!(self.lines, "{}{ending}{{{labels}}} {value}", self.name);
    }
}

/// The page of `/metrics`.
pub(crate) fn page(runs: &Runs, now: Timestamp) -> String {
    let mut requests =
        Family::new("canary_load_requests_total", "counter", "Requests with an outcome, by result");
    let mut latency =
        Family::new("canary_load_latency_seconds", "histogram", "Latency from the intended start");
    let mut rate = Family::new("canary_load_rate", "gauge", "Requests a second: wanted, real, and sent");
    let mut not_sent =
        Family::new("canary_load_not_sent_total", "counter", "Requests that were planned and not sent");
    let mut lag =
        Family::new("canary_load_lag_seconds", "gauge", "How late the load tester itself sends, p99");
    let mut state = Family::new("canary_load_state", "gauge", "1 for what filling up real traffic does");
    let mut running = Family::new("canary_load_running", "gauge", "Runs under way");
    let mut number = 0_u64;
    for run in runs.all() {
        if run.ended().is_some_and(|ended| now.as_second() - ended.as_second() > AFTERLIFE) {
            continue;
        }
        number += u64::from(run.ended().is_none());
        let labels = labels(&run);
        for ((flow, arm), total) in run.totals() {
            let labels = format!("{labels},flow={flow:?},arm={:?}", arm.unwrap_or_default());
            results(&mut requests, &labels, &total);
            times(&mut latency, &labels, &total);
            for (reason, count) in [
                ("timeout", total.counts.not_sent.timeout),
                ("stopped", total.counts.not_sent.stopped),
                ("skipped", total.counts.not_sent.skipped),
            ] {
                not_sent.put("", &format!("{labels},reason={reason:?}"), count);
            }
        }
        let last = run.newest();
        let sent = last.as_ref().filter(|_| run.ended().is_none()).map_or(0, |second| second.counts().sent);
        rate.put("", &format!("{labels},kind=\"synthetic\""), sent);
        if let Some(wanted) = run.wanted().filter(|_| run.ended().is_none()) {
            rate.put("", &format!("{labels},kind=\"target\""), wanted);
        }
        if let Some(last) = last.filter(|_| run.ended().is_none()) {
            lag.put("", &labels, last.lag().p99 / 1e3);
        }
        if let Some(step) = run.top_up().filter(|_| run.ended().is_none()) {
            if let Some(real) = step.real {
                rate.put("", &format!("{labels},kind=\"real\""), real);
            }
            for (known, name) in STATES {
                state.put("", &format!("{labels},state={name:?}"), u8::from(step.state == known));
            }
        }
    }
    let _ = writeln!(running.lines, "{} {number}", running.name);
    let mut page = String::new();
    for Family { name, kind, help, lines } in [lag, latency, not_sent, rate, requests, running, state] {
        let _ = write!(page, "# HELP {name} {help}\n# TYPE {name} {kind}\n{lines}");
    }
    page
}

fn labels(run: &Record) -> String {
    let label = &run.label;
    format!("namespace={:?},canary={:?},run={:?},id={:?}", label.namespace, label.canary, label.name, run.id)
}

fn results(family: &mut Family, labels: &str, total: &Total) {
    let counts = &total.counts;
    family.put("", &format!("{labels},result=\"ok\""), counts.done.saturating_sub(counts.errors()));
    for class in ErrorClass::ALL {
        let errors = counts.errors_of(class);
        if errors > 0 {
            family.put("", &format!("{labels},result={:?}", class.as_str()), errors);
        }
    }
}

fn times(family: &mut Family, labels: &str, total: &Total) {
    let latency = &total.latency;
    for bound in BUCKETS {
        let count: u64 = latency.count_between(0, bound * 1000);
        family.put("_bucket", &format!("{labels},le=\"{}\"", as_number(bound) / 1e3), count);
    }
    family.put("_bucket", &format!("{labels},le=\"+Inf\""), latency.len());
    family.put("_sum", labels, latency.mean() * as_number(latency.len()) / 1e6);
    family.put("_count", labels, latency.len());
}
