//! Which command makes sense when, and which order it leaves.

use std::time::Duration;

use super::{GateOrder, Order, PromoteOrder, RetryOrder, Steering, is_steerable};
use crate::call::Call;
use crate::change::{Change, change};
use crate::command::{Command, Verb};
use crate::plan::{Hook, HookKind};
use crate::{Phase, next};

/// A command that waited longer than this was given to another situation.
const STALE: Duration = Duration::from_secs(3600);

/// The orders after the command and what comes of it, or why it is refused.
type Judgement = Result<(Steering, String), String>;

pub(super) fn judge(call: &Call<'_>, command: &Command, order: Order) -> Judgement {
    if call.plan.suspend {
        return Err("the canary is suspended: set spec.suspend to false first".into());
    }
    let age = command.at.map(|at| call.now.duration_since(at));
    if age.is_some_and(|age| age > STALE.try_into().unwrap_or(jiff::SignedDuration::MAX)) {
        return Err("it was given more than an hour ago: give it again if it is still wanted".into());
    }
    match command.verb {
        Verb::Promote => promote(call, order, false),
        Verb::PromoteFull => promote(call, order, true),
        Verb::Abort => abort(call, order),
        Verb::Pause => pause(call, order),
        Verb::Resume => resume(call),
        Verb::Retry => retry(call, order),
        Verb::Approve => gate(call, command, order, true),
        Verb::Deny => gate(call, command, order, false),
    }
}

fn promote(call: &Call<'_>, order: Order, full: bool) -> Judgement {
    steerable(call)?;
    let mut steering = call.seen.steering.clone();
    steering.paused = None;
    steering.promote = Some(PromoteOrder { full, revision: revision(call)?, order });
    let how = if full { "without further checks" } else { "once the checks pass" };
    Ok((steering, format!("the revision is promoted {how}")))
}

fn abort(call: &Call<'_>, order: Order) -> Judgement {
    steerable(call)?;
    // A rollout that waits has no revision in its status: the one that is declined must be known.
    if call.status.phase == Phase::Waiting {
        revision(call)?;
    }
    let steering = Steering { abort: Some(order), ..call.seen.steering.without_orders() };
    Ok((steering, "the rollout is rolled back".into()))
}

fn pause(call: &Call<'_>, order: Order) -> Judgement {
    steerable(call)?;
    let mut steering = call.seen.steering.clone();
    if let Some(before) = &steering.paused {
        return Err(format!("the rollout is paused already, by {}", before.by));
    }
    steering.paused = Some(order);
    Ok((steering, "the rollout stays where it is; failures of pods still roll it back".into()))
}

fn resume(call: &Call<'_>) -> Judgement {
    let mut steering = call.seen.steering.clone();
    if steering.paused.take().is_none() || !is_steerable(call.status.phase) {
        return Err("the rollout is not paused".into());
    }
    Ok((steering, "the rollout goes on at its next tick".into()))
}

fn retry(call: &Call<'_>, order: Order) -> Judgement {
    let (Phase::Failed, Some(failed_at)) = (call.status.phase, call.status.last_transition) else {
        return Err(format!("only a failed rollout can be retried, and this one is {}", call.status.phase));
    };
    let target = call.seen.target.as_ref().map_err(|text| format!("the target cannot be read: {text}"))?;
    match change(call.status, target) {
        Change::None => {}
        Change::New => return Err("the target has another revision by now, which starts by itself".into()),
        Change::Adopt | Change::SetBack => {
            return Err("the target was set back to the promoted revision: there is nothing to retry".into());
        }
    }
    let retry = Some(RetryOrder { failed_at, order });
    let steering = Steering { retry, ..call.seen.steering.without_orders() };
    Ok((steering, "the failed revision is rolled out again".into()))
}

fn gate(call: &Call<'_>, command: &Command, order: Order, open: bool) -> Judgement {
    let gates = || call.plan.hooks.iter().filter(|h| h.kind.is_gate());
    let known = || gates().map(|h| h.name.as_str()).collect::<Vec<_>>().join(", ");
    let Some(name) = &command.gate else {
        return Err(format!("it names no gate; this canary has: {}", known()));
    };
    let Some(hook) = gates().find(|h| h.name == *name) else {
        return Err(match known().as_str() {
            "" => format!("there is no gate {name:?}: this canary has none"),
            known => format!("there is no gate {name:?}; this canary has: {known}"),
        });
    };
    steerable(call)?;
    if hook.kind == HookKind::ConfirmRollout && call.status.phase != Phase::Waiting {
        return Err(format!("the rollout is past {name} already"));
    }
    if call.plan.skip_analysis && hook.kind != HookKind::ConfirmRollout {
        return Err(format!("the analysis is skipped, and {name} is not asked"));
    }
    let weight = if open { weight_of(call, hook)? } else { None };
    let mut steering = call.seen.steering.clone();
    let text = match (open, weight) {
        (true, Some(weight)) => format!("{name} is open for the increase from {weight} %"),
        (true, None) => format!("{name} is open for this revision"),
        (false, _) => format!("{name} is closed until it is approved"),
    };
    steering.gates.insert(name.clone(), GateOrder { open, revision: revision(call)?, weight, order });
    Ok((steering, text))
}

/// The weight that an approval is about: each increase has its own.
fn weight_of(call: &Call<'_>, hook: &Hook) -> Result<Option<u8>, String> {
    if hook.kind != HookKind::ConfirmTrafficIncrease {
        return Ok(None);
    }
    let found = call.seen.routes.as_ref().map_err(|text| format!("the mesh cannot be read: {text}"))?;
    Ok(Some(next::current_weights(call, *found).canary.percent()))
}

fn revision(call: &Call<'_>) -> Result<String, String> {
    let target = call.seen.target.as_ref();
    target.map(|t| t.revision.clone()).map_err(|text| format!("the target cannot be read: {text}"))
}

fn steerable(call: &Call<'_>) -> Result<(), String> {
    Err(match call.status.phase {
        Phase::Waiting | Phase::Progressing | Phase::WaitingPromotion
            if call.seen.steering.abort.is_some() =>
        {
            "the rollout is being rolled back".into()
        }
        Phase::Waiting | Phase::Progressing | Phase::WaitingPromotion => return Ok(()),
        Phase::Unset | Phase::Initializing => {
            "the first revision is being set up: there is none to go back to and none to promote".into()
        }
        Phase::Promoting | Phase::Finalising => {
            "the primary has the new revision already: to go back, apply the revision before".into()
        }
        Phase::Failed => {
            "the rollout has failed and traffic is settled: retry rolls the revision out again".into()
        }
        Phase::Initialized | Phase::Succeeded => "nothing is being rolled out".into(),
        Phase::Terminating | Phase::Terminated => "the canary is being deleted".into(),
    })
}
