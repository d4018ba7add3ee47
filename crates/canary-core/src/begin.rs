//! How a revision becomes the one that is rolled out, and what happens to one that is not.

use crate::call::{Call, Outcome};
use crate::decision::{AutoscalerState, Decision, Effect};
use crate::notice::Happening;
use crate::observed::Target;
use crate::plan::HookKind;
use crate::plugin::Scale;
use crate::{Phase, Status, Weight, Weights};

/// The status with the target's present revision and configuration as the applied ones, and all counters at zero.
pub(crate) fn applied(call: &Call<'_>, target: &Target) -> Status {
    let mut status = call.status.clone();
    status.last_applied.clone_from(&target.revision);
    status.tracked_configs.clone_from(&target.configs);
    status.failed_checks = 0;
    status.weight = 0;
    status.iterations = 0;
    status
}

/// Takes the target's revision for the applied one, where nothing is to be rolled out.
pub(crate) fn adopt(call: Call<'_>, target: &Target) -> Decision {
    let settled = matches!(call.status.phase, Phase::Initialized | Phase::Succeeded);
    call.finish_with(|s| {
        s.last_applied.clone_from(&target.revision);
        s.tracked_configs.clone_from(&target.configs);
        if settled {
            s.last_promoted.clone_from(&target.revision);
        }
    })
}

/// A new revision was found: ask for leave, then bring it up.
pub(crate) fn start(mut call: Call<'_>, target: &Target) -> Outcome {
    if call.is_paused() {
        return Ok(call.finish());
    }
    let waited = call.status.phase == Phase::Waiting;
    if !waited {
        call.forget_orders();
    }
    if !call.ask_all(HookKind::ConfirmRollout)? {
        return Ok(if waited { call.finish() } else { call.finish_in(Phase::Waiting) });
    }
    if call.plan.has_autoscaler {
        call.perform(Effect::TargetAutoscaler(AutoscalerState::Running));
    }
    call.perform(Effect::ScaleTarget(Scale::Up));
    call.tell_as(Phase::Progressing, Happening::NewRevision);
    let status = applied(&call, target).into_phase(call.plan, Phase::Progressing, call.now);
    Ok(call.finish_as(status))
}

/// The revision that a gate was asked about is gone.
pub(crate) fn nothing_to_approve(mut call: Call<'_>, target: &Target) -> Decision {
    call.tell(Happening::NothingToApprove);
    let settled = call.status.last_applied == call.status.last_promoted && target.matches_primary;
    let phase = if settled { Phase::Succeeded } else { Phase::Failed };
    let mut status = call.status.clone().into_phase(call.plan, phase, call.now);
    if phase == Phase::Failed && call.weights == Weights::CANARY {
        status.weight = 100; // as the failed promotion before it left it
    }
    call.finish_as(status)
}

/// The target changed in the middle of a rollout: begin again with what it is now.
pub(crate) fn restart(mut call: Call<'_>, target: &Target, primary_is_out: bool) -> Decision {
    call.tell(Happening::Restarting);
    call.forget_revision();
    let dead = call.seen.primary.as_ref().is_none_or(|primary| primary.available <= 0);
    if !primary_is_out && (!dead || target.instance.available <= 0) {
        call.perform(Effect::Route(Weights::PRIMARY));
    }
    let status = applied(&call, target).into_phase(call.plan, Phase::Progressing, call.now);
    call.finish_as(status)
}

/// The target rests in the middle of its rollout: it gets pods before it gets traffic, or anybody judges it.
pub(crate) fn bring_up(mut call: Call<'_>) -> Decision {
    let Call { plan, seen, weights, .. } = call;
    call.tell(Happening::Error(crate::wording::target_at_rest(plan)));
    let sent = weights.canary > Weight::ZERO || weights.mirror;
    if sent && seen.primary.as_ref().is_some_and(|p| p.available > 0) {
        call.perform(Effect::Route(Weights::PRIMARY));
    }
    if plan.has_autoscaler {
        call.perform(Effect::TargetAutoscaler(AutoscalerState::Running));
    }
    call.perform(Effect::ScaleTarget(Scale::Up));
    call.finish()
}
