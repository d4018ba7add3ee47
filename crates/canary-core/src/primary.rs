//! What it means for a rollout that the primary is not ready.

use crate::call::Call;
use crate::decision::{Decision, Effect};
use crate::notice::Happening;
use crate::observed::{Instance, Readiness, Target};
use crate::plan::Strategy;
use crate::{Phase, Weights, rollback};

/// Whether the primary is rolled out; else the text that says why not.
pub(crate) fn primary_readiness(call: &Call<'_>) -> Result<(), String> {
    match &call.seen.primary {
        None => Err(crate::wording::primary_to_come(call.plan)),
        Some(Instance { readiness: Readiness::Ready, .. }) => Ok(()),
        Some(Instance { readiness: Readiness::Waiting(text) | Readiness::Stuck(text), .. }) => {
            Err(text.clone())
        }
    }
}

/// The primary is stuck on a revision that it cannot run. Waiting does not heal it, only another revision does, so it holds
/// none up. In the middle of a rollout, a primary without pods loses its traffic first, where the mesh can do that.
pub(crate) fn only_a_promotion_helps(call: &Call<'_>, target: &Target) -> bool {
    let stuck = |p: &Instance| matches!(p.readiness, Readiness::Stuck(_));
    let kept = |p: &Instance| p.available > 0 || !can_move_over(call);
    call.seen.primary.as_ref().is_some_and(|primary| match call.status.phase {
        Phase::Promoting | Phase::Finalising => false,
        // A target without pods is brought up, or given up.
        Phase::Progressing | Phase::WaitingPromotion => {
            stuck(primary) && (kept(primary) || target.instance.available <= 0 || stuck(&target.instance))
        }
        Phase::Unset
        | Phase::Initializing
        | Phase::Initialized
        | Phase::Waiting
        | Phase::Succeeded
        | Phase::Failed
        | Phase::Terminating
        | Phase::Terminated => stuck(primary),
    })
}

/// Whether all traffic of the primary can be sent to the canary.
fn can_move_over(call: &Call<'_>) -> bool {
    call.plan.capabilities.weighted && !matches!(call.plan.strategy, Strategy::AbTesting { .. })
}

/// A primary that is not ready: waited for, and where it is stuck traffic goes where it can be served.
pub(crate) fn primary_not_ready(mut call: Call<'_>, text: String) -> Decision {
    call.tell(Happening::Error(text.clone()));
    let stuck = matches!(&call.seen.primary, Some(Instance { readiness: Readiness::Stuck(_), .. }));
    match call.status.phase {
        Phase::Promoting | Phase::Finalising if stuck => rollback::fail_promotion(call, text),
        // The revision under way is the only one that can heal it: it is judged with all traffic, and promoted.
        Phase::Progressing | Phase::WaitingPromotion if stuck => {
            call.perform(Effect::Route(Weights::CANARY));
            call.tell(Happening::CanaryWeight(Weights::CANARY.canary));
            call.finish_with(|s| s.weight = 100)
        }
        Phase::Promoting
        | Phase::Finalising
        | Phase::Progressing
        | Phase::WaitingPromotion
        | Phase::Unset
        | Phase::Initializing
        | Phase::Initialized
        | Phase::Waiting
        | Phase::Succeeded
        | Phase::Failed
        | Phase::Terminating
        | Phase::Terminated => call.finish(),
    }
}

/// A primary that has no pods and is made of something else gets the target's template: nobody is served by it, and it may
/// heal. Else a fix would wait for ever behind what it is to replace.
pub(crate) fn renew_if_dead(call: &mut Call<'_>, target: &Target) {
    let dead = call.seen.primary.as_ref().is_some_and(|primary| primary.available <= 0);
    if dead && !target.matches_primary {
        call.tell(Happening::Copying);
        call.perform(Effect::PromoteTemplate(target.revision.clone()));
    }
}
