//! What this process remembers of one canary between two calls. Nothing that correctness needs: it may be lost.

use std::collections::BTreeMap;

use canary_core::{Observed, Timestamp};

use crate::announce::Announcer;
use crate::explained::Explained;
use crate::finding::Finding;
use crate::history::Story;

/// The memory of one canary.
pub(crate) struct Memory {
    pub(crate) uid: String,
    pub(crate) announcer: Announcer,
    /// When its last tick began.
    pub(crate) last_tick: Option<Timestamp>,
    /// When its next call was asked for.
    pub(crate) due: Option<Timestamp>,
    /// Revision and configuration that were last seen, and since when.
    seen: Option<(String, Option<BTreeMap<String, String>>)>,
    pub(crate) changed_at: Option<Timestamp>,
    /// Its suspension was told.
    pub(crate) suspended: bool,
    /// What is wrong with it was told, in these words.
    pub(crate) invalid: Option<String>,
    /// It was looked at in this process.
    pub(crate) known: bool,
    /// Calls in a row that failed between ticks.
    pub(crate) failures: u32,
    /// Its deletion no longer waits for us; the cache may not know that yet.
    pub(crate) released: bool,
    /// Name of its target, for metrics.
    pub(crate) target: String,
    /// What the failed check of the present call found.
    pub(crate) finding: Option<Finding>,
    /// Values that the checks of the present call found, good or bad, by name.
    pub(crate) values: BTreeMap<String, f64>,
    /// Missing values that were explained.
    pub(crate) explained: Explained,
    /// What is worth keeping of the rollout under way.
    pub(crate) story: Story,
}

impl Memory {
    pub(crate) fn new(uid: String, announcer: Announcer) -> Self {
        Self {
            uid,
            announcer,
            last_tick: None,
            due: None,
            seen: None,
            changed_at: None,
            suspended: false,
            invalid: None,
            known: false,
            failures: 0,
            released: false,
            target: String::new(),
            finding: None,
            values: BTreeMap::new(),
            explained: Explained::default(),
            story: Story::default(),
        }
    }

    /// Notes what the target looks like, and completes `seen` with what only memory knows.
    pub(crate) fn complete(&mut self, seen: &mut Observed, now: Timestamp) {
        if let Ok(target) = &seen.target {
            let present = (target.revision.clone(), target.configs.clone());
            if self.seen.as_ref().is_some_and(|before| *before != present) {
                self.changed_at = Some(now);
            }
            self.seen = Some(present);
        }
        seen.last_tick = self.last_tick;
        seen.changed_at = self.changed_at;
    }
}
