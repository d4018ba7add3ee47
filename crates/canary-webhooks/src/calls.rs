//! From a hook of the plan to the call that is made, and which calls tell of an event.
//! Not the making of the call.

use std::collections::BTreeMap;

use canary_core::{Hook, HookCall, HookKind, HookPayload, Phase, Plan, Status};

use crate::{RecordedEvent, event_payload, payload};

/// The call of a hook that is not an event hook, showing it `phase` (see [`HookKind::payload_phase`]).
///
/// ```
/// use canary_core::{Hook, HookKind, Phase, Plan, Status};
///
/// let hook = Hook::new("gate", HookKind::ConfirmPromotion, "http://gate.test/check");
/// let call = canary_webhooks::hook_call(&hook, &Plan::new("podinfo", "test"), &Status::default(), Phase::Progressing);
/// assert_eq!((call.url.as_str(), call.payload.phase), ("http://gate.test/check", Phase::Progressing));
/// ```
pub fn hook_call(hook: &Hook, plan: &Plan, status: &Status, phase: Phase) -> HookCall {
    call_of(hook, payload(plan, status, phase, hook.metadata.clone()))
}

/// The calls that tell of `event`: of every event hook of the plan, in order, or, if there is none, of the hook for all
/// canaries at `global` (named `events`, 10 s, no retries).
///
/// ```
/// use canary_core::{EventKind, Phase, Plan, Status, Timestamp};
/// use canary_webhooks::{RecordedEvent, event_calls};
///
/// let event =
///     RecordedEvent { kind: EventKind::Normal, message: "all is well".into(), at: Timestamp::UNIX_EPOCH };
/// let (plan, status) = (Plan::new("podinfo", "test"), Status::default());
/// let calls = event_calls(&plan, &status, Phase::Progressing, &event, Some("http://events.test/"));
/// assert_eq!((calls.len(), calls[0].name.as_str()), (1, "events"));
/// ```
pub fn event_calls(
    plan: &Plan,
    status: &Status,
    phase: Phase,
    event: &RecordedEvent,
    global: Option<&str>,
) -> Vec<HookCall> {
    let own: Vec<HookCall> = plan
        .hooks
        .iter()
        .filter(|hook| hook.kind == HookKind::Event)
        .map(|hook| call_of(hook, event_payload(plan, status, phase, event, hook.metadata.clone())))
        .collect();
    if !own.is_empty() {
        return own;
    }
    let global = global.filter(|url| !url.is_empty());
    global
        .map(|url| HookCall::new("events", url, event_payload(plan, status, phase, event, BTreeMap::new())))
        .into_iter()
        .collect()
}

fn call_of(hook: &Hook, payload: HookPayload) -> HookCall {
    let mut call = HookCall::new(&hook.name, &hook.url, payload);
    call.timeout.clone_from(&hook.timeout);
    call.retries = hook.retries;
    call.disable_tls = hook.disable_tls;
    call
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use canary_core::{EventKind, Timestamp};

    use super::*;

    fn event() -> RecordedEvent {
        RecordedEvent { kind: EventKind::Normal, message: "done".into(), at: Timestamp::UNIX_EPOCH }
    }

    fn plan_with(hooks: Vec<Hook>) -> Plan {
        let mut plan = Plan::new("podinfo", "test");
        plan.hooks = hooks;
        plan
    }

    fn urls(calls: &[HookCall]) -> Vec<&str> {
        calls.iter().map(|call| call.url.as_str()).collect()
    }

    #[test]
    fn settings_of_a_hook_go_into_its_call() {
        let mut hook = Hook::new("load-test", HookKind::Rollout, "https://tester/");
        hook.timeout = Err("5seconds".into());
        hook.retries = 4;
        hook.disable_tls = true;
        hook.metadata.insert("cmd".into(), "hey http://podinfo/".into());
        let mut status = Status::default();
        status.last_applied = "4cb74184589".into();

        let call = hook_call(&hook, &plan_with(vec![]), &status, Phase::Progressing);

        assert_eq!((call.name.as_str(), call.url.as_str()), ("load-test", "https://tester/"));
        assert_eq!((&call.timeout, call.retries, call.disable_tls), (&Err("5seconds".into()), 4, true));
        assert_eq!(call.payload.checksum, "7c9d467496");
        assert_eq!(call.payload.metadata, hook.metadata);
    }

    #[test]
    fn event_hooks_of_a_canary_replace_the_one_for_all() {
        let mut second = Hook::new("b", HookKind::Event, "http://b/");
        second.metadata.insert("team".into(), "web".into());
        let plan = plan_with(vec![
            Hook::new("a", HookKind::Event, "http://a/"),
            Hook::new("gate", HookKind::ConfirmRollout, "http://gate/"),
            second,
        ]);

        let calls = event_calls(&plan, &Status::default(), Phase::Waiting, &event(), Some("http://global/"));

        assert_eq!(urls(&calls), ["http://a/", "http://b/"]);
        assert_eq!(calls[1].payload.metadata["team"], "web");
        assert_eq!(calls[1].payload.metadata["eventMessage"], "done");
        assert_eq!(calls[0].payload.phase, Phase::Waiting);
    }

    #[test]
    fn the_event_hook_for_all_has_ten_seconds_and_no_retries() {
        let plan = plan_with(vec![Hook::new("gate", HookKind::ConfirmRollout, "http://gate/")]);
        let calls = event_calls(&plan, &Status::default(), Phase::Waiting, &event(), Some("http://global/"));
        assert_eq!(urls(&calls), ["http://global/"]);
        assert_eq!((&calls[0].timeout, calls[0].retries), (&Ok(Duration::from_secs(10)), 0));
    }

    #[test]
    fn without_any_event_hook_nobody_is_told() {
        for global in [None, Some("")] {
            assert!(
                event_calls(&plan_with(vec![]), &Status::default(), Phase::Waiting, &event(), global)
                    .is_empty()
            );
        }
    }
}
