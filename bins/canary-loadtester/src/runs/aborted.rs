//! Runs that were ended because they did harm. They are remembered for a while, so that the next call does not begin them anew.

use std::sync::{Arc, PoisonError};

use jiff::Timestamp;

use super::{AFTERLIFE, Record, Runs};

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
}

impl Runs {
    /// The run under that identity that was aborted not long ago: it is not to be started again.
    pub(crate) fn aborted(&self, identity: &str) -> Option<Arc<Record>> {
        let now = Timestamp::now().as_second();
        let is_meant = |run: &Arc<Record>| {
            let is_young = run.ended().is_none_or(|ended| now - ended.as_second() < AFTERLIFE);
            run.identity == identity && run.aborted().is_some() && is_young
        };
        self.all().into_iter().rfind(is_meant)
    }

    /// Strikes one out that has ended.
    pub(crate) fn remove(&self, id: &str) {
        let mut runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        runs.retain(|known, run| known != id || run.ended().is_none());
    }
}
