//! Rules such as `p99 < 300ms`, and whether load kept to them.

use std::time::Duration;

use canary_api::GoDuration;
use canary_scenario::Comparison;
use http::StatusCode;
use jiff::Timestamp;

use crate::answers::{Reply, text};
use crate::payload::Payload;
use crate::query::{Sum, as_number};
use crate::state::State;

/// How far back a check looks, unless `window` says otherwise.
const WINDOW: Duration = Duration::from_secs(60);

/// Requests that say something about their target at the least, and that are waited for at the most.
const FEWEST: u64 = 20;
const MOST_NEEDED: u64 = 1000;

/// A rule.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rule {
    text: String,
    measure: Measure,
    comparison: Comparison,
    limit: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Measure {
    /// Failed requests, in percent.
    Errors,
    /// Requests that were not sent, in percent.
    NotSent,
    /// Requests sent.
    Requests,
    /// A quantile in milliseconds.
    Quantile(f64),
}

impl Rule {
    /// Reads a rule.
    ///
    /// # Errors
    /// What a rule looks like.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is no rule; rules are such as \"errors < 1%\", \"not-sent < 0.1%\", \"requests >= 100\" and \
                 \"p99 < 300ms\""
            )
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let [measure, comparison, limit] = words[..] else { return Err(wrong()) };
        let comparison = Comparison::parse(comparison).ok_or_else(wrong)?;
        let percent = || limit.strip_suffix('%').and_then(|number| number.parse().ok());
        let (measure, limit) = match measure {
            "errors" => (Measure::Errors, percent()),
            "not-sent" => (Measure::NotSent, percent()),
            "requests" => (Measure::Requests, limit.parse().ok()),
            _ => {
                let digits = measure.strip_prefix('p').filter(|d| d.bytes().all(|b| b.is_ascii_digit()));
                let quantile = digits.and_then(|d| format!("0.{d}").parse().ok()).ok_or_else(wrong)?;
                let limit = limit.parse::<GoDuration>().ok().map(|limit| limit.to_std().as_secs_f64() * 1e3);
                (Measure::Quantile(quantile), limit)
            }
        };
        let limit = limit.filter(|limit: &f64| limit.is_finite()).ok_or_else(wrong)?;
        Ok(Self { text: words.join(" "), measure, comparison, limit })
    }

    /// As it is written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn is_about_errors(&self) -> bool {
        self.measure == Measure::Errors
    }

    /// How many requests have to have an outcome before it says something about their target; `None`: it is about the load.
    pub(crate) fn requests_needed(&self) -> Option<u64> {
        match self.measure {
            Measure::Errors => Some(FEWEST),
            Measure::NotSent | Measure::Requests => None,
            // Below that the quantile is the highest value, and a single slow answer breaks the rule.
            Measure::Quantile(quantile) => (FEWEST..MOST_NEEDED)
                .find(|number| as_number(*number) * (1.0 - quantile) >= 0.999_999)
                .or(Some(MOST_NEEDED)),
        }
    }

    /// A sentence when the rule is broken. Without a value every rule is.
    pub(crate) fn broken(&self, sum: &Sum) -> Option<String> {
        let counts = sum.counts();
        let planned = counts.sent + counts.not_sent.total();
        let (value, unit) = match self.measure {
            Measure::Errors => (counts.error_ratio().map(|ratio| ratio * 100.0), " %"),
            Measure::NotSent => {
                let share = as_number(counts.not_sent.total()) / as_number(planned.max(1)) * 100.0;
                ((planned > 0).then_some(share), " %")
            }
            Measure::Requests => (Some(as_number(counts.sent)), ""),
            Measure::Quantile(quantile) => (sum.milliseconds(quantile), " ms"),
        };
        let Some(value) = value else { return Some(format!("{}: there were no requests", self.text)) };
        let holds = self.comparison.holds(value, self.limit);
        (!holds).then(|| format!("{}: it was {}{unit}", self.text, (value * 100.0).round() / 100.0))
    }
}

/// Reads rules that are separated by line ends or semicolons.
///
/// # Errors
/// The first that is none, or that there is none.
pub(crate) fn rules(text: &str) -> Result<Vec<Rule>, String> {
    let rules: Vec<Rule> = text
        .split(['\n', ';'])
        .map(str::trim)
        .filter(|rule| !rule.is_empty())
        .map(Rule::parse)
        .collect::<Result<_, _>>()?;
    if rules.is_empty() { Err("judge has no rule".to_owned()) } else { Ok(rules) }
}

/// All sentences about broken rules; that the engine was too slow is one.
pub(crate) fn verdict(rules: &[Rule], sum: &Sum) -> Vec<String> {
    let limited = sum.is_limited().then(|| {
        "the load is no evidence: it was aborted, its generator was too slow, or it does not see the real traffic"
            .to_owned()
    });
    limited.into_iter().chain(rules.iter().filter_map(|rule| rule.broken(sum))).collect()
}

/// The task type `check`: metadata `judge`, and if wanted `arm` and `window`.
pub(crate) fn hook(state: &State, payload: &Payload) -> Reply {
    let rules = match rules(payload.get("judge").unwrap_or_default()) {
        Ok(rules) => rules,
        Err(why) => return text(StatusCode::BAD_REQUEST, why),
    };
    let window = match payload.get("window").map(str::parse::<GoDuration>) {
        None => WINDOW,
        Some(Ok(window)) => window.to_std(),
        Some(Err(_)) => return text(StatusCode::BAD_REQUEST, "window takes a duration such as 1m"),
    };
    let (mut sum, mut broken) = (Sum::default(), Vec::new());
    for run in state.runs.all() {
        if run.label.namespace == payload.namespace && run.label.canary == payload.name {
            let seconds = sum.add(&run, window, payload.get("arm"), Timestamp::now());
            let why = run.aborted().filter(|_| seconds > 0);
            broken.extend(why.map(|why| format!("the load on {} was aborted: {why}", run.label.name)));
        }
    }
    let now = Timestamp::now();
    for run in state.runs.remembered() {
        let is_young = now.duration_since(run.ended).unsigned_abs() < window;
        if is_young && run.label.namespace == payload.namespace && run.label.canary == payload.name {
            broken.push(format!("the load on {} was aborted: {}", run.label.name, run.reason));
        }
    }
    broken.extend(verdict(&rules, &sum));
    if broken.is_empty() {
        text(StatusCode::OK, "")
    } else {
        text(StatusCode::PRECONDITION_FAILED, broken.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_and_malformed_ones_refused() {
        let rule = Rule::parse("p999 <= 1.5s").unwrap();
        assert_eq!((rule.measure, rule.limit), (Measure::Quantile(0.999), 1500.0));
        assert_eq!(rules("errors < 1%; requests >= 10\n").unwrap().len(), 2);
        for text in ["", "errors < 1", "p99 < 300", "px < 1s", "p99 300ms", "speed > 1", "errors = 1%"] {
            assert!(rules(text).is_err(), "{text}");
        }
    }

    #[test]
    fn no_requests_break_every_rule() {
        let all = rules("errors < 1%; not-sent < 1%; p50 < 1s; requests >= 1").unwrap();
        assert_eq!(verdict(&all, &Sum::default()).len(), 4);
    }
}
