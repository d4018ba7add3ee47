//! The status as it is stored: the core's, and beside it a condition that tells of the last failed check of a metric. A condition,
//! because Flagger's definition of a Canary drops fields that it does not know, and keeps conditions; and because it is written
//! together with the count of failed checks, so it costs no request.

use canary_api::{Canary, CanaryCondition, CanaryStatus};
use canary_core::{Phase, Status, Timestamp};
use serde_json::Value;

use crate::finding::Finding;

/// What is written in place of the status of `object`, which says `before`.
pub(crate) fn stored(
    object: &Value,
    before: &Status,
    after: &Status,
    finding: Option<&Finding>,
    now: Timestamp,
) -> CanaryStatus {
    let mut stored = CanaryStatus::from(after);
    let known = kept(before, after).then(|| condition(object)).flatten();
    let found = finding.map(|finding| finding.condition(now));
    stored.conditions.extend(match (found, known) {
        (Some(mut found), Some(known)) => {
            // It was true before: only what is told of it has changed.
            found.last_transition_time = known.last_transition_time;
            Some(found)
        }
        (found, known) => found.or(known),
    });
    stored
}

fn condition(object: &Value) -> Option<CanaryCondition> {
    Canary { status: object.get("status")?.clone(), ..Canary::default() }.failed_metric_check()
}

/// Whether what was told of a check is still about the present rollout, or the one that failed.
fn kept(before: &Status, after: &Status) -> bool {
    let goes_on = is_rollout(before.phase) && is_rollout(after.phase);
    before.last_applied == after.last_applied && (goes_on || after.phase == Phase::Failed)
}

fn is_rollout(phase: Phase) -> bool {
    match phase {
        Phase::Waiting
        | Phase::Progressing
        | Phase::WaitingPromotion
        | Phase::Promoting
        | Phase::Finalising => true,
        Phase::Unset
        | Phase::Initializing
        | Phase::Initialized
        | Phase::Succeeded
        | Phase::Failed
        | Phase::Terminating
        | Phase::Terminated => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(phase: Phase, revision: &str) -> Status {
        let mut status = Status::default();
        (status.phase, status.last_applied) = (phase, revision.to_owned());
        status
    }

    fn told(before: &Status, after: &Status) -> bool {
        let at: Timestamp = "2026-07-01T10:20:30Z".parse().unwrap();
        let mut written = CanaryStatus::from(before);
        written.conditions.push(CanaryCondition::metric_check_failed("NoData", "errors", at));
        let stored = stored(&json!({"status": written}), before, after, None, at);
        stored.conditions.iter().any(|condition| condition.kind == "MetricCheckFailed")
    }

    #[test]
    fn a_failed_check_is_told_as_long_as_its_rollout_is() {
        let (progressing, failed) = (status(Phase::Progressing, "a"), status(Phase::Failed, "a"));
        for (before, after, expected) in [
            (&progressing, &progressing, true),
            (&progressing, &status(Phase::Promoting, "a"), true),
            (&progressing, &failed, true),
            (&failed, &failed, true),
            (&status(Phase::Finalising, "a"), &status(Phase::Succeeded, "a"), false),
            // Another revision, in the middle of the analysis and after it; and the same one once more.
            (&progressing, &status(Phase::Progressing, "b"), false),
            (&failed, &status(Phase::Progressing, "b"), false),
            (&failed, &progressing, false),
        ] {
            assert_eq!(told(before, after), expected, "{:?} to {:?}", before.phase, after.phase);
        }
    }
}
