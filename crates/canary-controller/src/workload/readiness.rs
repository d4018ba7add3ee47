//! Whether a workload is rolled out, in Flagger's rules and words.
//! Not for what an unready workload leads to.

use std::time::Duration;

use canary_core::{Readiness, Timestamp};
use serde_json::Value;

use crate::fields::{list_at, number_at, text_at};

/// How a workload is judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judgement {
    /// Percentage of the updated pods that must be available.
    pub(super) threshold: i64,
    /// How long the workload may stay unready.
    pub(super) deadline: Duration,
    /// Since when a deadline that counts from the canary's status runs.
    pub(super) last_transition: Option<Timestamp>,
    /// The present time.
    pub(super) now: Timestamp,
}

impl Judgement {
    /// Whether a Deployment is rolled out.
    pub(super) fn of_deployment(&self, name: &str, object: &Value) -> Readiness {
        if is_behind(object) {
            return Readiness::Waiting(
                "waiting for rollout to finish: observed deployment generation less than desired generation"
                    .into(),
            );
        }
        let progressing = condition(object, "Progressing");
        if progressing.and_then(|c| text_at(c, "/reason")) == Some("ProgressDeadlineExceeded") {
            return Readiness::Stuck(format!("deployment \"{name}\" exceeded its progress deadline"));
        }
        let Some(reason) = self.deployment_waits_for(object) else { return Readiness::Ready };
        let reason = format!("waiting for rollout to finish: {reason}");
        if progressing.is_some() && self.is_overdue(object) {
            Readiness::Stuck(reason)
        } else {
            Readiness::Waiting(reason)
        }
    }

    fn deployment_waits_for(&self, object: &Value) -> Option<String> {
        let status = |field: &str| number_at(object, &format!("/status/{field}")).unwrap_or_default();
        let (updated, available) = (status("updatedReplicas"), status("availableReplicas"));
        if let Some(wanted) = number_at(object, "/spec/replicas").filter(|wanted| updated < *wanted) {
            return Some(format!("{updated} out of {wanted} new replicas have been updated"));
        }
        let old = status("replicas") - updated;
        if old > 0 {
            return Some(format!("{old} old replicas are pending termination"));
        }
        let needed = self.needed(updated);
        (available < needed).then(|| {
            format!(
                "{available} of {needed} (readyThreshold {}%) updated replicas are available",
                self.threshold
            )
        })
    }

    /// Whether too few pods have been available for longer than the deadline.
    fn is_overdue(&self, object: &Value) -> bool {
        let Some(available) = condition(object, "Available") else { return false };
        text_at(available, "/status") == Some("False")
            && text_at(available, "/reason") == Some("MinimumReplicasUnavailable")
            && text_at(available, "/lastUpdateTime")
                .and_then(|time| time.parse().ok())
                .is_some_and(|since| self.is_past(since))
    }

    /// Whether a `DaemonSet` is rolled out. Its deadline counts from the canary's last change of status.
    pub(super) fn of_daemon_set(&self, object: &Value) -> Readiness {
        if is_behind(object) {
            return Readiness::Waiting(
                "waiting for rollout to finish: observed daemonset generation less than desired generation"
                    .into(),
            );
        }
        let status = |field: &str| number_at(object, &format!("/status/{field}")).unwrap_or_default();
        let desired = status("desiredNumberScheduled");
        let (updated, available) = (status("updatedNumberScheduled"), status("numberAvailable"));
        let needed = self.needed(desired);
        if updated >= desired && available >= needed {
            return Readiness::Ready;
        }
        if self.last_transition.is_some_and(|since| self.is_past(since)) {
            return Readiness::Stuck(format!(
                "exceeded its progressDeadlineSeconds: {}",
                self.deadline.as_secs()
            ));
        }
        Readiness::Waiting(if updated < desired {
            format!("waiting for rollout to finish: {updated} out of {desired} new pods have been updated")
        } else {
            format!(
                "waiting for rollout to finish: {available} of {needed} (readyThreshold {}%) updated pods are available",
                self.threshold
            )
        })
    }

    fn is_past(&self, since: Timestamp) -> bool {
        since.checked_add(self.deadline).is_ok_and(|end| end < self.now)
    }

    /// How many of `pods` must be available.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)] // Flagger: 32-bit floats, truncated
    fn needed(&self, pods: i64) -> i64 {
        (pods as f32 * (self.threshold as f32 / 100.0)) as i64
    }
}

/// Whether the workload's controller has not seen the present spec.
fn is_behind(object: &Value) -> bool {
    number_at(object, "/metadata/generation").unwrap_or_default()
        > number_at(object, "/status/observedGeneration").unwrap_or_default()
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    list_at(object, "/status/conditions").iter().find(|condition| text_at(condition, "/type") == Some(kind))
}

/// Puts the workload's name before the reason.
pub(super) fn named(readiness: Readiness, prefix: impl FnOnce(bool) -> String) -> Readiness {
    match readiness {
        Readiness::Ready => Readiness::Ready,
        Readiness::Waiting(reason) => Readiness::Waiting(format!("{}: {reason}", prefix(true))),
        Readiness::Stuck(reason) => Readiness::Stuck(format!("{}: {reason}", prefix(false))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const WAITING: &str = "waiting for rollout to finish: ";

    fn judgement(threshold: i64) -> Judgement {
        Judgement {
            threshold,
            deadline: Duration::from_secs(60),
            last_transition: Some("2026-01-01T00:00:00Z".parse().unwrap()),
            now: "2026-01-01T00:01:00Z".parse().unwrap(),
        }
    }

    fn deployment(wanted: i64, replicas: i64, updated: i64, available: i64) -> Value {
        json!({
            "metadata": {"generation": 3},
            "spec": {"replicas": wanted},
            "status": {
                "observedGeneration": 3,
                "replicas": replicas, "updatedReplicas": updated, "availableReplicas": available,
            },
        })
    }

    fn daemon_set(desired: i64, updated: i64, available: i64) -> Value {
        json!({
            "metadata": {"generation": 1},
            "status": {
                "observedGeneration": 1, "desiredNumberScheduled": desired,
                "updatedNumberScheduled": updated, "numberAvailable": available,
            },
        })
    }

    #[test]
    fn deployments_wait_for_the_first_thing_that_is_missing() {
        for (object, threshold, expected) in [
            (deployment(2, 2, 2, 2), 100, None),
            (deployment(0, 0, 0, 0), 100, None),
            (deployment(2, 3, 1, 1), 100, Some("1 out of 2 new replicas have been updated")),
            (deployment(2, 3, 2, 2), 100, Some("1 old replicas are pending termination")),
            (
                deployment(2, 2, 2, 1),
                100,
                Some("1 of 2 (readyThreshold 100%) updated replicas are available"),
            ),
            (deployment(4, 4, 4, 1), 50, Some("1 of 2 (readyThreshold 50%) updated replicas are available")),
            // Flagger: half of one pod is none.
            (deployment(1, 1, 1, 0), 50, None),
            // 32-bit arithmetic: 0.29 of 100 is 29 there, and 28.999… in 64 bits.
            (
                deployment(100, 100, 100, 28),
                29,
                Some("28 of 29 (readyThreshold 29%) updated replicas are available"),
            ),
        ] {
            let expected =
                expected.map_or(Readiness::Ready, |text| Readiness::Waiting(format!("{WAITING}{text}")));
            assert_eq!(judgement(threshold).of_deployment("podinfo", &object), expected, "{object}");
        }
    }

    #[test]
    fn a_spec_that_the_cluster_has_not_seen_is_waited_for_even_past_the_deadline() {
        let mut object = deployment(2, 2, 2, 2);
        object["metadata"]["generation"] = 4.into();
        object["status"]["conditions"] =
            json!([{"type": "Progressing", "reason": "ProgressDeadlineExceeded"}]);
        let expected = "observed deployment generation less than desired generation";
        let expected = Readiness::Waiting(format!("{WAITING}{expected}"));
        assert_eq!(judgement(100).of_deployment("podinfo", &object), expected);
    }

    #[test]
    fn the_deployments_own_deadline_is_final_even_when_all_pods_are_there() {
        let mut object = deployment(2, 2, 2, 2);
        object["status"]["conditions"] =
            json!([{"type": "Progressing", "reason": "ProgressDeadlineExceeded"}]);
        let expected = Readiness::Stuck("deployment \"podinfo\" exceeded its progress deadline".into());
        assert_eq!(judgement(100).of_deployment("podinfo", &object), expected);
    }

    #[test]
    fn too_few_pods_beyond_the_deadline_are_final() {
        let unavailable = |since: &str, status: &str, reason: &str| json!({"type": "Available", "status": status, "reason": reason, "lastUpdateTime": since});
        let progressing = json!({"type": "Progressing", "reason": "ReplicaSetUpdated"});
        let minimum = "MinimumReplicasUnavailable";
        for (conditions, stuck) in [
            (json!([progressing, unavailable("2025-12-31T23:59:59Z", "False", minimum)]), true),
            // The deadline ends now, and is over only after now.
            (json!([progressing, unavailable("2026-01-01T00:00:00Z", "False", minimum)]), false),
            (json!([unavailable("2025-12-31T23:59:59Z", "False", minimum)]), false),
            (json!([progressing, unavailable("2025-12-31T23:59:59Z", "True", minimum)]), false),
            (json!([progressing, unavailable("2025-12-31T23:59:59Z", "False", "Other")]), false),
            (json!([progressing]), false),
        ] {
            let mut object = deployment(2, 2, 2, 1);
            object["status"]["conditions"] = conditions;
            let readiness = judgement(100).of_deployment("podinfo", &object);
            assert_eq!(matches!(readiness, Readiness::Stuck(_)), stuck, "{object}: {readiness:?}");
        }
    }

    #[test]
    fn daemon_sets_wait_until_the_deadline_of_the_canary() {
        for (object, threshold, expected) in [
            (daemon_set(3, 3, 3), 100, None),
            (daemon_set(0, 0, 0), 100, None),
            (daemon_set(3, 3, 1), 50, None),
            (daemon_set(3, 1, 3), 100, Some("1 out of 3 new pods have been updated")),
            (daemon_set(3, 3, 2), 100, Some("2 of 3 (readyThreshold 100%) updated pods are available")),
        ] {
            let expected =
                expected.map_or(Readiness::Ready, |text| Readiness::Waiting(format!("{WAITING}{text}")));
            assert_eq!(judgement(threshold).of_daemon_set(&object), expected, "{object}");
        }
        let late = Judgement { now: "2026-01-01T00:01:01Z".parse().unwrap(), ..judgement(100) };
        let expected = Readiness::Stuck("exceeded its progressDeadlineSeconds: 60".into());
        assert_eq!(late.of_daemon_set(&daemon_set(3, 1, 1)), expected);
        assert_eq!(late.of_daemon_set(&daemon_set(3, 3, 3)), Readiness::Ready);
    }
}
