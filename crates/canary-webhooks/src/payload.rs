//! What hooks are told: the canary, its phase, its checksum, and metadata.
//! Not who is told when, which is the core's business.

use std::collections::BTreeMap;

use canary_core::{EventKind, HookPayload, Phase, Plan, Status, Timestamp};

use crate::checksum;

/// Tells of the canary as `status` has it now, showing `phase`.
///
/// ```
/// use std::collections::BTreeMap;
/// use canary_core::{Phase, Plan, Status};
///
/// let payload = canary_webhooks::payload(
///     &Plan::new("podinfo", "test"),
///     &Status::default(),
///     Phase::Progressing,
///     BTreeMap::from([("cmd".into(), "curl -s http://podinfo-canary/".into())]),
/// );
/// assert_eq!(payload.checksum, "758df7c9fc");
/// assert_eq!(payload.metadata["cmd"], "curl -s http://podinfo-canary/");
/// ```
pub fn payload(
    plan: &Plan,
    status: &Status,
    phase: Phase,
    metadata: BTreeMap<String, String>,
) -> HookPayload {
    HookPayload {
        name: plan.name.clone(),
        namespace: plan.namespace.clone(),
        phase,
        checksum: checksum(status.tracked_configs.as_ref(), &status.last_applied),
        metadata,
    }
}

/// A Kubernetes event as event hooks are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedEvent {
    /// How it is marked.
    pub kind: EventKind,
    /// Its sentence.
    pub message: String,
    /// When it was recorded; sent in milliseconds since 1970.
    pub at: Timestamp,
}

/// Tells of an event. `metadata` cannot override the keys `eventMessage`, `eventType` and `timestamp`.
///
/// ```
/// use std::collections::BTreeMap;
/// use canary_core::{EventKind, Phase, Plan, Status, Timestamp};
/// use canary_webhooks::{RecordedEvent, event_payload};
///
/// let event = RecordedEvent {
///     kind: EventKind::Normal,
///     message: "Initialization done! podinfo.test".into(),
///     at: Timestamp::from_millisecond(1_700_000_000_123).unwrap(),
/// };
/// let (plan, status) = (Plan::new("podinfo", "test"), Status::default());
/// let payload = event_payload(&plan, &status, Phase::Initialized, &event, BTreeMap::new());
/// assert_eq!(payload.metadata["eventMessage"], "Initialization done! podinfo.test");
/// assert_eq!(payload.metadata["eventType"], "Normal");
/// assert_eq!(payload.metadata["timestamp"], "1700000000123");
/// ```
pub fn event_payload(
    plan: &Plan,
    status: &Status,
    phase: Phase,
    event: &RecordedEvent,
    mut metadata: BTreeMap<String, String>,
) -> HookPayload {
    metadata.insert("eventMessage".into(), event.message.clone());
    metadata.insert("eventType".into(), event.kind.as_str().into());
    metadata.insert("timestamp".into(), event.at.as_millisecond().to_string());
    payload(plan, status, phase, metadata)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(payload: &HookPayload) -> String {
        serde_json::to_string(payload).unwrap()
    }

    #[test]
    fn keys_come_in_the_order_of_flagger() {
        let mut status = Status::default();
        status.last_applied = "5f56684589".into();
        status.tracked_configs = Some(BTreeMap::new());
        let metadata = BTreeMap::from([("type".into(), "bash".into()), ("cmd".into(), "true".into())]);
        assert_eq!(
            json(&payload(&Plan::new("podinfo", "test"), &status, Phase::Waiting, metadata)),
            r#"{"name":"podinfo","namespace":"test","phase":"Waiting","checksum":"557d867f8b","metadata":{"cmd":"true","type":"bash"}}"#
        );
    }

    #[test]
    fn metadata_is_left_out_when_there_is_none() {
        assert_eq!(
            json(&payload(&Plan::new("podinfo", "test"), &Status::default(), Phase::Unset, BTreeMap::new())),
            r#"{"name":"podinfo","namespace":"test","phase":"","checksum":"758df7c9fc"}"#
        );
    }

    #[test]
    fn metadata_of_the_user_adds_to_an_event_but_does_not_override_it() {
        let event = RecordedEvent {
            kind: EventKind::Warning,
            message: "Canary failed! Scaling down podinfo.test".into(),
            at: Timestamp::from_millisecond(1_234_567).unwrap(),
        };
        let metadata = BTreeMap::from([
            ("team".into(), "web".into()),
            ("eventType".into(), "Normal".into()),
            ("eventMessage".into(), "all is well".into()),
            ("timestamp".into(), "0".into()),
        ]);
        let payload =
            event_payload(&Plan::new("podinfo", "test"), &Status::default(), Phase::Failed, &event, metadata);
        assert_eq!(
            payload.metadata,
            BTreeMap::from([
                ("eventMessage".into(), "Canary failed! Scaling down podinfo.test".into()),
                ("eventType".into(), "Warning".into()),
                ("team".into(), "web".into()),
                ("timestamp".into(), "1234567".into()),
            ])
        );
    }
}
