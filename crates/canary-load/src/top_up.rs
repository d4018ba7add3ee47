//! Fills real traffic up to a target: the control law. Pure; samples, own requests and time come from outside.
//!
//! The trap is a loop: the counters contain our own requests, and they are seen late. "Target minus what is counted, plus
//! what I send now" subtracts a young number from an old one, which integrates over a delay and swings. Here own requests
//! are taken off over exactly the time between the two samples that are compared, so that what is sent now is not in its
//! own input, and no setting can make it swing.

mod pods;
mod sent;

use std::time::Duration;

use pods::Pods;
use sent::Sent;

/// After so many missed scrapes a pod counts as not seen.
const STALE_SCRAPES: u32 = 3;
/// After that time without any sample the load is taken back.
const BLIND: Duration = Duration::from_secs(60);
/// How fast it is taken back then, in parts of the target per second.
const RETREAT: f64 = 0.05;
/// Requests in a scrape from which on only the newest scrape counts.
const ENOUGH: f64 = 300.0;
/// Own requests may be missing in the counters by so many standard deviations before that is an error.
const SIGMAS: f64 = 3.0;
/// And by that part, since requests are counted a little after they were sent.
const LEEWAY: f64 = 0.1;
/// So many new estimates in a row, over so many seconds, have to say so: a target that stands still for a moment counts late.
const WITNESSES: u32 = 2;
const MISSING: f64 = 15.0;
/// The check at the start: at that part of the target, for so many seconds and requests, of which half have to be counted.
const CHECK_RATE: f64 = 0.05;
const CHECK_SECONDS: f64 = 10.0;
const CHECK_REQUESTS: f64 = 5.0;
const CHECK_SHARE: f64 = 0.5;

/// What is to be reached. Rates in requests per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TopUpSettings {
    /// Real and own requests together.
    pub target: f64,
    /// Own requests at the most.
    pub max: f64,
    /// How often the pods' counters are read.
    pub scrape: Duration,
    /// How fast own requests may increase, in parts of the target per second. Decreasing is never limited.
    pub rise: f64,
}

impl TopUpSettings {
    /// Up to `target`, with counters that are read every `scrape`.
    pub fn new(target: f64, scrape: Duration) -> Self {
        Self { target, max: target, scrape, rise: 0.03 }
    }
}

/// How well the real traffic is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TopUpState {
    /// Two samples of a pod are needed first; nothing is sent.
    Starting,
    /// A few own requests have to show up where requests are counted before more are sent.
    Checking,
    /// It is known.
    Seeing,
    /// Some or all pods have not been seen for some scrapes: own requests do not increase.
    Holding,
    /// Nothing has been seen for a minute: own requests are taken back, and results are no evidence.
    Blind,
    /// Own requests do not arrive where requests are counted: a wrong query or a wrong address. Nothing is sent any more.
    Mismatch,
}

/// What to do until the next step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TopUpStep {
    /// Own requests per second.
    pub rate: f64,
    /// How well the real traffic is known.
    pub state: TopUpState,
    /// Real requests per second, as far as known.
    pub real: Option<f64>,
    /// Age of the newest sample.
    pub age: Option<Duration>,
}

/// Fills real traffic up to a target.
///
/// ```
/// use std::time::Duration;
/// use canary_load::{TopUp, TopUpSettings, TopUpState};
///
/// let seconds = Duration::from_secs;
/// let mut top_up = TopUp::new(TopUpSettings::new(100.0, seconds(5)));
/// // One pod with 40 real requests a second, and none of ours yet.
/// top_up.sample("pod", seconds(0), 0.0);
/// top_up.sample("pod", seconds(5), 200.0);
/// let step = top_up.step(seconds(5));
/// assert_eq!((step.state, step.real), (TopUpState::Checking, Some(40.0)));
/// // It wants 60. First 5 % of the target have to show up in the counter for 10 s, then it gets there by 3 a second.
/// assert_eq!(step.rate, 5.0);
/// ```
#[derive(Debug)]
pub struct TopUp {
    settings: TopUpSettings,
    pods: Pods,
    sent: Sent,
    estimate: Option<f64>,
    /// Mean time of the samples behind the estimate, in seconds.
    estimated_at: f64,
    rate: f64,
    stepped: Option<Duration>,
    missing: u32,
    /// Since when own requests are missing, in seconds.
    missing_since: f64,
    mismatch: bool,
    check: Check,
}

/// The check at the start, as far as it has come.
#[derive(Clone, Copy, Debug, Default)]
struct Check {
    seconds: f64,
    own: f64,
    all: f64,
    passed: bool,
}

impl TopUp {
    /// Nothing is known and nothing is sent.
    pub fn new(settings: TopUpSettings) -> Self {
        Self {
            settings,
            pods: Pods::default(),
            sent: Sent::default(),
            estimate: None,
            estimated_at: 0.0,
            rate: 0.0,
            stepped: None,
            missing: 0,
            missing_since: 0.0,
            mismatch: false,
            check: Check::default(),
        }
    }

    /// A pod's counter had that value at that time. Older samples than the newest of the pod are left out.
    pub fn sample(&mut self, pod: &str, at: Duration, counter: f64) {
        if counter.is_finite() {
            self.pods.sample(pod, at.as_secs_f64(), counter);
        }
    }

    /// That many own requests have been sent until then, since the start. Best told every second.
    pub fn sent(&mut self, at: Duration, total: f64) {
        self.sent.push(at.as_secs_f64(), total);
    }

    /// Another target from now on.
    pub fn set_target(&mut self, target: f64) {
        self.settings.target = target.max(0.0);
    }

    /// What to do now; best called every 5 seconds or more often.
    pub fn step(&mut self, now: Duration) -> TopUpStep {
        let TopUpSettings { target, max, scrape, rise } = self.settings;
        let passed = self.stepped.map_or(scrape.min(Duration::from_secs(5)), |last| now.saturating_sub(last));
        let passed = passed.as_secs_f64();
        self.stepped = Some(now);
        let seconds = now.as_secs_f64();
        let unseen_for = scrape.as_secs_f64() * f64::from(STALE_SCRAPES);
        self.pods.forget(seconds - BLIND.as_secs_f64().max(2.0 * unseen_for));
        let age = self.pods.newest().map(|at| (seconds - at).max(0.0));
        self.look(seconds - unseen_for);

        let wanted = (target - self.estimate.unwrap_or(target).max(0.0)).clamp(0.0, max.max(0.0));
        let state = match (self.mismatch, self.estimate, age) {
            (true, _, _) => TopUpState::Mismatch,
            (false, None, _) => TopUpState::Starting,
            (false, Some(_), None) => TopUpState::Blind,
            (false, Some(_), Some(age)) if age > BLIND.as_secs_f64() => TopUpState::Blind,
            (false, Some(_), Some(_)) if self.pods.has_stale(seconds - unseen_for) => TopUpState::Holding,
            // Where nothing is wanted there is nothing to check.
            (false, Some(_), Some(_)) if !self.check.passed && wanted > 0.0 => TopUpState::Checking,
            (false, Some(_), Some(_)) => TopUpState::Seeing,
        };
        self.rate = match state {
            TopUpState::Starting | TopUpState::Mismatch => 0.0,
            TopUpState::Checking => wanted.min(CHECK_RATE * target),
            TopUpState::Blind => (self.rate - RETREAT * target * passed).max(0.0),
            TopUpState::Holding => self.rate.min(wanted),
            TopUpState::Seeing => wanted.min(self.rate + rise * target * passed),
        };
        TopUpStep {
            rate: self.rate,
            state,
            real: self.estimate.map(|real| real.max(0.0)),
            age: age.and_then(|age| Duration::try_from_secs_f64(age).ok()),
        }
    }

    /// Takes new samples into the estimate.
    fn look(&mut self, fresh_from: f64) {
        let Some(seen) = self.pods.real(&self.sent, fresh_from) else { return };
        if self.estimate.is_some() && seen.at <= self.estimated_at {
            return;
        }
        let Some(estimate) = self.estimate else {
            (self.estimate, self.estimated_at) = (Some(seen.real), seen.at);
            return;
        };
        // Several pods report between two steps: weigh by the share of the scrape that is new.
        let scrape = self.settings.scrape.as_secs_f64().max(1e-3);
        let part = ((seen.at - self.estimated_at) / scrape).min(1.0);
        let alpha = (self.settings.target * scrape / ENOUGH).sqrt().clamp(0.3, 1.0);
        let weight = if alpha < 1.0 { 1.0 - (1.0 - alpha).powf(part) } else { 1.0 };
        self.estimate = Some(estimate + weight * (seen.real - estimate));
        self.check(seen.real, seen.own, seen.at - self.estimated_at);
        self.estimated_at = seen.at;
        if seen.real < -(SIGMAS * seen.noise + LEEWAY * seen.own) {
            if self.missing == 0 {
                self.missing_since = seen.at;
            }
            self.missing += 1;
            self.mismatch |= self.missing >= WITNESSES && seen.at - self.missing_since >= MISSING;
        } else {
            self.missing = 0;
        }
    }

    /// Goes on with the check at the start, with rates over that many more seconds.
    fn check(&mut self, real: f64, own: f64, seconds: f64) {
        let check = &mut self.check;
        if check.passed || own <= 0.0 {
            return;
        }
        check.seconds += seconds;
        check.own += own * seconds;
        check.all += (real + own) * seconds;
        if check.seconds >= CHECK_SECONDS && check.own >= CHECK_REQUESTS {
            check.passed = check.all >= CHECK_SHARE * check.own;
            self.mismatch |= !check.passed;
        }
    }
}

#[cfg(test)]
mod tests;
