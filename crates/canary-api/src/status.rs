//! `Canary.status`: how it is written, and how it is read back.

use std::collections::BTreeMap;

use canary_core::{Condition, Phase, Status, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fields::CANARY_STATUS;
use crate::objects::{Canary, label};
use crate::problem::InvalidObject;
use crate::schema;

/// The status as it is stored. Phase, counters and time are always written, the rest when there is something.
///
/// ```
/// use canary_api::CanaryStatus;
/// use canary_core::Status;
/// let stored = serde_json::to_value(CanaryStatus::from(&Status::default())).unwrap();
/// assert_eq!(
///     stored.to_string(),
///     r#"{"canaryWeight":0,"failedChecks":0,"iterations":0,"lastTransitionTime":null,"phase":""}"#
/// );
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct CanaryStatus {
    /// Position.
    pub phase: Phase,
    /// Failed checks of the running analysis.
    pub failed_checks: i64,
    /// Last weight written by a step.
    pub canary_weight: i64,
    /// Iterations done.
    pub iterations: i64,
    /// Checksums of configuration; `None` when it is not tracked, which differs from empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracked_configs: Option<BTreeMap<String, String>>,
    /// Hash of the revision of the last rollout.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_applied_spec: String,
    /// Hash of the revision that the primary was last promoted to.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_promoted_spec: String,
    /// Time of the last write, RFC 3339 in whole seconds.
    pub last_transition_time: Option<String>,
    /// The canary's cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_affinity_cookie: Option<String>,
    /// The primary's cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary_session_affinity_cookie: Option<String>,
    /// The cookie of the run before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_session_affinity_cookie: Option<String>,
    /// `Promoted`, and `MetricCheckFailed` if a check of a metric failed in this rollout.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<CanaryCondition>,
}

/// A condition as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct CanaryCondition {
    /// `Promoted` or `MetricCheckFailed`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Name of the phase, or of the trouble.
    pub reason: String,
    /// A sentence.
    pub message: String,
    /// When it was last written.
    pub last_update_time: String,
    /// When its status last changed.
    pub last_transition_time: String,
}

/// The type of the condition that Flagger has.
const PROMOTED: &str = "Promoted";
/// The type of the condition that tells of the last failed check of a metric. Flagger's definition of a Canary stores it too.
pub const METRIC_CHECK_FAILED: &str = "MetricCheckFailed";

impl CanaryCondition {
    /// What is wrong with a metric, found at that time: `reason` is the trouble in one word, `message` what was asked and what
    /// came back.
    ///
    /// ```
    /// use canary_api::CanaryCondition;
    /// let found = CanaryCondition::metric_check_failed("NoData", "errors has no value", "2026-07-01T10:20:30.5Z".parse()?);
    /// assert_eq!((found.kind.as_str(), found.status.as_str()), ("MetricCheckFailed", "True"));
    /// assert_eq!(found.last_update_time, "2026-07-01T10:20:30Z");
    /// # Ok::<(), jiff::Error>(())
    /// ```
    pub fn metric_check_failed(reason: impl Into<String>, message: impl Into<String>, at: Timestamp) -> Self {
        Self {
            kind: METRIC_CHECK_FAILED.into(),
            status: "True".into(),
            reason: reason.into(),
            message: message.into(),
            last_update_time: seconds(at),
            last_transition_time: seconds(at),
        }
    }
}

impl Canary {
    /// The last failed check of a metric in the present rollout, or in the one that failed.
    pub fn failed_metric_check(&self) -> Option<CanaryCondition> {
        let conditions = self.status.get("conditions")?.as_array()?;
        let found = conditions.iter().find(|c| c.get("type").is_some_and(|t| t == METRIC_CHECK_FAILED))?;
        serde_json::from_value(found.clone()).ok()
    }

    /// What the controller wrote; the start of everything when there is nothing.
    ///
    /// # Errors
    /// Names the fields that hold something else than the controller writes, an unknown phase for example. Conditions and
    /// times are read as far as they make sense.
    pub fn status(&self) -> Result<Status, InvalidObject> {
        let checked = schema::check(&CANARY_STATUS, &self.status, "status");
        let problems: Vec<_> = checked.problems.into_iter().filter(|p| decides(p.field())).collect();
        let given =
            if checked.value.is_null() { Value::Object(serde_json::Map::new()) } else { checked.value };
        match serde_json::from_value::<CanaryStatus>(given) {
            Ok(stored) if problems.is_empty() => Ok(stored.into()),
            _ => Err(InvalidObject::new("Canary", label(&self.metadata), problems)),
        }
    }
}

/// Whether the field decides what happens next.
fn decides(field: &str) -> bool {
    !field.starts_with("status.conditions") && field != "status.lastTransitionTime"
}

impl From<&Status> for CanaryStatus {
    fn from(status: &Status) -> Self {
        Self {
            phase: status.phase,
            failed_checks: status.failed_checks.into(),
            canary_weight: status.weight.into(),
            iterations: status.iterations.into(),
            tracked_configs: status.tracked_configs.clone(),
            last_applied_spec: status.last_applied.clone(),
            last_promoted_spec: status.last_promoted.clone(),
            last_transition_time: status.last_transition.map(seconds),
            session_affinity_cookie: status.cookie.clone(),
            primary_session_affinity_cookie: status.primary_cookie.clone(),
            previous_session_affinity_cookie: status.previous_cookie.clone(),
            conditions: status.condition.iter().map(CanaryCondition::from).collect(),
        }
    }
}

impl From<CanaryStatus> for Status {
    fn from(stored: CanaryStatus) -> Self {
        let mut status = Self::default();
        status.phase = stored.phase;
        status.failed_checks = small(stored.failed_checks);
        status.weight = small(stored.canary_weight);
        status.iterations = small(stored.iterations);
        status.tracked_configs = stored.tracked_configs;
        status.last_applied = stored.last_applied_spec;
        status.last_promoted = stored.last_promoted_spec;
        status.last_transition = stored.last_transition_time.and_then(|t| t.parse().ok());
        status.cookie = stored.session_affinity_cookie;
        status.primary_cookie = stored.primary_session_affinity_cookie;
        status.previous_cookie = stored.previous_session_affinity_cookie;
        status.condition = stored.conditions.into_iter().find(|c| c.kind == PROMOTED).map(Condition::from);
        status
    }
}

impl From<&Condition> for CanaryCondition {
    fn from(condition: &Condition) -> Self {
        Self {
            kind: PROMOTED.into(),
            status: condition.status.into(),
            reason: condition.reason.clone(),
            message: condition.message.clone(),
            last_update_time: seconds(condition.last_update),
            last_transition_time: seconds(condition.last_transition),
        }
    }
}

impl From<CanaryCondition> for Condition {
    fn from(stored: CanaryCondition) -> Self {
        let time = |text: &str| text.parse().unwrap_or(Timestamp::UNIX_EPOCH);
        let times = (time(&stored.last_update_time), time(&stored.last_transition_time));
        Self::new(&stored.status, stored.reason, stored.message, times)
    }
}

fn seconds(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}

fn small(n: i64) -> i32 {
    i32::try_from(n).unwrap_or(if n < 0 { i32::MIN } else { i32::MAX })
}

#[cfg(test)]
mod tests;
