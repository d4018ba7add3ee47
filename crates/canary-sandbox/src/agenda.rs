//! What is to be done when, in virtual time.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use crate::kinds::KindId;

/// Something that the cluster does by itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Work {
    Deployment(String, String),
    DaemonSet(String, String),
    Autoscaler(String, String),
    /// Deletes what the object with this uid owned.
    Orphans(String),
    /// Deletes the object if none of its owners exists.
    Owners(KindId, String, String),
    Namespace(String),
    EndWatch(KindId, u64),
    Bookmark(KindId, u64),
    ReleaseWatches(KindId),
}

/// Work in time order; the same work is planned once, for its earliest time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Agenda {
    queue: BTreeMap<(Timestamp, u64), Work>,
    planned: HashMap<Work, (Timestamp, u64)>,
    count: u64,
    /// Something was planned since this was last asked.
    changed: bool,
}

impl Agenda {
    pub(crate) fn plan(&mut self, due: Timestamp, work: Work) {
        if let Some(key) = self.planned.get(&work) {
            if key.0 <= due {
                return;
            }
            self.queue.remove(key);
        }
        self.count += 1;
        let key = (due, self.count);
        self.planned.insert(work.clone(), key);
        self.queue.insert(key, work);
        self.changed = true;
    }

    pub(crate) fn cancel(&mut self, work: &Work) {
        if let Some(key) = self.planned.remove(work) {
            self.queue.remove(&key);
        }
    }

    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.queue.first_key_value().map(|((due, _), _)| *due)
    }

    pub(crate) fn take_due(&mut self, now: Timestamp) -> Option<(Timestamp, Work)> {
        let entry = self.queue.first_entry()?;
        if entry.key().0 > now {
            return None;
        }
        let ((due, _), work) = entry.remove_entry();
        self.planned.remove(&work);
        Some((due, work))
    }

    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_work_is_done_once_and_at_its_earliest_time() {
        let at = |s| Timestamp::from_second(s).unwrap();
        let work = || Work::Namespace("a".into());
        let mut agenda = Agenda::default();
        agenda.plan(at(5), work());
        agenda.plan(at(3), work());
        agenda.plan(at(4), work());
        assert_eq!(agenda.next_due(), Some(at(3)));
        assert_eq!(agenda.take_due(at(2)), None);
        assert_eq!(agenda.take_due(at(9)), Some((at(3), work())));
        assert_eq!(agenda.take_due(at(9)), None);
    }
}
