//! Whether the engine itself was too late for what it measured to say anything about the target.

use std::ops::AddAssign;

use hdrhistogram::Histogram;

/// A request that begins so much after its time is late. Milliseconds.
pub(crate) const LATE: f64 = 5.0;
const LATE_MICROS: u64 = 5_000;

/// How many requests began, and how many of them more than 5 ms after their time for a reason of the engine's own; of a second, or
/// of several.
///
/// ```
/// use canary_load::Lateness;
///
/// let mut minute = Lateness { begun: 990, late: 9 };
/// minute += Lateness { begun: 10, late: 1 };
/// assert!(!minute.is_too_much());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lateness {
    /// Requests whose sending began.
    pub begun: u64,
    /// Those of them that were late.
    pub late: u64,
}

impl Lateness {
    pub(crate) fn of(lags: &Histogram<u64>) -> Self {
        Self { begun: lags.len(), late: lags.count_between(LATE_MICROS + 1, lags.high()) }
    }

    /// More than one request of a hundred was late, as in a report whose 99th percentile is beyond the limit; and more than
    /// one at all, since a single one that wakes up late says nothing about the others.
    pub fn is_too_much(self) -> bool {
        self.late * 100 > self.begun.max(100)
    }
}

impl AddAssign for Lateness {
    fn add_assign(&mut self, other: Self) {
        self.begun += other.begun;
        self.late += other.late;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::histogram::{coarse, record};

    /// A second with so many requests on time, and so many that were late.
    fn second(on_time: u64, late: u64) -> Lateness {
        let mut lags = coarse();
        for (lag, requests) in [(4900, on_time), (9000, late)] {
            (0..requests).for_each(|_| record(&mut lags, Duration::from_micros(lag)));
        }
        Lateness::of(&lags)
    }

    fn is_too_much(seconds: impl IntoIterator<Item = (u64, u64)>) -> bool {
        let mut lateness = Lateness::default();
        seconds.into_iter().for_each(|(on_time, late)| lateness += second(on_time, late));
        lateness.is_too_much()
    }

    #[test]
    fn late_is_what_began_more_than_5_ms_after_its_time() {
        assert_eq!(second(7, 3), Lateness { begun: 10, late: 3 });
    }

    #[test]
    fn one_late_second_of_a_minute_does_not_void_the_others() {
        let minute =
            |late: (u64, u64), usual: (u64, u64)| std::iter::repeat_n(usual, 59).chain(std::iter::once(late));
        assert!(!is_too_much(minute((9, 1), (10, 0))), "one request of 600");
        assert!(!is_too_much(minute((4, 6), (10, 0))), "1 % of them");
        assert!(is_too_much(minute((3, 7), (10, 0))), "more than that");
        assert!(!is_too_much(minute((950, 50), (1000, 0))));
        assert!(is_too_much(minute((0, 1000), (1000, 0))), "a second in which nothing was on time");
    }

    #[test]
    fn what_is_late_all_the_time_is_too_much_at_any_rate() {
        for (on_time, late) in [(1, 1), (8, 2), (98, 2), (980, 20), (0, 5), (1900, 100)] {
            assert!(is_too_much(std::iter::repeat_n((on_time, late), 60)), "{late} beside {on_time}");
        }
        for (on_time, late) in [(10, 0), (199, 1), (995, 5)] {
            assert!(!is_too_much(std::iter::repeat_n((on_time, late), 60)), "{late} beside {on_time}");
        }
    }

    #[test]
    fn a_single_late_request_is_never_enough_and_no_request_is_none() {
        assert!(!is_too_much([(0, 1)]) && !is_too_much([(20, 1), (20, 0)]) && !is_too_much([(0, 0)]));
        assert!(is_too_much([(20, 1), (20, 1)]));
    }
}
