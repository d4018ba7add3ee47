//! Requests that meet conditions go to the canary for a number of ticks.

use super::promotion_gate;
use crate::call::{Call, Outcome};
use crate::decision::Effect;
use crate::notice::Happening;
use crate::{Weights, promotion};

/// One more iteration, or the promotion when all are done.
pub(crate) fn progress(mut call: Call<'_>, iterations: i32) -> Outcome {
    let done = call.status.iterations;
    if done >= iterations {
        return Ok(match promotion_gate(call)? {
            Ok(call) => promotion::promote(call),
            Err(waiting) => waiting,
        });
    }
    call.perform(Effect::Route(Weights::CANARY));
    call.tell(Happening::Iteration(done + 1, iterations));
    Ok(call.finish_with(|s| s.iterations = done + 1))
}
