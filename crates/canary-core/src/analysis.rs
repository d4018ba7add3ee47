//! Judging the canary: rollout hooks, then metrics, until one fails.

use crate::call::Call;
use crate::notice::{CheckFailure, Happening};
use crate::plan::{Bounds, CheckSource, HookKind, MetricId};
use crate::plugin::HookAnswer;
use crate::question::{Answer, Question};

/// Whether everything that is asked about the canary is good. The first thing that is not is told, and ends it.
pub(crate) fn passes(call: &mut Call<'_>) -> Result<bool, Question> {
    let kind = HookKind::Rollout;
    for id in call.plan.hooks_of(kind) {
        if let HookAnswer::Failed(text) = call.ask_hook(id, kind.payload_phase(call.status.phase))? {
            call.tell(Happening::HookFailed { kind, hook: call.hook_name(id), text, mute: true });
            return Ok(false);
        }
    }
    for (index, check) in call.plan.checks.iter().enumerate() {
        let id = MetricId(index);
        let failure = if check.source == CheckSource::Nothing {
            Some(CheckFailure::NothingToAsk)
        } else {
            judge(id, check.source, check.bounds, call.ask_metric(Question::Metric, id)?)
        };
        if let Some(failure) = failure {
            call.tell(Happening::CheckFailed(failure));
            return Ok(false);
        }
    }
    Ok(true)
}

/// What is wrong with an answer, if anything.
fn judge(check: MetricId, source: CheckSource, bounds: Bounds, answer: Answer) -> Option<CheckFailure> {
    let value = match answer {
        Answer::Value(value) => value,
        Answer::NoData(text) => return Some(CheckFailure::NoData { check, text }),
        Answer::Failed { kind, text } => return Some(CheckFailure::Unanswered { check, kind, text }),
        Answer::Hook(_) => return None, // the call turns these into failures
    };
    // Flagger compares durations in whole milliseconds.
    let value = if source == CheckSource::Duration { value.trunc() } else { value };
    if value.is_nan() || (source == CheckSource::Duration && value.is_infinite()) {
        return Some(CheckFailure::NoData { check, text: "no values found".into() });
    }
    bounds.violation(value).map(|(bound, above)| CheckFailure::OutOfBounds { check, value, bound, above })
}

impl Bounds {
    /// The bound that `value` passes and whether it is above it; a value equal to a bound is good.
    pub fn violation(self, value: f64) -> Option<(f64, bool)> {
        match (self.min, self.max) {
            (Some(min), _) if value < min => Some((min, false)),
            (_, Some(max)) if value > max => Some((max, true)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_equal_to_a_bound_is_good() {
        let bounds = Bounds { min: Some(99.0), max: Some(100.0) };
        for (value, expected) in
            [(99.0, None), (100.0, None), (98.9, Some((99.0, false))), (100.1, Some((100.0, true)))]
        {
            assert_eq!(bounds.violation(value), expected, "{value}");
        }
        assert_eq!(Bounds::default().violation(f64::INFINITY), None);
    }

    #[test]
    fn durations_are_compared_in_whole_milliseconds() {
        let bounds = Bounds { min: None, max: Some(500.0) };
        assert_eq!(judge(MetricId(0), CheckSource::Duration, bounds, Answer::Value(500.9)), None);
        assert!(judge(MetricId(0), CheckSource::Inline, bounds, Answer::Value(500.9)).is_some());
    }

    #[test]
    fn nan_and_endless_durations_are_no_data() {
        for value in [f64::NAN, f64::INFINITY] {
            assert!(matches!(
                judge(MetricId(0), CheckSource::Duration, Bounds::default(), Answer::Value(value)),
                Some(CheckFailure::NoData { .. })
            ));
        }
    }
}
