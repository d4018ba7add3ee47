//! The canary is tested without users' traffic for a number of ticks, then it gets all of it, then it is promoted.

use super::promotion_gate;
use crate::call::{Call, Outcome};
use crate::decision::Effect;
use crate::notice::Happening;
use crate::{Weight, Weights, promotion};

/// One more iteration, the switch of all traffic, or the promotion.
pub(crate) fn progress(mut call: Call<'_>, iterations: i32) -> Outcome {
    let done = call.status.iterations;
    let routed = call.plan.capabilities.weighted;
    let mirror = call.plan.mirror && call.plan.capabilities.mirror;
    if done < iterations {
        // Mirroring means all traffic on the primary, which may be the side that cannot serve.
        if routed && mirror && !call.weights.mirror && call.weights.canary == Weight::ZERO {
            call.perform(Effect::Route(Weights::MIRROR));
        }
        call.tell(Happening::Iteration(done + 1, iterations));
        return Ok(call.finish_with(|s| s.iterations = done + 1));
    }
    let mut call = match promotion_gate(call)? {
        Ok(call) => call,
        Err(waiting) => return Ok(waiting),
    };
    if done > iterations {
        return Ok(promotion::promote(call));
    }
    if routed {
        call.tell(Happening::AllToCanary { mirrored: call.plan.mirror });
        call.perform(Effect::Route(Weights::CANARY));
    }
    Ok(call.finish_with(|s| s.iterations = done + 1))
}
