//! Traffic moves to the canary in steps of weight.

use super::promotion_gate;
use crate::call::{Call, Outcome};
use crate::decision::Effect;
use crate::notice::Happening;
use crate::plan::{HookKind, StepBy, Steps};
use crate::{Phase, Weight, Weights, promotion};

/// One step up, or the promotion once the maximum is reached.
pub(crate) fn progress(mut call: Call<'_>, steps: &Steps) -> Outcome {
    let weight = call.weights.canary;
    let aim = next_weight(steps, weight);
    if weight < steps.max && aim <= weight {
        return Ok(call.finish()); // a step of zero goes nowhere; the plan's makers refuse it
    }
    if !call.weights.mirror
        && call.status.phase == Phase::Progressing
        && !call.ask_all(HookKind::ConfirmTrafficIncrease)?
    {
        return Ok(call.finish());
    }
    if weight >= steps.max {
        return Ok(match promotion_gate(call)? {
            Ok(call) => promotion::promote(call),
            Err(waiting) => waiting,
        });
    }
    // Flagger: mirror one step before shifting traffic.
    let mirror_first = call.plan.mirror && call.plan.capabilities.mirror && weight == Weight::ZERO;
    let weights = if mirror_first && !call.weights.mirror { Weights::MIRROR } else { Weights::canary(aim) };
    call.perform(Effect::Route(weights));
    call.tell(Happening::CanaryWeight(weights.canary));
    Ok(call.finish_with(|s| s.weight = weights.canary.percent().into()))
}

/// The weight after one step, never above the maximum.
fn next_weight(steps: &Steps, weight: Weight) -> Weight {
    let aim = match &steps.by {
        StepBy::Even(step) => weight.plus(*step),
        StepBy::List(list) => list.iter().copied().find(|w| *w > weight).unwrap_or(weight),
    };
    aim.min(steps.max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn w(percent: i64) -> Weight {
        Weight::new(percent).unwrap()
    }

    #[test]
    fn even_steps_are_trimmed_to_the_maximum() {
        let steps = Steps::even(30, 50);
        assert_eq!(next_weight(&steps, w(0)), w(30));
        assert_eq!(next_weight(&steps, w(30)), w(50));
    }

    #[test]
    fn listed_steps_go_to_the_next_one_above_whatever_the_weight_is() {
        let steps = Steps::listed(&[w(5), w(20), w(70)]);
        for (from, to) in [(0, 5), (5, 20), (7, 20), (20, 70), (70, 70)] {
            assert_eq!(next_weight(&steps, w(from)), w(to), "from {from}");
        }
    }
}
