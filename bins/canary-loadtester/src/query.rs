//! Results in Prometheus' format, so that a MetricTemplate can ask for them without anything in between.

use std::collections::BTreeMap;
use std::time::Duration;

use canary_api::GoDuration;
use canary_load::{Lateness, Snapshot};
use http::StatusCode;
use jiff::Timestamp;
use serde_json::json;

use crate::answers::{Reply, json as reply};
use crate::runs::{Label, Record, Runs};

/// What can be asked for.
const KNOWN: &str =
    "load_requests, load_error_ratio, load_not_sent_ratio, load_latency_seconds and vector(…)";
/// How far back a query without a range looks.
const WINDOW: Duration = Duration::from_secs(60);

/// A question.
#[derive(Debug, PartialEq)]
struct Question {
    name: String,
    labels: BTreeMap<String, String>,
    window: Duration,
}

/// Answers `/api/v1/query` with the form or query string. `may`: whether the caller may read results of a namespace; those of others
/// are not there for it.
pub(crate) fn answer(runs: &Runs, form: &str, may: impl Fn(&str) -> bool, now: Timestamp) -> Reply {
    let query = url::form_urlencoded::parse(form.as_bytes()).find(|(key, _)| key == "query");
    let Some((_, query)) = query else {
        return refuse(&Refusal::Malformed("the parameter query is missing".to_owned()));
    };
    match value(runs, query.trim(), may, now) {
        Ok(value) => {
            let at = now.as_duration().as_secs_f64();
            let result: Vec<_> =
                value.map(|v| json!({"metric": {}, "value": [at, v.to_string()]})).into_iter().collect();
            reply(
                StatusCode::OK,
                &json!({"status": "success", "data": {"resultType": "vector", "result": result}}),
            )
        }
        Err(why) => refuse(&why),
    }
}

/// Why there is no answer.
#[derive(Debug, PartialEq)]
enum Refusal {
    Malformed(String),
    /// The namespace that is asked for is not the caller's to read.
    Namespace(String),
}

impl From<String> for Refusal {
    fn from(why: String) -> Self {
        Self::Malformed(why)
    }
}

fn refuse(why: &Refusal) -> Reply {
    let (status, kind, why) = match why {
        Refusal::Malformed(why) => (StatusCode::BAD_REQUEST, "bad_data", why.clone()),
        Refusal::Namespace(namespace) => (
            StatusCode::FORBIDDEN,
            "forbidden",
            format!("there is no right to read results of namespace {namespace:?}"),
        ),
    };
    reply(status, &json!({"status": "error", "errorType": kind, "error": why}))
}

fn value(
    runs: &Runs,
    query: &str,
    may: impl Fn(&str) -> bool,
    now: Timestamp,
) -> Result<Option<f64>, Refusal> {
    if let Some(number) = query.strip_prefix("vector(").and_then(|rest| rest.strip_suffix(')')) {
        return number.trim().parse().map(Some).map_err(|_| format!("{number:?} is no number").into());
    }
    let mut question = parse(query)?;
    if let Some(namespace) = question.labels.get("namespace").filter(|namespace| !may(namespace)) {
        return Err(Refusal::Namespace(namespace.clone()));
    }
    let quantile = question.labels.remove("quantile");
    let arm = question.labels.remove("arm");
    let mut sum = Sum::default();
    for record in runs.all() {
        if may(&record.label.namespace) && is_meant(&record.label, &question.labels) {
            sum.add(&record, question.window, arm.as_deref(), now);
        }
    }
    Ok(sum.value(&question.name, quantile.as_deref())?)
}

/// Numbers of several runs together.
#[derive(Default)]
pub(crate) struct Sum {
    counts: canary_load::Counts,
    latency: Option<hdrhistogram::Histogram<u64>>,
    lateness: Lateness,
    /// Something else than lateness makes it no evidence.
    is_void: bool,
}

impl Sum {
    /// Adds what a run did in the last `window` to an arm, or to all. The answer is how many seconds of it there were.
    pub(crate) fn add(
        &mut self,
        record: &Record,
        window: Duration,
        arm: Option<&str>,
        now: Timestamp,
    ) -> usize {
        let seconds = record.last(window, now);
        self.is_void |= !seconds.is_empty() && record.is_no_evidence();
        for snapshot in &seconds {
            self.add_second(snapshot, arm);
        }
        seconds.len()
    }

    /// Adds a second of an arm, or of all.
    pub(crate) fn add_second(&mut self, snapshot: &Snapshot, arm: Option<&str>) {
        self.lateness += snapshot.lateness();
        for step in snapshot.steps.iter().filter(|step| arm.is_none() || step.arm.as_deref() == arm) {
            self.counts += &step.counts;
            match &mut self.latency {
                None => self.latency = Some(step.latency.clone()),
                // Both have the bounds of the engine.
                Some(latency) => drop(latency.add(&step.latency)),
            }
        }
    }

    /// `None`: there is nothing to judge by, and no value is better than a good one.
    fn value(&self, name: &str, quantile: Option<&str>) -> Result<Option<f64>, String> {
        let is_known = matches!(name, "load_requests" | "load_error_ratio" | "load_not_sent_ratio")
            || name == "load_latency_seconds";
        if !is_known {
            return Err(format!("{name:?} is not known; known are {KNOWN}"));
        }
        let quantile = match (name, quantile) {
            ("load_latency_seconds", Some(text)) => match text.parse::<f64>() {
                Ok(quantile) if (0.0..=1.0).contains(&quantile) => quantile,
                Ok(_) | Err(_) => return Err(format!("quantile is {text:?}; it takes a number from 0 to 1")),
            },
            ("load_latency_seconds", None) => {
                return Err("load_latency_seconds takes a quantile, such as {quantile=\"0.99\"}".into());
            }
            (_, Some(_)) => return Err(format!("{name} takes no quantile")),
            (_, None) => 0.0,
        };
        let planned = self.counts.sent + self.counts.not_sent.total();
        if self.is_limited() || planned == 0 {
            return Ok(None);
        }
        Ok(match name {
            "load_requests" => Some(as_number(self.counts.sent)),
            "load_error_ratio" => self.counts.error_ratio(),
            "load_not_sent_ratio" => Some(as_number(self.counts.not_sent.total()) / as_number(planned)),
            _ => self
                .latency
                .as_ref()
                .filter(|latency| !latency.is_empty())
                .map(|latency| Duration::from_micros(latency.value_at_quantile(quantile)).as_secs_f64()),
        })
    }

    /// Counts of everything added.
    pub(crate) fn counts(&self) -> &canary_load::Counts {
        &self.counts
    }

    /// A quantile in milliseconds, if there are values.
    pub(crate) fn milliseconds(&self, quantile: f64) -> Option<f64> {
        let latency = self.latency.as_ref().filter(|latency| !latency.is_empty())?;
        Some(Duration::from_micros(latency.value_at_quantile(quantile)).as_secs_f64() * 1e3)
    }

    /// The engine was too slow to judge by, of all that was added together; or a run is no evidence.
    pub(crate) fn is_limited(&self) -> bool {
        self.is_void || self.lateness.is_too_much()
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(crate) fn as_number(count: u64) -> f64 {
    count as f64
}

fn is_meant(label: &Label, asked: &BTreeMap<String, String>) -> bool {
    asked.iter().all(|(key, value)| match key.as_str() {
        "namespace" => label.namespace == *value,
        "canary" => label.canary == *value,
        "run" => label.name == *value,
        _ => false,
    })
}

/// `name{label="value",…}[range]`; only `=` is understood.
fn parse(query: &str) -> Result<Question, String> {
    let wrong =
        |what: &str| format!("{what} in {query:?} is not understood; it takes name{{label=\"value\"}}[1m]");
    let (rest, window) = match query.strip_suffix(']').and_then(|rest| rest.rsplit_once('[')) {
        Some((rest, range)) => {
            let range = range.parse::<GoDuration>().map_err(|_| wrong("the range"))?;
            (rest.trim(), range.to_std())
        }
        None => (query, WINDOW),
    };
    let (name, labels) = match rest.split_once('{') {
        Some((name, rest)) => (name, rest.strip_suffix('}').ok_or_else(|| wrong("the labels"))?),
        None => (rest, ""),
    };
    let mut found = BTreeMap::new();
    for pair in labels.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').ok_or_else(|| wrong("a label"))?;
        let (key, value) = (key.trim(), value.trim());
        let value =
            value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).ok_or_else(|| wrong("a label"))?;
        if !["namespace", "canary", "run", "arm", "quantile"].contains(&key) {
            return Err(format!("{key:?} is no label; known are namespace, canary, run, arm and quantile"));
        }
        found.insert(key.to_owned(), value.to_owned());
    }
    Ok(Question { name: name.trim().to_owned(), labels: found, window })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_have_labels_and_a_range() {
        let question = parse(r#"load_latency_seconds{quantile="0.99", arm="canary"}[2m]"#).unwrap();
        assert_eq!((question.name.as_str(), question.window.as_secs()), ("load_latency_seconds", 120));
        assert_eq!(question.labels["arm"], "canary");
        assert_eq!(parse("load_requests").unwrap().window, WINDOW);
    }

    #[test]
    fn what_is_not_understood_is_said_with_what_would_be() {
        let ask = |query: &str| value(&Runs::default(), query, |_| true, Timestamp::UNIX_EPOCH);
        for (query, why) in [
            ("up", "known are load_requests"),
            (r#"load_requests{job="a"}"#, "\"job\" is no label"),
            (r#"load_requests{arm=~"a"}"#, "a label"),
            ("load_requests[soon]", "the range"),
            ("load_latency_seconds", "takes a quantile"),
            (r#"load_latency_seconds{quantile="2"}"#, "from 0 to 1"),
            (r#"load_requests{quantile="0.5"}"#, "takes no quantile"),
        ] {
            let Refusal::Malformed(error) = ask(query).unwrap_err() else { panic!("{query}") };
            assert!(error.contains(why), "{query}: {error}");
        }
        assert_eq!(ask("vector(1)"), Ok(Some(1.0)));
    }

    #[test]
    fn without_requests_there_is_no_value() {
        assert_eq!(value(&Runs::default(), "load_error_ratio", |_| true, Timestamp::UNIX_EPOCH), Ok(None));
    }
}
