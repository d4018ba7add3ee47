//! From accepted to initialized.

use crate::begin::applied;
use crate::call::{Call, Outcome};
use crate::decision::{AutoscalerState, Effect};
use crate::notice::Happening;
use crate::observed::Target;
use crate::plugin::Scale;
use crate::primary::{primary_readiness, renew_if_dead};
use crate::{Answer, Phase, Question, Weights};

/// From accepted to initialized: the primary must be able to serve before anything points at it.
pub(crate) fn initialize(mut call: Call<'_>, target: &Target) -> Outcome {
    call.perform(Effect::EnsureServices);
    call.perform(Effect::EnsurePrimary);
    if !call.plan.skip_analysis {
        probe(&mut call)?;
    }
    // Flagger does not wait here when the analysis is skipped, and points the Service at nothing; nor does it wait after
    // the primary got stuck, and scales the target down.
    if let Err(text) = primary_readiness(&call) {
        call.tell(Happening::Error(text));
        renew_if_dead(&mut call, target);
        return Ok(call.finish());
    }
    if call.plan.has_autoscaler {
        call.perform(Effect::EnsureAutoscaler);
    }
    call.perform(Effect::EnsureApex);
    call.perform(Effect::EnsureRoutes);
    call.perform(Effect::Route(Weights::PRIMARY));
    if call.plan.has_autoscaler {
        call.perform(Effect::TargetAutoscaler(AutoscalerState::Paused));
    }
    call.perform(Effect::ScaleTarget(Scale::Zero));
    call.tell_as(Phase::Initialized, Happening::InitializationDone);
    let mut status = applied(&call, target);
    if !target.matches_primary {
        // It changed after the primary was made of it. Nothing was applied yet, so it is a new revision.
        status.last_applied.clear();
    }
    let status = status.into_phase(call.plan, Phase::Initialized, call.now);
    Ok(call.finish_as(status))
}

/// Asks each provider whether it is there. The answer is told and holds nothing up.
fn probe(call: &mut Call<'_>) -> Result<(), Question> {
    for id in &call.plan.probes {
        match call.ask_metric(Question::Online, *id)? {
            Answer::Value(_) | Answer::Hook(_) => {}
            Answer::NoData(text) | Answer::Failed { text, .. } => {
                call.tell(Happening::ProvidersOffline(text));
                return Ok(());
            }
        }
    }
    call.tell(Happening::ProvidersOnline);
    Ok(())
}
