//! How a rollout ended, and why, in words.

use std::time::Duration;

use canary_core::{HookKind, Phase};
use serde::Serialize;

use crate::timeline::{Entry, Story, What};
use crate::world::Subject;

/// The end of a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Ending {
    /// The new revision serves.
    Promoted,
    /// The old one does.
    RolledBack,
    /// The limit came first.
    NotEnded,
    /// There was no rollout.
    NotInitialized,
}

/// How it ended and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Verdict {
    pub(crate) ending: Ending,
    /// One sentence.
    pub(crate) reason: String,
}

/// Judges a story.
pub(crate) fn judge(subject: &Subject, story: &Story, limit: Duration) -> Verdict {
    let position = story.position();
    let entries = story.since_revision();
    let suspended = subject.plan.suspend.then(|| "the canary is suspended (spec.suspend)".to_owned());
    let why = || cause(entries).unwrap_or_else(|| "the controller told nothing".into());
    let (ending, reason) = match position.phase {
        Phase::Succeeded => (Ending::Promoted, promoted(subject, entries)),
        Phase::Failed => (Ending::RolledBack, rolled_back(subject, entries)),
        Phase::Unset | Phase::Initializing => (Ending::NotInitialized, suspended.unwrap_or_else(why)),
        phase @ (Phase::Initialized
        | Phase::Waiting
        | Phase::Progressing
        | Phase::WaitingPromotion
        | Phase::Promoting
        | Phase::Finalising
        | Phase::Terminating
        | Phase::Terminated) => {
            let after = span(i64::try_from(limit.as_secs()).unwrap_or(i64::MAX));
            let at = format!("still {phase} at {} % when the limit of {after} came", position.weight);
            let why = suspended.or_else(|| cause(entries));
            (Ending::NotEnded, why.map_or(at.clone(), |why| format!("{at}: {why}")))
        }
    };
    Verdict { ending, reason }
}

fn promoted(subject: &Subject, entries: &[Entry]) -> String {
    let image = match entries.first().map(|e| &e.what) {
        Some(What::Applied { image, .. }) => image,
        _ => "the new revision",
    };
    let asked = entries.iter().any(|e| matches!(e.what, What::Check { .. } | What::Hook { .. }));
    match failures(entries) {
        _ if subject.plan.skip_analysis => {
            format!("{image} serves all traffic; its analysis was skipped (spec.skipAnalysis)")
        }
        0 if !asked => format!("{image} serves all traffic; there was nothing to check"),
        0 => format!("{image} passed every check and serves all traffic"),
        1 => format!("{image} serves all traffic, after one failed check"),
        n => format!("{image} serves all traffic, after {n} failed checks"),
    }
}

fn rolled_back(subject: &Subject, entries: &[Entry]) -> String {
    for entry in entries {
        if let What::Hook { name, hook: HookKind::Rollback, passed: true, .. } = &entry.what {
            return format!("the rollback hook {name} asked for it");
        }
    }
    let threshold_reached = entries.iter().any(
        |e| matches!(&e.what, What::Event { text, .. } if text.contains("failed checks threshold reached")),
    );
    let cause = cause(entries).unwrap_or_else(|| "the controller told no reason".into());
    if threshold_reached {
        format!("{cause}; {} failed checks are too many (spec.analysis.threshold)", subject.plan.threshold)
    } else {
        cause
    }
}

/// What went wrong last, in words.
fn cause(entries: &[Entry]) -> Option<String> {
    let last = entries.iter().rev().find_map(|entry| in_words(&entry.what).map(|words| (entry.at, words)));
    let (at, words) = last?;
    // The answer itself says more than the event about it.
    let of_that_tick = entries.iter().rev().filter(|e| e.at.as_second() == at.as_second());
    let answer =
        of_that_tick.filter(|e| !matches!(e.what, What::Event { .. })).find_map(|e| in_words(&e.what));
    Some(answer.unwrap_or(words))
}

/// What is wrong with something that went wrong.
fn in_words(what: &What) -> Option<String> {
    match what {
        What::Check { passed: false, name, value: Some(value), min, max, .. } => {
            let bound = match (min.filter(|m| value < m), max.filter(|m| value > m)) {
                (Some(min), _) => format!("below {min}"),
                (_, Some(max)) => format!("above {max}"),
                (None, None) => "out of bounds".into(),
            };
            Some(format!("{name} was {}, {bound}", round(*value)))
        }
        What::Check { passed: false, name, error: Some(error), .. } => {
            Some(format!("{name} could not be asked: {error}"))
        }
        What::Check { passed: false, name, .. } => {
            Some(format!("{name} had no value: nobody called the new revision, or nothing measured it"))
        }
        What::Hook { passed: false, name, hook, text, .. } if counts(*hook) || is_gate(*hook) => {
            let verb = if is_gate(*hook) { "did not open" } else { "failed" };
            let text = if text.is_empty() { String::new() } else { format!(": {text}") };
            Some(format!("the {} hook {name} {verb}{text}", hook.as_str()))
        }
        // These tell that something is done about it, not what it is.
        What::Event { warning: true, text }
            if !text.starts_with("Rolling back ") && !text.starts_with("Canary failed! ") =>
        {
            Some(text.clone())
        }
        What::Event { .. }
        | What::Alert { .. }
        | What::Check { .. }
        | What::Hook { .. }
        | What::Load { .. }
        | What::Applied { .. } => None,
    }
}

/// Hooks that somebody is waited for at, and whose refusal is no failed check.
fn is_gate(kind: HookKind) -> bool {
    matches!(kind, HookKind::ConfirmRollout | HookKind::ConfirmTrafficIncrease | HookKind::ConfirmPromotion)
}

/// Hooks whose failure is a failed check.
fn counts(kind: HookKind) -> bool {
    matches!(kind, HookKind::PreRollout | HookKind::Rollout)
}

fn failures(entries: &[Entry]) -> usize {
    let failed = |what: &What| match what {
        What::Check { passed, .. } => !passed,
        What::Hook { passed, hook, .. } => !passed && counts(*hook),
        What::Event { .. } | What::Alert { .. } | What::Load { .. } | What::Applied { .. } => false,
    };
    entries.iter().filter(|e| failed(&e.what)).count()
}

/// Hours, minutes and seconds.
pub(crate) fn span(seconds: i64) -> String {
    let sign = if seconds < 0 { "-" } else { "" };
    let (minutes, rest) = (seconds.abs() / 60, seconds.abs() % 60);
    match minutes / 60 {
        0 => format!("{sign}{minutes}:{rest:02}"),
        hours => format!("{sign}{hours}:{:02}:{rest:02}", minutes % 60),
    }
}

/// Two decimals at most.
pub(crate) fn round(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(all: Vec<(i64, What)>) -> Vec<Entry> {
        all.into_iter()
            .map(|(s, what)| Entry { at: jiff::Timestamp::from_second(s).unwrap(), what })
            .collect()
    }

    fn event(text: &str) -> What {
        What::Event { warning: true, text: text.into() }
    }

    fn hook(hook: HookKind, passed: bool) -> What {
        What::Hook { name: "h".into(), hook, passed, text: "no".into() }
    }

    #[test]
    fn the_last_that_went_wrong_is_the_cause_and_an_answer_says_more_than_its_event() {
        let check = What::check("rate", canary_core::Bounds { min: Some(99.0), max: None }, Ok(Some(91.5)));
        for (all, expected) in [
            (
                vec![(1, event("old")), (2, check.clone()), (2, event("Halt"))],
                Some("rate was 91.5, below 99"),
            ),
            (vec![(1, check.clone()), (2, event("not ready"))], Some("not ready")),
            (
                vec![(1, check), (2, event("Rolling back a.b")), (2, event("Canary failed! x"))],
                Some("rate was 91.5, below 99"),
            ),
            (
                vec![(1, hook(HookKind::ConfirmPromotion, false))],
                Some("the confirm-promotion hook h did not open: no"),
            ),
            (vec![(1, hook(HookKind::PreRollout, false))], Some("the pre-rollout hook h failed: no")),
            (vec![(1, hook(HookKind::PostRollout, false)), (1, hook(HookKind::Rollout, true))], None),
        ] {
            assert_eq!(cause(&entries(all)).as_deref(), expected);
        }
    }

    #[test]
    fn a_gate_that_waits_is_no_failed_check() {
        let all = vec![(1, hook(HookKind::ConfirmRollout, false)), (2, hook(HookKind::Rollout, false))];
        assert_eq!(failures(&entries(all)), 1);
    }
}
