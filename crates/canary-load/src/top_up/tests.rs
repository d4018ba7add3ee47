//! The law on single cases, and in a simulated world of pods, scrapes and noise in virtual time.
#![allow(
    clippy::float_cmp,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)] // small numbers only

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A pod with a steady real rate that is scraped every 5 s, and whatever is sent counted in it.
struct Steady {
    top_up: TopUp,
    real: f64,
    counter: f64,
    total: f64,
    now: u64,
    arrives: bool,
    seen: bool,
}

impl Steady {
    fn new(target: f64, real: f64) -> Self {
        let top_up = TopUp::new(TopUpSettings::new(target, s(5)));
        Self { top_up, real, counter: 0.0, total: 0.0, now: 0, arrives: true, seen: true }
    }

    fn run(&mut self, seconds: u64) -> TopUpStep {
        let mut step = None;
        for _ in 0..seconds {
            if self.now.is_multiple_of(5) {
                if self.seen {
                    self.top_up.sample("a", s(self.now), self.counter);
                }
                step = Some(self.top_up.step(s(self.now)));
            }
            let rate = step.map_or(self.top_up.rate, |step| step.rate);
            self.total += rate;
            self.counter += self.real + if self.arrives { rate } else { 0.0 };
            self.now += 1;
            self.top_up.sent(s(self.now), self.total);
        }
        step.unwrap()
    }
}

fn near(got: f64, expected: f64) -> bool {
    (got - expected).abs() < 0.5
}

#[test]
fn it_fills_slowly_and_then_stays_without_swinging() {
    let mut world = Steady::new(100.0, 40.0);
    assert_eq!(world.run(5).state, TopUpState::Starting);
    // 10 s at 5 % of the target first.
    for _ in 0..2 {
        let step = world.run(5);
        assert_eq!((step.state, step.rate), (TopUpState::Checking, 5.0));
    }
    assert!(near(world.run(5).rate, 20.0));
    assert!(near(world.run(5).rate, 35.0));
    for _ in 0..50 {
        let step = world.run(20);
        assert!(near(step.rate, 60.0) && near(step.real.unwrap(), 40.0), "{step:?}");
    }
}

#[test]
fn it_yields_at_once_when_real_traffic_grows() {
    let mut world = Steady::new(100.0, 10.0);
    world.run(60);
    world.real = 95.0;
    world.run(5);
    assert!(near(world.run(5).rate, 5.0));
    world.real = 300.0;
    world.run(5);
    assert!(near(world.run(5).rate, 0.0));
}

#[test]
fn without_samples_it_holds_and_then_takes_everything_back() {
    let mut world = Steady::new(100.0, 40.0);
    world.run(60);
    world.seen = false;
    let held = world.run(30);
    assert_eq!(held.state, TopUpState::Holding);
    assert!(near(held.rate, 60.0));
    let blind = world.run(40);
    assert_eq!(blind.state, TopUpState::Blind);
    assert!(blind.rate < 60.0);
    assert!(near(world.run(20).rate, 0.0));
    world.seen = true;
    world.run(10);
    assert_eq!(world.run(5).state, TopUpState::Seeing);
}

#[test]
fn a_few_own_requests_have_to_show_up_before_more_are_sent() {
    // A query that finds a counter which nobody moves.
    let mut world = Steady::new(20.0, 0.0);
    world.arrives = false;
    let mut most: f64 = 0.0;
    for _ in 0..12 {
        most = most.max(world.run(5).rate);
    }
    let step = world.run(5);
    assert_eq!((step.state, step.rate, most), (TopUpState::Mismatch, 0.0, 1.0));
}

#[test]
fn a_query_for_the_traffic_of_others_is_found_out_as_soon_as_own_requests_outnumber_it() {
    // The counter is some other service's, so the start looks right; own requests never show up in it.
    let mut world = Steady::new(100.0, 30.0);
    world.arrives = false;
    let mut states = Vec::new();
    for _ in 0..30 {
        states.push(world.run(5).state);
    }
    assert!(states.contains(&TopUpState::Seeing), "{states:?}");
    assert_eq!(states.last(), Some(&TopUpState::Mismatch));
}

#[test]
fn a_target_that_stands_still_for_a_moment_is_no_mismatch() {
    let mut world = Steady::new(100.0, 10.0);
    world.run(60);
    // For 10 s nothing is counted, and then all of it.
    world.arrives = false;
    world.real = 0.0;
    let before = world.total;
    world.run(10);
    world.counter += world.total - before + 100.0;
    world.arrives = true;
    world.real = 10.0;
    let step = world.run(60);
    assert_eq!(step.state, TopUpState::Seeing);
    assert!(near(step.rate, 90.0), "{step:?}");
}

#[test]
fn where_real_traffic_is_enough_nothing_is_sent_and_nothing_is_checked() {
    let mut world = Steady::new(100.0, 150.0);
    let step = world.run(60);
    assert_eq!((step.state, step.rate), (TopUpState::Seeing, 0.0));
    // The check comes when there is need.
    world.real = 20.0;
    world.run(5);
    assert_eq!(world.run(5).state, TopUpState::Checking);
    assert!(near(world.run(60).rate, 80.0));
}

#[test]
fn own_requests_that_do_not_arrive_where_requests_are_counted_end_it() {
    let mut world = Steady::new(100.0, 0.0);
    world.arrives = false;
    let step = world.run(60);
    assert_eq!((step.state, step.rate), (TopUpState::Mismatch, 0.0));
    world.arrives = true;
    assert!(near(world.run(60).rate, 0.0));
}

#[test]
fn a_counter_that_begins_anew_is_no_traffic() {
    let mut world = Steady::new(100.0, 40.0);
    world.run(60);
    world.counter = 0.0;
    for _ in 0..10 {
        let step = world.run(5);
        assert!((step.rate - 60.0).abs() < 1.0, "{step:?}");
    }
}

#[test]
fn a_new_pod_is_taken_to_be_like_the_others_until_it_has_two_samples() {
    let mut top_up = TopUp::new(TopUpSettings::new(100.0, s(5)));
    for now in [0, 5] {
        top_up.sample("a", s(now), f64::from(u32::try_from(now).unwrap()) * 20.0);
    }
    top_up.sample("b", s(5), 0.0);
    let step = top_up.step(s(5));
    assert!(near(step.real.unwrap(), 40.0), "{step:?}");
}

#[test]
fn it_never_sends_more_than_it_may() {
    let settings = TopUpSettings { max: 20.0, ..TopUpSettings::new(100.0, s(5)) };
    let mut world = Steady { top_up: TopUp::new(settings), ..Steady::new(100.0, 0.0) };
    assert!(near(world.run(120).rate, 20.0));
}

// The simulated world: 4 pods, scrapes at their own phases of which 3 % fail, samples visible after a second, real
// traffic with slow noise of 10 % and Poisson arrivals.

const PODS: usize = 4;
const SECONDS: usize = 1800;
const POLL: usize = 5;

type Load = fn(f64) -> f64;

fn steady(_: f64) -> f64 {
    0.4
}

fn slow_wave(t: f64) -> f64 {
    0.45 - 0.40 * (std::f64::consts::TAU * t / 900.0).cos()
}

fn steps(t: f64) -> f64 {
    [0.1, 0.8, 0.3, 1.3, 0.2, 0.6][((t / 300.0) as usize) % 6]
}

fn gauss(random: &mut StdRng) -> f64 {
    let (u, v): (f64, f64) = (random.random(), random.random());
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

fn poisson(random: &mut StdRng, mean: f64) -> f64 {
    if mean > 40.0 {
        return (mean + mean.sqrt() * gauss(random)).round().max(0.0);
    }
    let (mut count, mut product, floor) = (0.0, random.random::<f64>(), (-mean).exp());
    while product > floor {
        count += 1.0;
        product *= random.random::<f64>();
    }
    count
}

/// Own requests, whose sum is exact; which pod gets one is chance.
fn split(random: &mut StdRng, mut sent: f64) -> [f64; PODS] {
    let mut parts = [0.0; PODS];
    for (index, part) in parts.iter_mut().enumerate() {
        let left = (PODS - index) as f64;
        let mean = sent / left;
        *part = if left > 1.0 {
            (mean + (mean * (1.0 - 1.0 / left)).sqrt() * gauss(random)).round().clamp(0.0, sent)
        } else {
            sent
        };
        sent -= *part;
    }
    parts
}

/// Root mean square of the error of the total in percent of the target, over means of 10 s.
fn rms(load: Load, target: f64, scrape: usize, seed: u64) -> f64 {
    let mut random = StdRng::seed_from_u64(seed);
    let mut top_up = TopUp::new(TopUpSettings::new(target, s(scrape as u64)));
    let (mut counters, mut waiting) = ([0.0; PODS], Vec::new());
    let phases: Vec<usize> = (0..PODS).map(|_| random.random_range(0..scrape)).collect();
    let (mut rate, mut drift, mut own): (f64, f64, f64) = (0.0, 0.0, 0.0);
    let (mut reals, mut totals) = (Vec::new(), Vec::new());
    for t in 0..SECONDS {
        drift = 0.97 * drift + 0.1 * (1.0 - 0.97_f64.powi(2)).sqrt() * gauss(&mut random);
        let real = target * load(t as f64) * (1.0 + drift).max(0.0);
        waiting.retain(|(pod, at, counter): &(usize, usize, f64)| {
            let visible = *at < t;
            if visible {
                top_up.sample(&pod.to_string(), s(*at as u64), *counter);
            }
            !visible
        });
        if t % POLL == 0 {
            rate = top_up.step(s(t as u64)).rate;
        }
        let sent = (own + rate).floor() - own.floor();
        let mut count = 0.0;
        for (pod, mine) in split(&mut random, sent).into_iter().enumerate() {
            let all = poisson(&mut random, real / PODS as f64) + mine;
            counters[pod] += all;
            count += all;
            if t % scrape == phases[pod] && random.random::<f64>() > 0.03 {
                waiting.push((pod, t + 1, counters[pod]));
            }
        }
        own += rate;
        top_up.sent(s(t as u64 + 1), own);
        reals.push(real);
        totals.push(count);
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / 10.0;
    let errors: Vec<f64> = (10..SECONDS)
        .map(|end| {
            let (real, total) = (mean(&reals[end - 10..end]), mean(&totals[end - 10..end]));
            (total - target.max(real)) / target * 100.0
        })
        .skip(120)
        .collect();
    (errors.iter().map(|e| e * e).sum::<f64>() / errors.len() as f64).sqrt()
}

#[test]
fn the_total_keeps_to_the_target_as_well_as_the_design_says() {
    // Percent of the target, with a target of 100 a second: real load, seconds between scrapes, rms of the design.
    for (name, load, scrape, expected) in [
        ("steady", steady as Load, 15, 3.8),
        ("steady", steady, 5, 3.2),
        ("steady", steady, 2, 3.5),
        ("slow wave", slow_wave, 15, 6.1),
        ("slow wave", slow_wave, 5, 4.1),
        ("slow wave", slow_wave, 2, 4.1),
        ("steps", steps, 15, 14.1),
        ("steps", steps, 5, 10.2),
        ("steps", steps, 2, 8.7),
    ] {
        let got = (0..6).map(|seed| rms(load, 100.0, scrape, seed)).sum::<f64>() / 6.0;
        assert!(got <= 1.5 * expected, "{name}, {scrape} s: {got:.1} instead of {expected}");
        // A law that does nothing would be far off.
        assert!(got > 0.5, "{name}: {got}");
    }
}
