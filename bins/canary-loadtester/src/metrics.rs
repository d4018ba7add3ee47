//! Results as metrics for Prometheus to scrape. Runs are left out ten minutes after their end.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use canary_load::{Counts, ErrorClass};
use jiff::Timestamp;

use crate::query::as_number;
use crate::runs::Runs;

/// How long a run is shown after its end, in seconds.
const AFTERLIFE: i64 = 600;
/// Quantiles of the latency over the last minute.
const QUANTILES: [&str; 4] = ["0.5", "0.9", "0.95", "0.99"];

/// The page of `/metrics`.
pub(crate) fn page(runs: &Runs, now: Timestamp) -> String {
    let mut families: BTreeMap<&str, (&str, &str, Vec<String>)> = BTreeMap::from([
        ("canary_load_requests_total", ("counter", "Requests with an outcome, by result", vec![])),
        ("canary_load_not_sent_total", ("counter", "Requests that were planned and not sent", vec![])),
        ("canary_load_rate", ("gauge", "Requests sent in the last second", vec![])),
        ("canary_load_latency_seconds", ("summary", "Latency from the intended start, last minute", vec![])),
        ("canary_load_running", ("gauge", "Runs under way", vec![])),
    ]);
    let mut running = 0_u64;
    for run in runs.all() {
        if run.ended().is_some_and(|ended| now.as_second() - ended.as_second() > AFTERLIFE) {
            continue;
        }
        running += u64::from(run.ended().is_none());
        let label = &run.label;
        let name = format!(
            "namespace={:?},canary={:?},run={:?},id={:?}",
            label.namespace, label.canary, label.name, run.id
        );
        let mut counts = Counts::default();
        run.kept().iter().for_each(|second| counts += &second.counts());
        let mut put = |family: &str, labels: String, value: f64| {
            if let Some((_, _, lines)) = families.get_mut(family) {
                lines.push(format!("{family}{{{name}{labels}}} {value}"));
            }
        };
        let good = counts.done - counts.errors();
        put("canary_load_requests_total", ",result=\"ok\"".into(), as_number(good));
        for class in ErrorClass::ALL {
            let errors = counts.errors_of(class);
            if errors > 0 {
                let labels = format!(",result={:?}", class.as_str());
                put("canary_load_requests_total", labels, as_number(errors));
            }
        }
        for (reason, number) in [
            ("timeout", counts.not_sent.timeout),
            ("stopped", counts.not_sent.stopped),
            ("skipped", counts.not_sent.skipped),
        ] {
            put("canary_load_not_sent_total", format!(",reason={reason:?}"), as_number(number));
        }
        let last = run.last(Duration::from_secs(60), now);
        let rate = last.last().filter(|_| run.ended().is_none()).map_or(0, |second| second.counts().sent);
        put("canary_load_rate", String::new(), as_number(rate));
        let mut sum = crate::query::Sum::default();
        for second in &last {
            sum.add_second(second, None);
        }
        for quantile in QUANTILES {
            if let Some(milliseconds) = quantile.parse().ok().and_then(|q| sum.milliseconds(q)) {
                put("canary_load_latency_seconds", format!(",quantile={quantile:?}"), milliseconds / 1e3);
            }
        }
    }
    if let Some((_, _, lines)) = families.get_mut("canary_load_running") {
        lines.push(format!("canary_load_running {running}"));
    }
    let mut page = String::new();
    for (family, (kind, help, lines)) in families {
        // Writing to a String does not fail.
        let _ = writeln!(page, "# HELP {family} {help}\n# TYPE {family} {kind}");
        for line in lines {
            let _ = writeln!(page, "{line}");
        }
    }
    page
}
