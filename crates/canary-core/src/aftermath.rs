//! What is worth telling about things that happened outside a decision: an effect that failed, a call after the commit, a
//! crash between commit and announcement.

use crate::decision::{Effect, Then};
use crate::notice::{Happening, Notice};
use crate::plan::{HookId, HookKind, Plan};
use crate::plugin::{HookAnswer, Scale};
use crate::{Phase, Status};

/// What a call made after the commit ([`Then::Call`]) is worth telling.
pub fn called(plan: &Plan, told_as: Phase, id: HookId, answer: &HookAnswer) -> Vec<Notice> {
    let Some(hook) = plan.hooks.get(id.0) else { return Vec::new() };
    let (kind, hook) = (hook.kind, hook.name.clone());
    let what = match answer {
        HookAnswer::Passed => Happening::HookPassed { kind, hook },
        HookAnswer::Failed(text) => Happening::HookFailed { kind, hook, text: text.clone(), mute: true },
    };
    vec![Notice { phase: told_as, what }]
}

/// What a failed effect is worth telling.
pub fn effect_failed(plan: &Plan, status: &Status, effect: &Effect, error: &str) -> Vec<Notice> {
    let text = match effect {
        Effect::ScaleTarget(Scale::Zero) if status.phase == Phase::Initializing => {
            format!(
                "scaling down canary {} {}.{} failed: {error}",
                plan.target_kind, plan.target, plan.namespace
            )
        }
        Effect::EnsureServices
        | Effect::EnsurePrimary
        | Effect::EnsureAutoscaler
        | Effect::UpdateAutoscaler
        | Effect::TargetAutoscaler(_)
        | Effect::EnsureApex
        | Effect::EnsureRoutes
        | Effect::Route(_)
        | Effect::PromoteTemplate(_)
        | Effect::ScaleTarget(_)
        | Effect::KeepFinalizer(_)
        | Effect::Steer(_)
        | Effect::RevertApex
        | Effect::RevertRoutes => error.to_owned(),
    };
    vec![Notice { phase: status.phase, what: Happening::Error(text) }]
}

/// What should have followed the commit that led to `status`, for a process that finds that it did not: the same
/// announcements and calls as far as the status tells. Empty where the last write was not a change of phase.
pub fn missed(plan: &Plan, status: &Status) -> Vec<Then> {
    let announce = |phase, what| Then::Announce(Notice { phase, what });
    let gate = |kind| {
        plan.hooks_of(kind).next().and_then(|id| plan.hooks.get(id.0)).map(|hook| Happening::HookFailed {
            kind,
            hook: hook.name.clone(),
            text: String::new(),
            mute: hook.mute_alert,
        })
    };
    let calls =
        |phase| plan.hooks_of(HookKind::PostRollout).map(move |id| Then::Call { id, phase, told_as: phase });
    let phase = status.phase;
    match phase {
        Phase::Initialized => vec![announce(phase, Happening::InitializationDone)],
        Phase::Waiting => gate(HookKind::ConfirmRollout).map(|w| announce(phase, w)).into_iter().collect(),
        Phase::Progressing if status.weight == 0 && status.iterations == 0 && status.failed_checks == 0 => {
            vec![announce(phase, Happening::NewRevision)]
        }
        Phase::WaitingPromotion => {
            gate(HookKind::ConfirmPromotion).map(|w| announce(phase, w)).into_iter().collect()
        }
        Phase::Promoting => vec![announce(Phase::Progressing, Happening::Copying)],
        Phase::Finalising if plan.capabilities.weighted && plan.step_weight_promotion == 0 => {
            vec![announce(Phase::Promoting, Happening::AllToPrimary)]
        }
        Phase::Succeeded => calls(phase)
            .chain([announce(phase, Happening::Promoted { skipped: plan.skip_analysis })])
            .collect(),
        Phase::Failed if status.weight == 100 => {
            let text = format!("{}-primary.{} could not serve", plan.target, plan.namespace);
            [announce(phase, Happening::PromotionFailed(text))].into_iter().chain(calls(phase)).collect()
        }
        Phase::Failed => [announce(phase, Happening::RolledBack)].into_iter().chain(calls(phase)).collect(),
        Phase::Progressing
        | Phase::Finalising
        | Phase::Unset
        | Phase::Initializing
        | Phase::Terminating
        | Phase::Terminated => Vec::new(),
    }
}
