//! How a rollout ended, and why, in words.

use canary_core::Phase;
use serde::Serialize;

use crate::timeline::{Story, What};
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
pub(crate) fn judge(subject: &Subject, story: &Story) -> Verdict {
    let (ending, reason) = match story.phase {
        Phase::Succeeded => (Ending::Promoted, promoted(story)),
        Phase::Failed => (Ending::RolledBack, rolled_back(subject, story)),
        Phase::Unset | Phase::Initializing => (Ending::NotInitialized, waits_for(story)),
        Phase::Initialized
        | Phase::Waiting
        | Phase::Progressing
        | Phase::WaitingPromotion
        | Phase::Promoting
        | Phase::Finalising
        | Phase::Terminating
        | Phase::Terminated => (Ending::NotEnded, waits_for(story)),
    };
    Verdict { ending, reason }
}

fn promoted(story: &Story) -> String {
    let image = story.entries.iter().rev().find_map(|entry| match &entry.what {
        What::Applied { image } => Some(image.clone()),
        What::Event { .. } | What::Check { .. } | What::Hook { .. } => None,
    });
    format!(
        "{} passed every check and serves all traffic",
        image.unwrap_or_else(|| "the new revision".into())
    )
}

/// The last thing that failed is why.
fn rolled_back(subject: &Subject, story: &Story) -> String {
    let failures = story.entries.iter().filter(|e| failed(&e.what)).count();
    let last = story.entries.iter().rev().find(|entry| failed(&entry.what));
    let times = |n: usize| format!("{n} failed checks, {} end it", subject.plan.threshold);
    match last.map(|entry| &entry.what) {
        Some(What::Check { name, value: Some(value), min, max, .. }) => {
            let bound = match (min.filter(|m| value < m), max.filter(|m| value > m)) {
                (Some(min), _) => format!("below {min}"),
                (_, Some(max)) => format!("above {max}"),
                (None, None) => "out of bounds".into(),
            };
            format!("{name} was {}, {bound} ({})", round(*value), times(failures))
        }
        Some(What::Check { name, error: Some(error), .. }) => {
            format!("{name} could not be asked: {error} ({})", times(failures))
        }
        Some(What::Check { name, .. }) => {
            format!(
                "{name} had no value: nobody called the new revision, or nothing measured it ({})",
                times(failures)
            )
        }
        Some(What::Hook { name, hook, text, .. }) => {
            format!("the {hook} hook {name} failed: {text} ({})", times(failures))
        }
        _ => waits_for(story),
    }
}

/// What the controller complained about last.
fn waits_for(story: &Story) -> String {
    let told = story.entries.iter().rev().find_map(|entry| match &entry.what {
        What::Event { warning: true, text } if !text.starts_with("Canary failed!") => Some(text.clone()),
        What::Event { .. } | What::Check { .. } | What::Hook { .. } | What::Applied { .. } => None,
    });
    told.unwrap_or_else(|| "nothing was told".into())
}

fn failed(what: &What) -> bool {
    matches!(what, What::Check { passed: false, .. } | What::Hook { passed: false, .. })
}

/// Two decimals at most.
pub(crate) fn round(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
