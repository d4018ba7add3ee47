//! The ends that are not a success: traffic goes where pods can serve, before anything is scaled down.

use crate::call::Call;
use crate::decision::{AutoscalerState, Decision, Effect};
use crate::notice::Happening;
use crate::observed::{Instance, Observed, Readiness, Target};
use crate::plugin::Scale;
use crate::steering::Order;
use crate::{Phase, Plan, Weight, Weights};

/// Why a rollout is rolled back.
pub(crate) enum Cause<'a> {
    /// Too many failed checks.
    Threshold,
    /// A rollback hook says so.
    Requested,
    /// The target's pods did not become ready in time.
    Deadline(String),
    /// The primary's pods are stuck.
    PrimaryStuck,
    /// A person says so. Where the revision was only waiting for leave, it counts as the applied one from now on.
    Aborted(&'a Order, Option<&'a Target>),
    /// The user set the target back to the promoted revision.
    SetBack(&'a Target),
}

/// Whether so many checks failed that the revision is given up.
pub(crate) fn threshold_is_reached(call: &Call<'_>) -> bool {
    u32::try_from(call.status.failed_checks).is_ok_and(|n| n >= call.plan.threshold)
}

/// Rolls back without waiting for anything: neither for pods nor for the target to be readable.
pub(crate) fn abort(mut call: Call<'_>, order: &Order) -> Decision {
    match &call.seen.target {
        Ok(target) if call.status.phase == Phase::Waiting => {
            roll_back(call, &Cause::Aborted(order, Some(target)))
        }
        Err(text) if call.status.phase == Phase::Waiting => {
            call.tell(Happening::Error(text.clone()));
            call.finish()
        }
        Ok(_) | Err(_) => roll_back(call, &Cause::Aborted(order, None)),
    }
}

/// Sends traffic back to the primary and takes the target down.
pub(crate) fn roll_back(mut call: Call<'_>, cause: &Cause<'_>) -> Decision {
    match cause {
        Cause::Requested => call.tell(Happening::RollbackRequested),
        Cause::Deadline(text) => call.tell(Happening::DeadlineExceeded(text.clone())),
        Cause::SetBack(_) => call.tell(Happening::SetBack),
        Cause::Aborted(order, _) => {
            call.tell(Happening::Aborted { by: order.by.clone(), reason: order.reason.clone() });
        }
        Cause::Threshold | Cause::PrimaryStuck => {}
    }
    if threshold_is_reached(&call) {
        call.tell(Happening::ThresholdReached(call.status.failed_checks));
    }
    if let Some(text) = primary_cannot_serve(&call) {
        return stay_on_canary(call, text);
    }
    call.perform(Effect::Route(Weights::PRIMARY));
    if call.plan.has_autoscaler {
        call.perform(Effect::TargetAutoscaler(AutoscalerState::Paused));
    }
    call.perform(Effect::ScaleTarget(Scale::Zero));
    call.tell_as(Phase::Failed, Happening::RolledBack);
    call.call_post_rollout(Phase::Failed);
    let mut status = call.status.clone();
    status.failed_checks = 0;
    if let Cause::SetBack(target) | Cause::Aborted(_, Some(target)) = cause {
        status.last_applied.clone_from(&target.revision);
        status.tracked_configs.clone_from(&target.configs);
    }
    let status = status.into_phase(call.plan, Phase::Failed, call.now);
    call.finish_as(status)
}

/// The canary gets traffic and has no pod to serve it, while the primary has.
pub(crate) fn is_stranded(plan: &Plan, seen: &Observed) -> bool {
    let shared = |w: &Weights| w.canary > Weight::ZERO;
    plan.capabilities.weighted
        && matches!(&seen.routes, Ok(Some(weights)) if shared(weights))
        && seen.target.as_ref().is_ok_and(|t| t.instance.available <= 0)
        && seen.primary.as_ref().is_some_and(|p| p.available > 0)
}

/// The primary got stuck while it was promoted. The rollout ends where there are pods; while there are none on either
/// side, moving traffic helps nobody, and it is waited for.
pub(crate) fn fail_promotion(call: Call<'_>, text: String) -> Decision {
    let canary = call.seen.target.as_ref().map_or(0, |t| t.instance.available);
    let primary = call.seen.primary.as_ref().map_or(0, |p| p.available);
    match (canary > 0, primary > 0) {
        (true, _) => stay_on_canary(call, text),
        (false, true) => roll_back(call, &Cause::PrimaryStuck),
        (false, false) => call.finish(),
    }
}

/// Leaves all traffic on the canary, which stays up, because the primary cannot serve.
///
/// The applied revision stays what was analysed: what the user applied meanwhile is still news afterwards.
fn stay_on_canary(mut call: Call<'_>, text: String) -> Decision {
    call.tell(Happening::PromotionFailed(text));
    call.perform(Effect::Route(Weights::CANARY));
    call.call_post_rollout(Phase::Failed);
    let mut status = call.status.clone().into_phase(call.plan, Phase::Failed, call.now);
    status.failed_checks = 0;
    status.weight = 100;
    call.finish_as(status)
}

/// The primary has no pod that could serve while the canary has one.
fn primary_cannot_serve(call: &Call<'_>) -> Option<String> {
    let canary = call.seen.target.as_ref().map_or(0, |t| t.instance.available);
    match &call.seen.primary {
        Some(primary) if primary.available > 0 => None,
        _ if canary <= 0 || !call.plan.capabilities.weighted => None,
        Some(Instance { readiness: Readiness::Waiting(text) | Readiness::Stuck(text), .. }) => {
            Some(text.clone())
        }
        Some(_) | None => {
            Some(format!("{}-primary.{} has no available pod", call.plan.target, call.plan.namespace))
        }
    }
}
