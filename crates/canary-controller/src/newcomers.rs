//! Canaries that were never set up, a few at a time: a thousand of them that come at once (an installation, a restored
//! backup) would keep the API server so busy that the ticks of rollouts under way come late. One that waits here has no
//! rhythm yet that it could miss.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;

use crate::store::Key;

/// How many are set up at the same time.
const AT_ONCE: usize = 4;
/// How long one keeps its place. It may wait for somebody else, such as a metric provider that is down.
const PLACE_FOR: Duration = Duration::from_secs(10);

/// Who is being set up, and who waits for it. A value: the caller has the clock.
#[derive(Debug, Default)]
pub(crate) struct Newcomers {
    /// Since when each of them is at it.
    places: HashMap<Key, Timestamp>,
    waiting: VecDeque<Key>,
}

impl Newcomers {
    /// Whether that canary may begin now; if not, it is handed out by [`Self::next`] later.
    pub(crate) fn admit(&mut self, key: &Key, now: Timestamp) -> bool {
        let admitted = self.has_room(now);
        if admitted {
            self.places.insert(key.clone(), now);
        } else {
            self.waiting.push_back(key.clone());
        }
        admitted
    }

    /// The first call of that canary ended, or it was no newcomer.
    pub(crate) fn left(&mut self, key: &Key) {
        self.places.remove(key);
    }

    /// One that waited and may ask again to be admitted.
    pub(crate) fn next(&mut self, now: Timestamp) -> Option<Key> {
        if self.has_room(now) { self.waiting.pop_front() } else { None }
    }

    /// When somebody may be handed out even if nobody leaves.
    pub(crate) fn next_place(&self) -> Option<Timestamp> {
        if self.waiting.is_empty() {
            return None;
        }
        self.places.values().min().and_then(|since| since.checked_add(PLACE_FOR).ok())
    }

    fn has_room(&mut self, now: Timestamp) -> bool {
        if self.places.len() >= AT_ONCE {
            // Also of a time to come: the clock was put back.
            self.places.retain(|_, since| now.duration_since(*since).unsigned_abs() < PLACE_FOR);
        }
        self.places.len() < AT_ONCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> Key {
        ("test".into(), format!("canary-{number}"))
    }

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(milliseconds).unwrap()
    }

    /// As many as may begin, and two that wait.
    fn full() -> Newcomers {
        let mut newcomers = Newcomers::default();
        for number in 0..AT_ONCE + 2 {
            assert_eq!(newcomers.admit(&key(number), at(0)), number < AT_ONCE);
        }
        newcomers
    }

    #[test]
    fn whoever_waits_longest_follows_the_one_that_leaves() {
        let mut newcomers = full();
        assert_eq!(newcomers.next(at(1)), None);
        newcomers.left(&key(3));
        assert_eq!(newcomers.next(at(1)), Some(key(AT_ONCE)));
        assert!(newcomers.admit(&key(AT_ONCE), at(1)));
        assert_eq!(newcomers.next(at(1)), None, "one left, one came");
    }

    #[test]
    fn those_who_wait_for_somebody_else_do_not_keep_their_places() {
        let mut newcomers = full();
        assert_eq!(newcomers.next_place(), Some(at(10_000)));
        assert_eq!(newcomers.next(at(10_000)), Some(key(AT_ONCE)));
        assert!(newcomers.admit(&key(AT_ONCE), at(10_000)));
        assert_eq!(newcomers.next(at(10_000)), Some(key(AT_ONCE + 1)));
        assert!(newcomers.admit(&key(AT_ONCE + 1), at(10_000)));
        assert_eq!(newcomers.next_place(), None, "nobody waits");
    }

    #[test]
    fn a_clock_that_is_put_back_keeps_nobody_waiting() {
        let mut newcomers = full();
        assert_eq!(newcomers.next(at(-50_000)), Some(key(AT_ONCE)));
    }
}
