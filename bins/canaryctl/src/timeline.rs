//! What happened to each canary, and when.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use canary_core::{Bounds, Phase};
use jiff::Timestamp;
use serde::Serialize;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Entry {
    #[serde(skip)]
    pub(crate) at: Timestamp,
    /// The canary's share of the traffic, percent.
    pub(crate) weight: i64,
    #[serde(flatten)]
    pub(crate) what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum What {
    /// The controller told of something.
    Event { warning: bool, text: String },
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
        #[serde(rename = "type")]
        hook: &'static str,
        passed: bool,
        text: String,
    },
    /// The user applied a revision.
    Applied { image: String },
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

/// One canary so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Story {
    pub(crate) entries: Vec<Entry>,
    pub(crate) weight: i64,
    pub(crate) phase: Phase,
    /// When the new revision was applied.
    pub(crate) applied: Option<Timestamp>,
}

/// All canaries, by `name.namespace`. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timeline(Arc<Mutex<BTreeMap<String, Story>>>);

impl Timeline {
    /// The stories, for reading or writing.
    pub(crate) fn stories(&self) -> MutexGuard<'_, BTreeMap<String, Story>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that something happened.
    pub(crate) fn note(&self, canary: &str, at: Timestamp, what: What) {
        let mut stories = self.stories();
        let story = stories.entry(canary.to_owned()).or_default();
        if let What::Event { text, .. } = &what
            && let Some(weight) = weight_told(text)
        {
            story.weight = weight;
        }
        let weight = story.weight;
        story.entries.push(Entry { at, weight, what });
    }

    /// The largest share that any canary has.
    pub(crate) fn weight(&self) -> i64 {
        self.stories().values().map(|s| s.weight).max().unwrap_or(0)
    }
}

/// The canary's share that an event tells of.
fn weight_told(text: &str) -> Option<i64> {
    let number = |mark: &str| text.split_once(mark)?.1.trim().parse::<i64>().ok();
    if let Some(weight) = number(" canary weight ") {
        return Some(weight);
    }
    if let Some(primary) = number(" primary weight ") {
        return Some(100 - primary);
    }
    let to_canary = text == "Routing all traffic to canary" || text.starts_with("Stop traffic mirroring");
    let to_primary = text == "Routing all traffic to primary"
        || text.starts_with("Canary failed!")
        || text.contains("Restarting analysis");
    match (to_canary, to_primary) {
        (true, _) => Some(100),
        (_, true) => Some(0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_tell_the_share() {
        for (text, weight) in [
            ("Advance podinfo.test canary weight 20", Some(20)),
            ("Advance podinfo.test primary weight 70", Some(30)),
            ("Routing all traffic to canary", Some(100)),
            ("Canary failed! Scaling down podinfo.test", Some(0)),
            ("Starting canary analysis for podinfo.test", None),
        ] {
            assert_eq!(weight_told(text), weight, "{text}");
        }
    }
}
