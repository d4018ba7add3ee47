//! From the analysed revision to the primary: copy, wait, move traffic back, take the target down.

use crate::call::Call;
use crate::decision::{AutoscalerState, Decision, Effect};
use crate::notice::Happening;
use crate::observed::Target;
use crate::plugin::Scale;
use crate::primary::renew_if_dead;
use crate::{Phase, Weight, Weights};

/// Copies the analysed template to the primary.
pub(crate) fn promote(mut call: Call<'_>) -> Decision {
    copy(&mut call);
    call.finish_in(Phase::Promoting)
}

fn copy(call: &mut Call<'_>) {
    call.tell(Happening::Copying);
    call.perform(Effect::PromoteTemplate(call.status.last_applied.clone()));
}

/// The primary is ready with the new template: traffic moves to it, at once or in steps.
pub(crate) fn shift(mut call: Call<'_>) -> Decision {
    if call.plan.has_autoscaler {
        call.perform(Effect::UpdateAutoscaler);
    }
    if !call.plan.capabilities.weighted {
        return call.finish_in(Phase::Finalising);
    }
    let step = call.plan.step_weight_promotion;
    if step == 0 {
        call.tell(Happening::AllToPrimary);
        call.perform(Effect::Route(Weights::PRIMARY));
        return call.finish_in(Phase::Finalising);
    }
    let canary = call.weights.canary.minus(step);
    if call.weights.canary > Weight::ZERO {
        call.tell(Happening::PrimaryWeight(canary.rest()));
    }
    call.perform(Effect::Route(Weights::canary(canary)));
    if canary == Weight::ZERO {
        // Also when the canary had no traffic to begin with: the write after the last step may have been lost.
        return call.finish_in(Phase::Finalising);
    }
    call.finish_with(|s| s.weight = canary.percent().into())
}

/// All traffic is on the primary: the target goes down and the rollout has succeeded.
pub(crate) fn finalise(mut call: Call<'_>) -> Decision {
    call.perform(Effect::Route(Weights::PRIMARY));
    retire_target(&mut call);
    succeed(call, false)
}

/// Promotes without analysis.
pub(crate) fn skip(mut call: Call<'_>, target: &Target) -> Decision {
    let available = call.seen.primary.as_ref().map_or(0, |p| p.available);
    if available <= 0 {
        let text = format!("{}-primary.{} has no available pod", call.plan.target, call.plan.namespace);
        call.tell(Happening::Error(text));
        renew_if_dead(&mut call, target);
        return call.finish();
    }
    call.perform(Effect::Route(Weights::PRIMARY));
    copy(&mut call);
    if call.plan.has_autoscaler {
        call.perform(Effect::UpdateAutoscaler);
    }
    retire_target(&mut call);
    succeed(call, true)
}

fn retire_target(call: &mut Call<'_>) {
    if call.plan.has_autoscaler {
        call.perform(Effect::TargetAutoscaler(AutoscalerState::Paused));
    }
    call.perform(Effect::ScaleTarget(Scale::Zero));
}

fn succeed(mut call: Call<'_>, skipped: bool) -> Decision {
    call.call_post_rollout(Phase::Succeeded);
    call.tell_as(Phase::Succeeded, Happening::Promoted { skipped });
    call.finish_in(Phase::Succeeded)
}
