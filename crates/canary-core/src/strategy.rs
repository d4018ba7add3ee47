//! How a canary that passed its checks moves on: one file a strategy, each with a `progress` of the same signature.

mod ab_testing;
mod blue_green;
mod weighted;

use std::borrow::Cow;

use crate::call::{Call, Outcome};
use crate::notice::{Happening, UnsupportedSetting};
use crate::plan::{HookKind, Plan, Strategy};
use crate::{Phase, Question};

/// Iterations of a blue/green rollout that its plan does not give (Flagger with plain Kubernetes).
const ASSUMED_ITERATIONS: i32 = 10;

/// The plan as far as the router can carry it out, telling what it cannot. A router that compares no conditions would send
/// everybody to the canary, so that a test of those who meet them becomes blue/green.
pub(crate) fn supported<'a>(call: &mut Call<'a>) -> Cow<'a, Plan> {
    let plan = call.plan;
    let blue_green =
        |iterations| Cow::Owned(Plan { strategy: Strategy::BlueGreen { iterations }, ..plan.clone() });
    match plan.strategy {
        Strategy::AbTesting { iterations } if !plan.capabilities.conditions => {
            call.tell(Happening::Unsupported(UnsupportedSetting::AbTesting));
            blue_green(iterations)
        }
        Strategy::Weighted(_) if !plan.capabilities.weighted => {
            call.tell(Happening::Unsupported(UnsupportedSetting::Weights));
            call.tell(Happening::Unsupported(UnsupportedSetting::AssumedIterations(ASSUMED_ITERATIONS)));
            blue_green(ASSUMED_ITERATIONS)
        }
        Strategy::AbTesting { .. } | Strategy::BlueGreen { .. } | Strategy::Weighted(_) => {
            Cow::Borrowed(plan)
        }
    }
}

/// One step of whatever strategy the plan has.
pub(crate) fn progress(call: Call<'_>) -> Outcome {
    match &call.plan.strategy {
        Strategy::Weighted(steps) => weighted::progress(call, steps),
        Strategy::AbTesting { iterations } => ab_testing::progress(call, *iterations),
        Strategy::BlueGreen { iterations } => blue_green::progress(call, *iterations),
    }
}

/// Asks whether the steps that are done may be followed by the promotion; if not, the decision that waits.
fn promotion_gate(mut call: Call<'_>) -> Result<Result<Call<'_>, crate::Decision>, Question> {
    if call.ask_all(HookKind::ConfirmPromotion)? {
        return Ok(Ok(call));
    }
    Ok(Err(if call.status.phase == Phase::WaitingPromotion {
        // One more iteration is made before the gate is asked again.
        let iterations = call.plan.iterations() - 1;
        call.finish_with(|s| s.iterations = iterations)
    } else {
        call.finish_in(Phase::WaitingPromotion)
    }))
}
