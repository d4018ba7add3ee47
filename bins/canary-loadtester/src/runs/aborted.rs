//! Runs that were ended because they did harm. They are remembered for a while, also by the next process, so that the next call does
//! not begin them anew.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{AFTERLIFE, Label, Record, Runs};

/// What is remembered of a run that was aborted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Aborted {
    pub(crate) id: String,
    /// What makes two calls for load the same.
    pub(crate) identity: String,
    #[serde(flatten)]
    pub(crate) label: Label,
    pub(crate) began: Timestamp,
    pub(crate) ended: Timestamp,
    pub(crate) reason: String,
}

/// Those of earlier processes, by their names.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory(Arc<Mutex<BTreeMap<String, Aborted>>>);

impl Aborted {
    /// How long it is still to be remembered; none when it is not.
    pub(crate) fn left(&self, now: Timestamp) -> Option<Duration> {
        let left = AFTERLIFE - (now.as_second() - self.ended.as_second());
        u64::try_from(left).ok().filter(|left| *left > 0).map(Duration::from_secs)
    }

    /// How the API shows it.
    pub(crate) fn show(&self) -> Value {
        let Self { id, identity: _, label, began, ended, reason } = self;
        json!({"id": id, "namespace": label.namespace, "canary": label.canary, "name": label.name, "began": began,
            "state": "aborted", "reason": reason, "ended": ended})
    }
}

impl Record {
    /// Ends it soon, because the load did harm. Its results judge nothing.
    pub(crate) fn abort(&self, why: String) {
        tracing::warn!(run = self.id, why, "load is aborted");
        let _ = self.aborted.set(why);
        self.stop();
    }

    /// Why it was aborted.
    pub(crate) fn aborted(&self) -> Option<&str> {
        self.aborted.get().map(String::as_str)
    }

    /// What is remembered of it, when it was aborted.
    pub(crate) fn to_remember(&self) -> Option<Aborted> {
        Some(Aborted {
            reason: self.aborted()?.to_owned(),
            id: self.id.clone(),
            identity: self.identity.clone(),
            label: self.label.clone(),
            began: self.first.unwrap_or(self.began),
            ended: self.ended().unwrap_or_else(Timestamp::now),
        })
    }
}

impl Runs {
    /// The run under that identity that was aborted not long ago: it is not to be started again.
    pub(crate) fn aborted(&self, identity: &str) -> Option<Aborted> {
        let now = Timestamp::now();
        let of_this_process = self.all().into_iter().rev().filter_map(|run| run.to_remember());
        let mut all = of_this_process.chain(self.remembered());
        all.find(|run| run.identity == identity && run.left(now).is_some())
    }

    /// Those of earlier processes that are not too old.
    pub(crate) fn remembered(&self) -> Vec<Aborted> {
        let now = Timestamp::now();
        let mut known = self.1.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, run| run.left(now).is_some());
        known.values().cloned().collect()
    }

    /// Takes over what an earlier process remembered.
    pub(crate) fn remember(&self, run: Aborted) {
        self.1.0.lock().unwrap_or_else(PoisonError::into_inner).insert(run.id.clone(), run);
    }

    /// Strikes one out that has ended.
    pub(crate) fn remove(&self, id: &str) {
        self.1.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        let mut runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        runs.retain(|known, run| known != id || run.ended().is_none());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_aborted_is_remembered_for_ten_minutes() {
        let (runs, now) = (Runs::default(), Timestamp::now());
        for (id, ago) in [("old", 601), ("young", 590)] {
            let ended = Timestamp::from_second(now.as_second() - ago).unwrap();
            let identity = id.to_owned();
            let label = Label::default();
            runs.remember(Aborted {
                id: id.into(),
                identity,
                label,
                began: ended,
                ended,
                reason: "why".into(),
            });
        }
        assert_eq!(runs.aborted("old"), None);
        let young = runs.aborted("young").unwrap();
        let again: Aborted = serde_json::from_str(&serde_json::to_string(&young).unwrap()).unwrap();
        assert_eq!(again, young);
        runs.remove("young");
        assert_eq!(runs.aborted("young"), None);
    }
}
