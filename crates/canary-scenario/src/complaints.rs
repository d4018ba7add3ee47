//! Why requests failed, in words: which check did not hold how often, and what could not be captured.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// Different complaints that are kept of a run.
const MOST: usize = 100;

/// Something that went wrong, and how often.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Complaint {
    /// The flow.
    pub flow: String,
    /// The step.
    pub step: String,
    /// What went wrong, such as `check "status 201": the status was 500`.
    pub what: String,
    /// How often.
    pub times: u64,
}

/// Complaints of all threads.
#[derive(Debug, Default)]
pub(crate) struct Complaints(Mutex<BTreeMap<(usize, usize, String), u64>>);

impl Complaints {
    /// Counts one. Kinds beyond the most that are kept are left out; the report's error counts have them.
    pub(crate) fn add(&self, flow: usize, step: usize, what: String) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = all.len() >= MOST;
        match all.entry((flow, step, what)) {
            std::collections::btree_map::Entry::Occupied(mut known) => *known.get_mut() += 1,
            std::collections::btree_map::Entry::Vacant(new) if !is_full => {
                new.insert(1);
            }
            std::collections::btree_map::Entry::Vacant(_) => {}
        }
    }

    /// All so far; `name` gives the names of flow and step.
    pub(crate) fn all(&self, name: impl Fn(usize, usize) -> (String, String)) -> Vec<Complaint> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let named = all.iter().map(|((flow, step, what), times)| {
            let (flow, step) = name(*flow, *step);
            Complaint { flow, step, what: what.clone(), times: *times }
        });
        named.collect()
    }
}
