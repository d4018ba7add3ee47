//! Whether the engine itself was too late for what it measured to say anything about the target.

use canary_load::Quantiles;

/// A request that begins so much after its time is late. Milliseconds.
const LATE: f64 = 5.0;

/// How many requests were late, of several seconds together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lateness {
    requests: u64,
    /// Twice the number of those that were late.
    late_twice: u64,
}

impl Lateness {
    /// Adds the lags of a second, in milliseconds. A second tells quantiles: where the number of late requests is between two
    /// of them, the middle is taken.
    pub(crate) fn add(&mut self, lag: &Quantiles) {
        let rank = |permille: u64| (lag.count * permille).div_ceil(1000).max(1);
        let known = [
            (500, lag.p50),
            (900, lag.p90),
            (950, lag.p95),
            (990, lag.p99),
            (999, lag.p999),
            (1000, lag.max),
        ];
        self.requests += lag.count;
        let Some((first_late, _)) = known.into_iter().find(|(_, value)| *value > LATE) else { return };
        let on_time = known.into_iter().take_while(|(_, value)| *value <= LATE).last();
        let most = lag.count - on_time.map_or(0, |(permille, _)| rank(permille));
        let fewest = (lag.count + 1).saturating_sub(rank(first_late));
        self.late_twice += most + fewest;
    }

    /// More than one request of a hundred was late, as in a report whose 99th percentile is beyond the limit; and more than
    /// one at all, since a single one that wakes up late says nothing about the others.
    pub(crate) fn is_too_much(self) -> bool {
        self.late_twice * 50 > self.requests.max(100)
    }
}

#[cfg(test)]
mod tests {
    use hdrhistogram::Histogram;

    use super::*;

    /// A second with so many requests on time, and so many that were late.
    fn second(on_time: u64, late: u64) -> Quantiles {
        let mut lags = Histogram::<u64>::new_with_bounds(1, 60_000_000, 2).unwrap();
        for (lag, requests) in [(300, on_time), (9000, late)] {
            (0..requests).for_each(|_| lags.record(lag).unwrap());
        }
        Quantiles::of(&lags)
    }

    fn is_too_much(seconds: impl IntoIterator<Item = (u64, u64)>) -> bool {
        let mut lateness = Lateness::default();
        seconds.into_iter().for_each(|(on_time, late)| lateness.add(&second(on_time, late)));
        lateness.is_too_much()
    }

    #[test]
    fn one_late_second_of_a_minute_does_not_void_the_others() {
        let minute =
            |late: (u64, u64), usual: (u64, u64)| std::iter::repeat_n(usual, 59).chain(std::iter::once(late));
        assert!(!is_too_much(minute((9, 1), (10, 0))), "one request of 600");
        assert!(!is_too_much(minute((5, 5), (10, 0))), "less than 1 % of them");
        assert!(is_too_much(minute((0, 10), (10, 0))), "more than that");
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
