//! What users, pods, metrics and hooks do during a simulated rollout, as a script: written down in YAML, or shipped by name.
//! Not the cluster itself, and no judgement of what a controller makes of it.

mod scripted;
mod shipped;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

pub use scripted::{ScriptedHooks, ScriptedMetrics, Stage};
pub use shipped::{UnknownScenario, shipped, shipped_names};

/// A script.
///
/// ```
/// use canary_sandbox::Scenario;
///
/// let scenario: Scenario = serde_json::from_value(serde_json::json!({
///     "about": "errors once a fifth of the traffic is on the new revision",
///     "metrics": {"request-success-rate": [{"value": 99.9}, {"weight": 20, "value": 91.5}]},
///     "hooks": {"pre-rollout": [{"status": 200}]},
/// })).unwrap();
/// assert_eq!(scenario.metrics["request-success-rate"].len(), 2);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Scenario {
    /// One sentence.
    pub about: String,
    /// Answers by metric: a built-in name, or a piece of the query's text. The last entry whose time has come counts.
    pub metrics: BTreeMap<String, Vec<MetricLine>>,
    /// Answers by hook: its name, or its type such as `pre-rollout`. The last entry whose time has come counts.
    pub hooks: BTreeMap<String, Vec<HookLine>>,
    /// What becomes of the new revision's pods.
    pub pods: Pods,
    /// Real requests a second that load is filled up from. The last entry whose time has come counts.
    pub real_traffic: Vec<TrafficLine>,
    /// Another revision is applied once the canary has this share, percent.
    pub another_revision_at: Option<i64>,
}

/// One answer of a metric, from some moment on.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct MetricLine {
    /// Not before that many seconds after the new revision was applied.
    pub after_seconds: Option<u64>,
    /// Not before the canary has this share, percent.
    pub weight: Option<i64>,
    /// The value; without one there is no data.
    pub value: Option<f64>,
    /// The backend cannot be reached, with this text.
    pub error: Option<String>,
}

/// One answer of a hook, from some moment on.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct HookLine {
    /// Not before that many seconds after the new revision was applied.
    pub after_seconds: Option<u64>,
    /// Not before the canary has this share, percent.
    pub weight: Option<i64>,
    /// HTTP status.
    pub status: u16,
    /// Body.
    pub body: String,
}

impl Default for HookLine {
    fn default() -> Self {
        Self { after_seconds: None, weight: None, status: 200, body: String::new() }
    }
}

/// How much real traffic there is, from some moment on.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct TrafficLine {
    /// Not before that many seconds after the new revision was applied.
    pub after_seconds: Option<u64>,
    /// Requests a second.
    pub requests: f64,
}

/// What becomes of the new revision's pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Pods {
    /// They never become ready.
    pub never_ready: bool,
    /// They become ready that many seconds after they start; 1 when absent.
    pub ready_after_seconds: Option<u64>,
}

/// The moment at which something is asked.
fn is_due(after_seconds: Option<u64>, weight: Option<i64>, stage: &Stage) -> bool {
    let late_enough =
        after_seconds.is_none_or(|s| stage.since_revision.is_some_and(|d| d >= Duration::from_secs(s)));
    late_enough && weight.is_none_or(|w| stage.weight >= w)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_counts_from_its_moment_on() {
        let stage =
            |seconds: u64, weight| Stage { since_revision: Some(Duration::from_secs(seconds)), weight };
        assert!(is_due(None, None, &Stage::default()));
        assert!(!is_due(Some(10), None, &stage(9, 0)));
        assert!(is_due(Some(10), None, &stage(10, 0)));
        assert!(!is_due(Some(10), Some(20), &stage(10, 10)));
        assert!(is_due(Some(10), Some(20), &stage(10, 20)));
    }

    #[test]
    fn a_mistyped_field_is_refused() {
        let error = serde_json::from_str::<Scenario>(r#"{"metric": {}}"#).unwrap_err();
        assert!(error.to_string().contains("unknown field `metric`"), "{error}");
    }
}
