//! Rules such as `p99 < 300ms` or `flow order: errors < 1%`, and whether a run kept to them.

use canary_load::{Counts, Quantiles, Report};

use crate::check::Comparison;
use crate::quantity::{length, share};

/// A rule that a run has to keep.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    text: String,
    flow: Option<String>,
    measure: Measure,
    comparison: Comparison,
    limit: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Measure {
    /// Failed requests, from 0 to 1.
    Errors,
    /// Requests that were not sent, from 0 to 1.
    NotSent,
    /// Requests sent.
    Requests,
    /// Requests sent per second.
    Rate,
    /// A quantile in milliseconds.
    Quantile(f64),
    /// The mean in milliseconds.
    Mean,
    /// The highest latency in milliseconds.
    Max,
}

/// What became of a rule.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Ruling {
    /// The rule as it is written.
    pub rule: String,
    /// Whether the run kept to it.
    pub held: bool,
    /// What was measured, or why there is nothing to judge by.
    pub found: String,
}

const NO_REQUESTS: &str = "there were no requests";

impl Ruling {
    /// What was found, as a sentence: "it was 120 ms".
    pub fn told(&self) -> String {
        if self.found == NO_REQUESTS { self.found.clone() } else { format!("it was {}", self.found) }
    }
}

impl Rule {
    /// Reads a rule.
    ///
    /// # Errors
    /// What rules look like.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is no rule; rules are such as \"errors < 1%\", \"p99 < 300ms\", \"flow order: p95 < 800ms\", \
                 \"not-sent < 0.1%\" and \"requests >= 2000\""
            )
        };
        let (flow, rest) = match text.trim().strip_prefix("flow ") {
            Some(rest) => rest
                .rsplit_once(':')
                .map(|(flow, rest)| (Some(flow.trim().to_owned()), rest))
                .ok_or_else(wrong)?,
            None => (None, text),
        };
        let words: Vec<&str> = rest.split_whitespace().collect();
        let [measure, comparison, limit] = words[..] else { return Err(wrong()) };
        let comparison = Comparison::parse(comparison).ok_or_else(wrong)?;
        let milliseconds = || length(limit).map(|limit| limit.as_secs_f64() * 1e3);
        let (measure, limit) = match measure {
            "errors" => (Measure::Errors, share(limit)?),
            "not-sent" => (Measure::NotSent, share(limit)?),
            "requests" => (Measure::Requests, limit.parse().map_err(|_| wrong())?),
            "rate" => (Measure::Rate, crate::quantity::rate(limit)?),
            "mean" => (Measure::Mean, milliseconds()?),
            "max" => (Measure::Max, milliseconds()?),
            _ => {
                let digits = measure
                    .strip_prefix('p')
                    .filter(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()));
                let quantile = digits.and_then(|d| format!("0.{d}").parse().ok()).ok_or_else(wrong)?;
                (Measure::Quantile(quantile), milliseconds()?)
            }
        };
        if !limit.is_finite() {
            return Err(wrong());
        }
        Ok(Self { text: text.trim().to_owned(), flow, measure, comparison, limit })
    }

    /// The flow that it is about; none: all.
    pub fn flow(&self) -> Option<&str> {
        self.flow.as_deref()
    }

    /// Whether it is about errors or a quantile of all requests, which a few seconds can say something about.
    pub(crate) fn is_limit(&self) -> bool {
        self.flow.is_none() && matches!(self.measure, Measure::Errors | Measure::Quantile(_))
    }

    /// Judges a run. Without requests no rule holds.
    pub fn judge(&self, report: &Report) -> Ruling {
        let (counts, latency) = self.part(report);
        let planned = counts.sent + counts.not_sent.total();
        let quantiles = Quantiles::of(&latency);
        let filled = |value: f64| (quantiles.count > 0).then_some(value);
        let (value, unit, scale) = match self.measure {
            Measure::Errors => (counts.error_ratio(), " %", 100.0),
            Measure::NotSent => {
                ((planned > 0).then(|| real(counts.not_sent.total()) / real(planned)), " %", 100.0)
            }
            Measure::Requests => (Some(real(counts.sent)), "", 1.0),
            Measure::Rate => ((report.seconds > 0.0).then(|| real(counts.sent) / report.seconds), "/s", 1.0),
            Measure::Quantile(q) => {
                let micros = latency.value_at_quantile(q);
                (filled(std::time::Duration::from_micros(micros).as_secs_f64() * 1e3), " ms", 1.0)
            }
            Measure::Mean => (filled(quantiles.mean), " ms", 1.0),
            Measure::Max => (filled(quantiles.max), " ms", 1.0),
        };
        let (held, found) = match value {
            Some(value) => (
                self.comparison.holds(value, self.limit),
                format!("{}{unit}", (value * scale * 100.0).round() / 100.0),
            ),
            None => (false, NO_REQUESTS.to_owned()),
        };
        Ruling { rule: self.text.clone(), held, found }
    }

    fn part(&self, report: &Report) -> (Counts, hdrhistogram::Histogram<u64>) {
        let mut counts = Counts::default();
        let mut latency: Option<hdrhistogram::Histogram<u64>> = None;
        for step in
            report.steps.iter().filter(|step| self.flow.as_ref().is_none_or(|flow| step.flow == *flow))
        {
            counts += step.counts();
            match &mut latency {
                None => latency = Some(step.histogram().clone()),
                // All have the bounds of the engine.
                Some(sum) => drop(sum.add(step.histogram())),
            }
        }
        (counts, latency.unwrap_or_else(empty))
    }
}

fn empty() -> hdrhistogram::Histogram<u64> {
    hdrhistogram::Histogram::new(3).expect("3 digits are allowed")
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn real(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_with_their_flow() {
        let rule = Rule::parse("flow order: p95 < 800ms").unwrap();
        assert_eq!((rule.flow(), rule.measure, rule.limit), (Some("order"), Measure::Quantile(0.95), 800.0));
        for text in
            ["errors < 1%", "p99 <= 1.5s", "not-sent < 0.1%", "requests >= 2000", "rate > 10/s", "max < 2s"]
        {
            assert!(Rule::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn malformed_rules_say_what_rules_are() {
        for (text, why) in [
            ("", "rules are such as"),
            ("errors < 1", "shares are such as"),
            ("p99 < 300", "500ms"),
            ("p99 300ms", "rules are such as"),
            ("speed > 1", "rules are such as"),
            ("errors = 1%", "rules are such as"),
            ("flow order p95 < 1s", "rules are such as"),
            ("requests >= many", "rules are such as"),
        ] {
            let error = Rule::parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn what_was_found_is_a_sentence() {
        let told = |found: &str| Ruling { rule: "p99 < 1s".into(), held: false, found: found.into() }.told();
        assert_eq!((told("2 ms"), told(NO_REQUESTS)), ("it was 2 ms".into(), NO_REQUESTS.into()));
    }
}
