use proptest::prelude::*;

use super::*;
use crate::Stage;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn all(mut schedule: Schedule) -> Vec<Duration> {
    std::iter::from_fn(|| schedule.take()).collect()
}

fn near(got: Option<Duration>, expected: f64) -> bool {
    got.is_some_and(|got| (got.as_secs_f64() - expected).abs() < 1e-6)
}

#[test]
fn arrival_k_is_where_the_integral_of_the_rate_reaches_k() {
    let ramp = Profile::ramp(0.0, 10.0, Duration::from_secs(10));
    let stages = Profile::stages(
        1.0,
        vec![
            Stage { length: ms(2000), to: 1.0 },
            Stage { length: Duration::ZERO, to: 4.0 },
            Stage { length: ms(1000), to: 4.0 },
            Stage { length: Duration::ZERO, to: 0.0 },
            Stage { length: ms(5000), to: 0.0 },
            Stage { length: Duration::ZERO, to: 2.0 },
        ],
    );
    // The ramp's integral is t²/2.
    for (profile, k, expected) in [
        (Profile::constant(10.0), 0, 0.0),
        (Profile::constant(10.0), 7, 0.7),
        (ramp.clone(), 2, 2.0),
        (ramp.clone(), 8, 4.0),
        (ramp.clone(), 50, 10.0),
        (ramp, 60, 11.0),
        (stages.clone(), 1, 1.0),
        (stages.clone(), 2, 2.0),
        (stages.clone(), 3, 2.25),
        (stages.clone(), 6, 3.0),
        (stages, 7, 8.5),
    ] {
        let mut schedule = Schedule::new(&profile, Arrivals::Even);
        for _ in 0..k {
            schedule.take();
        }
        assert!(near(schedule.peek(), expected), "{profile:?} {k}: {:?}", schedule.peek());
    }
}

#[test]
fn nothing_arrives_at_the_end_or_past_the_number_asked_for() {
    let ten = || Schedule::new(&Profile::constant(10.0), Arrivals::Even);
    assert_eq!(all(ten().ending(ms(1000))).len(), 10);
    assert_eq!(all(ten().at_most(3)), [0, 100, 200].map(ms));
    assert!(all(ten().at_most(0)).is_empty());
    let mut over = ten().at_most(1);
    assert!(!over.is_over(ms(0)));
    over.take();
    assert!(over.is_over(ms(0)));
}

#[test]
fn a_rate_of_zero_waits_for_another_rate() {
    let mut schedule = Schedule::new(&Profile::constant(0.0), Arrivals::Even);
    assert_eq!(schedule.peek(), None);
    assert!(!schedule.is_over(ms(1000)));
    schedule.set_rate(ms(5000), 2.0);
    assert_eq!(schedule.take(), Some(ms(5000)));
    assert_eq!(schedule.take(), Some(ms(5500)));
}

#[test]
fn overdue_arrivals_keep_their_time_when_the_rate_changes() {
    let mut schedule = Schedule::new(&Profile::constant(10.0), Arrivals::Even);
    schedule.take();
    schedule.set_rate(ms(250), 0.0);
    assert_eq!(schedule.take(), Some(ms(100)));
    assert_eq!(schedule.take(), Some(ms(200)));
    assert_eq!(schedule.take(), None);
}

#[test]
fn a_change_before_a_planned_one_takes_its_place_at_once() {
    let profile = Profile::stages(
        0.0,
        vec![Stage { length: ms(5000), to: 0.0 }, Stage { length: Duration::ZERO, to: 100.0 }],
    );
    let mut schedule = Schedule::new(&profile, Arrivals::Even);
    assert_eq!(schedule.peek(), Some(ms(5000)));
    schedule.set_rate(ms(1000), 2.0);
    assert_eq!(schedule.take(), Some(ms(1000)));
    assert_eq!(schedule.take(), Some(ms(1500)));
}

#[test]
fn a_rate_that_is_no_number_counts_as_none() {
    let mut schedule = Schedule::new(&Profile::constant(10.0), Arrivals::Even);
    schedule.take();
    schedule.set_rate(ms(50), f64::NAN);
    assert_eq!(schedule.peek(), None);
}

#[test]
fn poisson_gaps_have_the_mean_and_spread_of_independent_users() {
    let schedule =
        Schedule::new(&Profile::constant(100.0), Arrivals::Poisson { seed: 7 }).ending(ms(200_000));
    let times: Vec<f64> = all(schedule).iter().map(Duration::as_secs_f64).collect();
    let gaps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let count = f64::from(u32::try_from(gaps.len()).unwrap());
    let mean = gaps.iter().sum::<f64>() / count;
    let deviation = (gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / count).sqrt();
    assert!((mean - 0.01).abs() < 0.0003, "{mean}");
    assert!((deviation - 0.01).abs() < 0.0005, "{deviation}");
}

#[test]
fn the_same_seed_gives_the_same_arrivals_and_another_seed_others() {
    let of = |seed| all(Schedule::new(&Profile::constant(10.0), Arrivals::Poisson { seed }).ending(ms(2000)));
    assert_eq!(of(1), of(1));
    assert_ne!(of(1), of(2));
}

proptest! {
    #[test]
    fn shares_together_are_all_arrivals(rate in 1.0..500.0f64, shares in 1u32..6) {
        let profile = Profile::ramp(0.0, rate, ms(3000));
        let mut together: Vec<Duration> = (0..shares)
            .flat_map(|i| all(Schedule::share(&profile, Arrivals::Even, i, shares).ending(ms(5000))))
            .collect();
        together.sort();
        prop_assert_eq!(together, all(Schedule::new(&profile, Arrivals::Even).ending(ms(5000))));
    }

    #[test]
    fn changes_of_the_rate_neither_lose_arrivals_nor_bunch_them(
        changes in prop::collection::vec((1u64..2000, 0.0..300.0f64), 1..20)
    ) {
        let mut schedule = Schedule::new(&Profile::constant(50.0), Arrivals::Even);
        let (mut now, mut rate, mut integral, mut arrived) = (0.0, 50.0, 0.0, 0.0);
        let mut highest: f64 = 50.0;
        let mut last: Option<Duration> = None;
        for (length, next) in changes {
            let until = now + Duration::from_millis(length).as_secs_f64();
            while schedule.peek().is_some_and(|at| at.as_secs_f64() < until - 1e-9) {
                let at = schedule.take().unwrap();
                if let Some(last) = last {
                    prop_assert!((at.as_secs_f64() - last.as_secs_f64()) >= 1.0 / highest - 1e-6);
                }
                last = Some(at);
                arrived += 1.0;
            }
            integral += rate * (until - now);
            prop_assert!((arrived - integral).abs() <= 1.0 + 1e-6, "{} of {}", arrived, integral);
            schedule.set_rate(Duration::from_secs_f64(until), next);
            (now, rate, highest) = (until, next, highest.max(next));
        }
    }
}
