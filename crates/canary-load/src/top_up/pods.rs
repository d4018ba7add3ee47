//! The pods' counters, and the real traffic behind them.

use std::collections::{BTreeMap, VecDeque};

use super::sent::Sent;

/// Samples that are kept of each pod.
const KEPT: usize = 4;

/// The counters of all pods, newest samples last, as seconds and counts.
#[derive(Debug, Default)]
pub(super) struct Pods(BTreeMap<String, VecDeque<(f64, f64)>>);

/// What two samples of each pod say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// Real requests per second of all pods; below zero when own ones are missing.
    pub(super) real: f64,
    /// Own requests per second.
    pub(super) own: f64,
    /// Standard deviation of the real requests per second, from the chance by which own ones reach pods and come.
    pub(super) noise: f64,
    /// Mean time of the newest samples.
    pub(super) at: f64,
}

impl Pods {
    pub(super) fn sample(&mut self, pod: &str, at: f64, counter: f64) {
        let samples = match self.0.get_mut(pod) {
            Some(samples) => samples,
            None => self.0.entry(pod.to_owned()).or_default(),
        };
        match samples.back() {
            Some((last, _)) if at <= *last => return,
            // The counter began anew, somewhere in between: what was counted meanwhile is not known.
            Some((_, before)) if counter < *before => samples.clear(),
            Some(_) | None => {}
        }
        samples.push_back((at, counter));
        if samples.len() > KEPT {
            samples.pop_front();
        }
    }

    /// Pods that have not been seen since `before` are gone.
    pub(super) fn forget(&mut self, before: f64) {
        // All of them at once are no pods that went, but a view that is lost.
        if self.newest().is_some_and(|newest| newest >= before) {
            self.0.retain(|_, samples| samples.back().is_some_and(|(at, _)| *at >= before));
        }
    }

    /// Time of the newest sample of all.
    pub(super) fn newest(&self) -> Option<f64> {
        self.0.values().filter_map(|samples| samples.back()).map(|(at, _)| *at).reduce(f64::max)
    }

    /// Whether a pod has not been seen since `from`.
    pub(super) fn has_stale(&self, from: f64) -> bool {
        self.0.values().any(|samples| samples.back().is_none_or(|(at, _)| *at < from))
    }

    /// Each pod over exactly its own pair of samples; pods without a fresh pair are taken to be like the others.
    pub(super) fn real(&self, sent: &Sent, fresh_from: f64) -> Option<Seen> {
        let is_fresh =
            |samples: &&VecDeque<(f64, f64)>| samples.back().is_some_and(|(at, _)| *at >= fresh_from);
        let all = number(self.0.values().filter(is_fresh).count());
        let (mut real, mut own, mut variance, mut time, mut known) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for samples in self.0.values().filter(is_fresh).filter(|samples| samples.len() >= 2) {
            let ((t0, c0), (t1, c1)) = (samples[samples.len() - 2], samples[samples.len() - 1]);
            let mine = (sent.at(t1) - sent.at(t0)) / all;
            real += (c1 - c0 - mine) / (t1 - t0);
            own += mine / (t1 - t0);
            variance += (c1 - c0).max(mine).max(1.0) / (t1 - t0).powi(2);
            time += t1;
            known += 1.0;
        }
        if known < 1.0 {
            return None;
        }
        let scale = all / known;
        Some(Seen { real: real * scale, own: own * scale, noise: variance.sqrt() * scale, at: time / known })
    }
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
