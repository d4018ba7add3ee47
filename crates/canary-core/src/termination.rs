//! The end of a canary that changes everything back: capacity first, then traffic, then the canary may go.

use std::time::Duration;

use crate::call::Call;
use crate::decision::{AutoscalerState, Commit, Decision, Effect, Wake};
use crate::notice::Happening;
use crate::observed::Readiness;
use crate::plugin::Scale;
use crate::rhythm::later;
use crate::{Phase, Status};

/// How often pods that are coming up are looked at. It costs no request.
const LOOK_AGAIN: Duration = Duration::from_secs(3);

/// One call of a canary that is being deleted. It goes on until the target serves again; only a target that is gone is not
/// waited for, since nothing can be given back to it.
pub(crate) fn terminate(mut call: Call<'_>) -> Decision {
    if !call.seen.finalizer {
        return call.finish(); // nothing waits for us
    }
    if !call.plan.revert_on_deletion {
        return call.decide(Commit::ReleaseFinalizer, Wake::OnChange);
    }
    if call.status.phase != Phase::Terminating {
        call.tell(Happening::Terminating);
        let status: Status = call.status.clone().into_phase(call.plan, Phase::Terminating, call.now);
        return call.decide(Commit::Status(Box::new(status)), Wake::Now);
    }
    if !call.seen.target_is_gone {
        if call.plan.has_autoscaler {
            call.perform(Effect::TargetAutoscaler(AutoscalerState::Running));
        }
        call.perform(Effect::ScaleTarget(Scale::LikePrimary));
        let problem = match &call.seen.target {
            Err(text) => Some(text.clone()),
            Ok(target) => match &target.instance.readiness {
                Readiness::Ready if target.instance.available > 0 => None,
                // Scaled up by this call, and not yet seen to be.
                Readiness::Ready | Readiness::Waiting(_) => Some(String::new()),
                Readiness::Stuck(text) => Some(text.clone()),
            },
        };
        if let Some(problem) = problem {
            if !problem.is_empty() {
                call.tell(Happening::Error(problem));
            }
            let wake = Wake::At(later(call.now, LOOK_AGAIN));
            return call.decide(Commit::Nothing, wake);
        }
        call.perform(Effect::RevertApex);
    }
    call.perform(Effect::RevertRoutes);
    call.tell(Happening::Terminated);
    call.decide(Commit::ReleaseFinalizer, Wake::OnChange)
}
