//! Runs as the API shows them.

use std::sync::{Arc, PoisonError};

use canary_load::{Report, TopUpStep};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::{Label, Record};

/// A run as the API shows it.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    id: String,
    #[serde(flatten)]
    label: Label,
    began: Timestamp,
    /// `running`, `ended` or `aborted`.
    state: &'static str,
    /// Why it was aborted.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The process was started anew then; what happened before is not in the report, and in between nothing was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    resumed: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<Timestamp>,
    /// Requests sent in the last whole second.
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_up: Option<serde_json::Value>,
    /// The scenario that it is a run of, and what became of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    scenario: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<Arc<Report>>,
}

impl Record {
    /// How the API shows it.
    pub(crate) fn show(&self) -> Shown {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let last = state.seconds.back().filter(|_| state.ended.is_none());
        Shown {
            id: self.id.clone(),
            label: self.label.clone(),
            began: self.first.unwrap_or(self.began),
            resumed: self.first.map(|_| self.began),
            state: match (self.aborted(), state.ended) {
                (Some(_), _) => "aborted",
                (None, Some(_)) => "ended",
                (None, None) => "running",
            },
            reason: self.aborted().map(str::to_owned),
            ended: state.ended,
            rate: last.map(|snapshot| snapshot.counts().sent),
            top_up: self.top_up().as_ref().map(shown),
            scenario: self.scenario.lock().unwrap_or_else(PoisonError::into_inner).0.clone(),
            report: state.report.clone(),
        }
    }
}

/// A step of the law that fills up real traffic as the API shows it: rates a second, the age of the counters in seconds.
pub(crate) fn shown(step: &TopUpStep) -> serde_json::Value {
    json!({
        "state": format!("{:?}", step.state).to_lowercase(),
        "rate": step.rate,
        "real": step.real,
        "age": step.age.map(|age| age.as_secs_f64()),
    })
}
