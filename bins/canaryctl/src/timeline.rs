//! What happened to each canary, and when.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use canary_core::{Bounds, HookKind, Phase, Severity};
use jiff::Timestamp;
use serde::Serialize;

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) at: Timestamp,
    pub(crate) what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum What {
    /// The controller told of something.
    Event { warning: bool, text: String },
    /// The controller told people of something.
    Alert { to: String, severity: Severity, text: String },
    /// A metric was asked.
    Check {
        name: String,
        /// `None`: there was none.
        value: Option<f64>,
        /// Why it could not be asked.
        error: Option<String>,
        min: Option<f64>,
        max: Option<f64>,
        passed: bool,
    },
    /// A hook was called.
    Hook {
        name: String,
        #[serde(rename = "type", serialize_with = "hook_type")]
        hook: HookKind,
        passed: bool,
        text: String,
    },
    /// Load fills up real traffic; requests a second.
    Load { target: f64, real: f64, own: f64, state: String },
    /// The user applied a revision.
    Applied { image: String, made_up: bool },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn hook_type<S: serde::Serializer>(kind: &HookKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.as_str())
}

impl What {
    /// A check with that outcome.
    pub(crate) fn check(name: &str, bounds: Bounds, outcome: Result<Option<f64>, String>) -> Self {
        let (value, error) = match outcome {
            Ok(value) => (value, None),
            Err(error) => (None, Some(error)),
        };
        let passed = value.is_some_and(|v| bounds.violation(v).is_none());
        Self::Check { name: name.to_owned(), value, error, min: bounds.min, max: bounds.max, passed }
    }
}

/// How far a canary is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) phase: Phase,
    /// The canary's share of the traffic, percent.
    pub(crate) weight: i64,
    /// The canary gets a copy of the traffic.
    pub(crate) mirrored: bool,
    /// Of canaries that count iterations: how many are done.
    pub(crate) iterations: i64,
}

/// One canary so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Story {
    pub(crate) entries: Vec<Entry>,
    /// Each position with the time since when.
    pub(crate) positions: Vec<(Timestamp, Position)>,
    /// When the new revision was applied.
    pub(crate) applied: Option<Timestamp>,
}

impl Story {
    /// The last position.
    pub(crate) fn position(&self) -> Position {
        self.positions.last().map(|(_, position)| *position).unwrap_or_default()
    }

    /// The position at the end of the second of `at`.
    pub(crate) fn position_at(&self, at: Timestamp) -> Position {
        let reached = self.positions.iter().take_while(|(since, _)| since.as_second() <= at.as_second());
        reached.last().map(|(_, position)| *position).unwrap_or_default()
    }

    /// When time counts from: the new revision, or the first that happened.
    pub(crate) fn begin(&self) -> Timestamp {
        self.applied.or_else(|| self.entries.first().map(|e| e.at)).unwrap_or_default()
    }

    /// What happened since the last revision was applied.
    pub(crate) fn since_revision(&self) -> &[Entry] {
        let applied = self.entries.iter().rposition(|e| matches!(e.what, What::Applied { .. }));
        self.entries.get(applied.unwrap_or(0)..).unwrap_or_default()
    }
}

/// All canaries, by `name.namespace`. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timeline(Arc<Mutex<BTreeMap<String, Story>>>);

impl Timeline {
    /// The stories.
    pub(crate) fn stories(&self) -> MutexGuard<'_, BTreeMap<String, Story>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One story so far.
    pub(crate) fn story(&self, canary: &str) -> Story {
        self.stories().get(canary).cloned().unwrap_or_default()
    }

    /// Notes that something happened.
    pub(crate) fn note(&self, canary: &str, at: Timestamp, what: What) {
        let mut stories = self.stories();
        let story = stories.entry(canary.to_owned()).or_default();
        if matches!(what, What::Applied { .. }) {
            story.applied.get_or_insert(at);
        }
        story.entries.push(Entry { at, what });
    }

    /// Notes how far a canary is.
    pub(crate) fn reached(&self, canary: &str, at: Timestamp, position: Position) {
        let mut stories = self.stories();
        let story = stories.entry(canary.to_owned()).or_default();
        if story.position() != position {
            story.positions.push((at, position));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_shows_the_position_that_it_ends_with() {
        let timeline = Timeline::default();
        let at = |milliseconds| Timestamp::from_millisecond(milliseconds).unwrap();
        for (time, weight) in [(1_000, 10), (2_400, 20), (3_000, 20)] {
            timeline.reached("a", at(time), Position { weight, ..Position::default() });
        }
        let story = timeline.story("a");
        assert_eq!(story.positions.len(), 2);
        for (time, weight) in [(0, 0), (1_500, 10), (2_100, 20), (9_000, 20)] {
            assert_eq!(story.position_at(at(time)).weight, weight, "{time}");
        }
    }
}
