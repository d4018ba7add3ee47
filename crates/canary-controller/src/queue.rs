//! Which canary is looked at when: at once after something changed, else when its last call said so. One canary is never
//! looked at twice at a time; different ones do not wait for each other.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use crate::store::Key;

/// The schedule of all canaries. A value: the caller has the clock and starts the work.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    entries: HashMap<Key, Entry>,
    times: BTreeSet<(Timestamp, Key)>,
}

#[derive(Debug, Default)]
struct Entry {
    running: bool,
    /// Something changed since the running call began.
    touched: bool,
    due: Option<Timestamp>,
}

impl Queue {
    /// Something about that canary changed.
    pub(crate) fn touch(&mut self, key: &Key, now: Timestamp) {
        let entry = self.entries.entry(key.clone()).or_default();
        if entry.running {
            entry.touched = true;
        } else {
            self.schedule(key, Some(now));
        }
    }

    /// The call of that canary ended and wants to be repeated then.
    pub(crate) fn done(&mut self, key: &Key, next: Option<Timestamp>, now: Timestamp) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        entry.running = false;
        let touched = std::mem::take(&mut entry.touched);
        self.schedule(key, if touched { Some(now) } else { next });
    }

    /// The canary is gone.
    pub(crate) fn forget(&mut self, key: &Key) {
        self.schedule(key, None);
        self.entries.remove(key);
    }

    /// Takes the canaries that are due; each counts as running until it is done.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Vec<Key> {
        let mut due = Vec::new();
        while self.times.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, key)) = self.times.pop_first() else { break };
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.due = None;
                entry.running = true;
                due.push(key);
            }
        }
        due
    }

    /// When the next canary is due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.times.first().map(|(at, _)| *at)
    }

    fn schedule(&mut self, key: &Key, at: Option<Timestamp>) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        if let Some(old) = entry.due.take() {
            self.times.remove(&(old, key.clone()));
        }
        if let Some(at) = at {
            entry.due = Some(at);
            self.times.insert((at, key.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn key(name: &str) -> Key {
        ("test".into(), name.into())
    }

    #[test]
    fn a_canary_is_not_looked_at_twice_at_a_time() {
        let mut queue = Queue::default();
        queue.touch(&key("a"), at(0));
        assert_eq!(queue.take_due(at(0)), [key("a")]);
        queue.touch(&key("a"), at(1));
        assert_eq!(queue.take_due(at(1)), Vec::<Key>::new());
        queue.done(&key("a"), Some(at(100)), at(2));
        assert_eq!(queue.take_due(at(2)), [key("a")], "the change is not lost");
    }

    #[test]
    fn a_change_comes_before_the_time_that_was_asked_for() {
        let mut queue = Queue::default();
        queue.touch(&key("a"), at(0));
        queue.take_due(at(0));
        queue.done(&key("a"), Some(at(100)), at(0));
        assert_eq!(queue.next_due(), Some(at(100)));
        queue.touch(&key("a"), at(5));
        assert_eq!(queue.next_due(), Some(at(5)));
        queue.take_due(at(5));
        queue.done(&key("a"), None, at(6));
        assert_eq!(queue.next_due(), None);
    }

    #[test]
    fn what_is_forgotten_is_not_due() {
        let mut queue = Queue::default();
        queue.touch(&key("a"), at(0));
        queue.forget(&key("a"));
        assert_eq!(queue.next_due(), None);
        queue.done(&key("a"), Some(at(1)), at(1));
        assert_eq!(queue.next_due(), None);
    }
}
