//! The conditions of a Deployment, as the real controller sets them.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::cluster::stamp;

/// Pods of a Deployment by state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counts {
    pub(super) wanted: usize,
    pub(super) least_available: usize,
    pub(super) replicas: usize,
    pub(super) updated: usize,
    pub(super) ready: usize,
    pub(super) available: usize,
}

impl Counts {
    fn is_complete(&self) -> bool {
        self.updated == self.wanted && self.replicas == self.wanted && self.available == self.wanted
    }

    /// Whether something moved since the status was last written.
    fn progressed(&self, status: &Value) -> bool {
        let old = |key: &str| usize::try_from(status[key].as_u64().unwrap_or(0)).unwrap_or(0);
        let old_pods = old("replicas").saturating_sub(old("updatedReplicas"));
        self.updated > old("updatedReplicas")
            || self.replicas.saturating_sub(self.updated) < old_pods
            || self.ready > old("readyReplicas")
            || self.available > old("availableReplicas")
    }
}

const COMPLETE: &str = "NewReplicaSetAvailable";
const TIMED_OUT: &str = "ProgressDeadlineExceeded";

/// The conditions after a look; `created` says that the set of the present template is new.
pub(super) fn conditions(
    deployment: &Value,
    counts: &Counts,
    set: Option<&str>,
    created: bool,
    now: Timestamp,
) -> Vec<Value> {
    let status = &deployment["status"];
    let mut conditions: Vec<Value> = status["conditions"].as_array().cloned().unwrap_or_default();
    let (state, reason, message) = if counts.available >= counts.least_available {
        ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    };
    set_condition(&mut conditions, ["Available", state, reason, message], now, false);
    let Some(set) = set else { return conditions };
    if created {
        // Before pods of it exist: only the condition of progress is about the new set.
        let message = format!("Created new replica set {set:?}");
        set_condition(&mut conditions, ["Progressing", "True", "NewReplicaSetCreated", &message], now, true);
        return conditions;
    }
    let progress = conditions.iter().find(|c| c["type"] == "Progressing").cloned();
    let reason = progress.as_ref().and_then(|c| c["reason"].as_str()).unwrap_or_default();
    // A Deployment that was complete once does not get a deadline for being scaled.
    if counts.replicas == counts.updated && reason == COMPLETE {
        return conditions;
    }
    if counts.is_complete() {
        let message = format!("ReplicaSet {set:?} has successfully progressed.");
        set_condition(&mut conditions, ["Progressing", "True", COMPLETE, &message], now, false);
    } else if counts.progressed(status) {
        let message = format!("ReplicaSet {set:?} is progressing.");
        set_condition(&mut conditions, ["Progressing", "True", "ReplicaSetUpdated", &message], now, true);
    } else if timed_out(deployment, progress.as_ref(), now) {
        let message = format!("ReplicaSet {set:?} has timed out progressing.");
        set_condition(&mut conditions, ["Progressing", "False", TIMED_OUT, &message], now, false);
    }
    conditions
}

/// Sets a condition. One with the same state and reason stays as it is, unless progress is to be noted.
fn set_condition(
    conditions: &mut Vec<Value>,
    [kind, state, reason, message]: [&str; 4],
    now: Timestamp,
    note_progress: bool,
) {
    let at = conditions.iter().position(|c| c["type"] == kind);
    let mut transition = stamp(now);
    if let Some(old) = at.map(|at| &conditions[at]) {
        if old["status"] == state && old["reason"] == reason && !note_progress {
            return;
        }
        if old["status"] == state {
            transition = old["lastTransitionTime"].clone();
        }
    }
    if let Some(at) = at {
        conditions.remove(at);
    }
    conditions.push(json!({
        "type": kind, "status": state, "lastUpdateTime": stamp(now), "lastTransitionTime": transition,
        "reason": reason, "message": message,
    }));
}

fn deadline_of(deployment: &Value, progress: Option<&Value>) -> Option<Timestamp> {
    let seconds =
        deployment["spec"]["progressDeadlineSeconds"].as_i64().filter(|s| *s < i64::from(i32::MAX))?;
    let since: Timestamp = progress?["lastUpdateTime"].as_str()?.parse().ok()?;
    since.checked_add(SignedDuration::from_secs(seconds)).ok()
}

fn timed_out(deployment: &Value, progress: Option<&Value>, now: Timestamp) -> bool {
    match progress.and_then(|c| c["reason"].as_str()) {
        None | Some(COMPLETE) => false,
        Some(TIMED_OUT) => true,
        Some(_) => deadline_of(deployment, progress).is_some_and(|deadline| now > deadline),
    }
}

/// When a Deployment that makes no progress is to be looked at again.
pub(super) fn deadline(deployment: &Value, counts: &Counts) -> Option<Timestamp> {
    let conditions = deployment["status"]["conditions"].as_array()?;
    let progress = conditions.iter().find(|c| c["type"] == "Progressing")?;
    if counts.is_complete() || matches!(progress["reason"].as_str(), Some(COMPLETE | TIMED_OUT)) {
        return None;
    }
    // A second later, because times are written in whole seconds.
    deadline_of(deployment, Some(progress))?.checked_add(SignedDuration::from_secs(1)).ok()
}
