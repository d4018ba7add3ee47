//! What a run of a scenario came to: for people, for programs, for CI, and as a page with charts.

mod html;
mod junit;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use canary_load::{Quantiles, Report, Snapshot};
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use serde::{Deserialize, Serialize};

use crate::cleaner::{Cleanup, Leftover};
use crate::complaints::Complaint;
use crate::judge::{Rule, Ruling};

/// The result of a scenario. Serialises to JSON.
#[derive(Clone, Debug, Serialize)]
pub struct RunReport {
    /// Name of the scenario.
    pub scenario: String,
    /// Name of the run.
    pub run: String,
    /// When it began, in RFC 3339.
    pub began: String,
    /// Why it was ended because of what it did; then it judges nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aborted: Option<String>,
    /// What the engine counted.
    pub load: Arc<Report>,
    /// Latencies from the intended start by step, in microseconds: they can be added to those of other runs.
    pub histograms: Vec<Histogram64>,
    /// Each rule, and whether it was kept to.
    pub rules: Vec<Ruling>,
    /// What went wrong, in words.
    pub complaints: Vec<Complaint>,
    /// What became of what was written.
    pub cleanup: Cleanup,
    /// SHA-256 of each source.
    pub sources: BTreeMap<String, String>,
    /// Second by second.
    pub seconds: Vec<Second>,
}

/// A histogram in the form that all implementations of `HdrHistogram` read: V2, deflated, base64.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Histogram64 {
    /// The flow.
    pub flow: String,
    /// The step.
    pub step: String,
    /// The arm, if it belongs to one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub arm: Option<String>,
    /// The histogram.
    pub latency: String,
}

/// What happened in one second.
#[derive(Clone, Debug, Serialize)]
pub struct Second {
    /// Which, from 0.
    pub second: u64,
    /// The rate wanted.
    pub rate: f64,
    /// Requests sent.
    pub sent: u64,
    /// Requests that failed.
    pub errors: u64,
    /// Requests that were not sent.
    pub not_sent: u64,
    /// Half of the latencies are at most that, in milliseconds.
    pub p50: f64,
    /// 99 % of the latencies are at most that, in milliseconds.
    pub p99: f64,
}

/// Collects the seconds of a run.
#[derive(Clone, Debug, Default)]
pub struct Seconds(Vec<Second>);

/// Seconds that a report has; a run may take days.
const MOST_SECONDS: usize = 7200;

impl Seconds {
    /// Adds one, and returns it.
    pub fn add(&mut self, snapshot: &Snapshot) -> &Second {
        if self.0.len() == MOST_SECONDS {
            self.0.remove(0);
        }
        let (counts, quantiles) = (snapshot.counts(), Quantiles::of(&snapshot.latency()));
        self.0.push(Second {
            second: snapshot.second,
            rate: snapshot.rate,
            sent: counts.sent,
            errors: counts.errors(),
            not_sent: counts.not_sent.total(),
            p50: quantiles.p50,
            p99: quantiles.p99,
        });
        &self.0[self.0.len() - 1]
    }
}

impl Histogram64 {
    /// The histogram again.
    ///
    /// # Errors
    /// A sentence about what is malformed.
    pub fn histogram(&self) -> Result<hdrhistogram::Histogram<u64>, String> {
        use base64::Engine;
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(&self.latency)
            .map_err(|error| error.to_string())?;
        Deserializer::new().deserialize(&mut bytes.as_slice()).map_err(|error| error.to_string())
    }
}

fn encoded(histogram: &hdrhistogram::Histogram<u64>) -> String {
    use base64::Engine;
    let mut bytes = Vec::new();
    // Writing to memory does not fail.
    let _ = V2DeflateSerializer::new().serialize(histogram, &mut bytes);
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

impl RunReport {
    /// Puts together what is known when a run has ended.
    pub fn new(
        (scenario, run, began): (&str, &str, &str),
        load: Arc<Report>,
        rules: &[Rule],
        complaints: Vec<Complaint>,
        cleanup: Cleanup,
        sources: BTreeMap<String, String>,
        seconds: Seconds,
    ) -> Self {
        let histograms = load.steps.iter().map(|step| Histogram64 {
            flow: step.flow.clone(),
            step: step.step.clone(),
            arm: step.arm.clone(),
            latency: encoded(step.histogram()),
        });
        Self {
            scenario: scenario.to_owned(),
            run: run.to_owned(),
            began: began.to_owned(),
            aborted: None,
            histograms: histograms.collect(),
            rules: rules.iter().map(|rule| rule.judge(&load)).collect(),
            load,
            complaints,
            cleanup,
            sources,
            seconds: seconds.0,
        }
    }

    /// Why the run is no success; empty: it is one. A generator that was too slow proves nothing.
    pub fn failures(&self) -> Vec<String> {
        let limited = self.load.generator_limited && !self.rules.is_empty();
        let limited = limited.then(|| "the load generator was too slow to judge by this".to_owned());
        let broken =
            self.rules.iter().filter(|rule| !rule.held).map(|rule| format!("{}: {}", rule.rule, rule.told()));
        let own = |left: &&Leftover| left.run == self.run;
        let own = self.cleanup.leftovers.iter().filter(own).count();
        let of_others = self.cleanup.leftovers.len() - own;
        let left = (own > 0).then(|| format!("{own} writes were not removed"));
        let of_others =
            (of_others > 0).then(|| format!("{of_others} writes of earlier runs were not removed"));
        let aborted = self.aborted.iter().map(|why| format!("the load was aborted: {why}"));
        aborted.chain(limited).chain(broken).chain(left).chain(of_others).collect()
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = format!("{} {}\n{}\n", self.scenario, self.run, self.load);
        if let Some(why) = &self.aborted {
            let _ = writeln!(text, "ABORTED: {why}");
        }
        let named = self.load.steps.iter().map(|step| {
            let arm = step.arm.as_ref().map(|arm| format!(" ({arm})")).unwrap_or_default();
            (format!("{} / {}{arm}", step.flow, step.step), step)
        });
        let named: Vec<_> = named.collect();
        let width = named.iter().map(|(name, _)| name.chars().count()).fold(40, usize::max);
        let _ = writeln!(
            text,
            "\n{:<width$} {:>9} {:>8} {:>9} {:>9} {:>9}",
            "step", "sent", "errors", "p50 ms", "p95 ms", "p99 ms"
        );
        for (name, step) in named {
            let errors: u64 = step.errors.values().sum();
            let q = step.latency;
            let _ = writeln!(
                text,
                "{name:<width$} {:>9} {errors:>8} {:>9.1} {:>9.1} {:>9.1}",
                step.sent, q.p50, q.p95, q.p99
            );
        }
        for complaint in &self.complaints {
            let Complaint { flow, step, what, times } = complaint;
            let _ = writeln!(text, "{times} times: {flow} / {step}: {what}");
        }
        if !self.rules.is_empty() {
            text.push('\n');
        }
        for rule in &self.rules {
            let mark = if rule.held { "held  " } else { "BROKEN" };
            let _ = writeln!(text, "{mark} {} ({})", rule.rule, rule.told());
        }
        if self.cleanup != Cleanup::default() {
            let _ = writeln!(
                text,
                "\n{} writes removed, {} left",
                self.cleanup.removed,
                self.cleanup.leftovers.len()
            );
        }
        for left in &self.cleanup.leftovers {
            let values = serde_json::to_string(&left.values).unwrap_or_default();
            let of = if left.run == self.run { String::new() } else { format!(" of {}", left.run) };
            let _ = writeln!(text, "left over{of}: {} {values}: {}", left.flow, left.why);
        }
        text
    }

    /// For programs.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self)
            .unwrap_or_else(|error| format!("{{\"error\": {:?}}}", error.to_string()))
    }

    /// For CI: a test case for each rule, and one for what was left over.
    pub fn junit(&self) -> String {
        junit::junit(self)
    }

    /// A page with charts that needs nothing but itself.
    pub fn html(&self) -> String {
        html::html(self)
    }
}

/// Text within XML and HTML.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            c if c.is_control() && c != '\n' && c != '\t' => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}
