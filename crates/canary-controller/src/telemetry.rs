//! What is measured, under the names that Flagger's dashboards and alerts use.
//!
//! Only this counts; the rest of the controller says what happened. Series of a canary go with the canary.

mod process;
mod series;

use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use canary_core::{Phase, Weights};
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use self::process::ProcessMetrics;
use self::series::{CanarySeries, Ended, Recorded, State};

/// Bounds of `flagger_canary_duration_seconds`.
const DURATION_BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Collects the controller's metrics and writes them in the text format of Prometheus. Clones share their numbers.
///
/// A canary is named by its namespace and the name of its *target*, as Flagger names it.
///
/// ```
/// use canary_controller::Telemetry;
/// use canary_core::Phase;
///
/// let telemetry = Telemetry::new("0.1.0", "abc1234", "istio");
/// telemetry.phase("test", "podinfo", Phase::Progressing);
/// assert!(telemetry.encode().contains(r#"flagger_canary_status{name="podinfo",namespace="test"} 0"#));
///
/// telemetry.forget("test", "podinfo");
/// assert!(!telemetry.encode().contains("podinfo"));
/// ```
#[derive(Clone, Debug)]
pub struct Telemetry {
    registry: Arc<Registry>,
    recorded: Arc<Recorded>,
}

impl Telemetry {
    /// Nothing measured yet, by this version and source revision of the program with that default mesh provider.
    pub fn new(version: &str, revision: &str, mesh_provider: &str) -> Self {
        let recorded = Arc::new(Recorded::new(version, revision, mesh_provider));
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Arc::clone(&recorded)));
        registry.register_collector(Box::new(ProcessMetrics));
        Self { registry: Arc::new(registry), recorded }
    }

    /// The canary is in `phase`. Flagger's gauge knows three values: 0 while progressing, 2 after a failure, else 1.
    pub fn phase(&self, namespace: &str, target: &str, phase: Phase) {
        let value = match phase {
            Phase::Progressing => 0,
            Phase::Failed => 2,
            Phase::Unset
            | Phase::Initializing
            | Phase::Initialized
            | Phase::Waiting
            | Phase::WaitingPromotion
            | Phase::Promoting
            | Phase::Finalising
            | Phase::Succeeded
            | Phase::Terminating
            | Phase::Terminated => 1,
        };
        self.canary(namespace, target, |series| series.status = Some(value));
    }

    /// Traffic is split like that.
    pub fn weights(&self, namespace: &str, target: &str, weights: Weights) {
        self.canary(namespace, target, |series| {
            series.weights = Some((weights.primary.percent(), weights.canary.percent()));
        });
    }

    /// A check read `value`.
    pub fn metric_value(&self, namespace: &str, target: &str, metric: &str, value: f64) {
        self.canary(namespace, target, |series| {
            if let Some(known) = series.values.get_mut(metric) {
                *known = value;
            } else {
                series.values.insert(metric.to_owned(), value);
            }
        });
    }

    /// A rollout is over. `strategy` is [`canary_core::Strategy::as_str`]; `skipped`: without analysis.
    pub fn rollout_ended(
        &self,
        namespace: &str,
        target: &str,
        strategy: &'static str,
        skipped: bool,
        success: bool,
    ) {
        let ended = Ended { strategy, skipped, success };
        self.canary(namespace, target, |series| *series.ended.entry(ended).or_default() += 1);
    }

    /// A tick began, `lag` after it was due.
    pub fn tick_started(&self, lag: Duration) {
        self.recorded.lag.observe(lag.as_secs_f64());
    }

    /// A tick that analysed, shifted or promoted took `duration`. (Flagger measures no others.)
    pub fn tick_ended(&self, namespace: &str, target: &str, duration: Duration) {
        self.canary(namespace, target, |series| {
            series
                .durations
                .get_or_insert_with(|| Histogram::new(DURATION_BUCKETS))
                .observe(duration.as_secs_f64());
        });
    }

    /// A reconcile failed. `category` is the short stable name that the error gives itself.
    pub fn reconcile_failed(&self, category: &'static str) {
        *self.state().errors.entry(category).or_default() += 1;
    }

    /// A question of that kind (`hook`, `metric`, `probe`) had that outcome, after so long.
    pub fn question_answered(&self, kind: &'static str, outcome: &'static str, took: Duration) {
        let mut state = self.state();
        *state.questions.entry((kind, outcome)).or_default() += 1;
        let durations = state.answers.entry(kind).or_insert_with(|| Histogram::new(DURATION_BUCKETS));
        durations.observe(took.as_secs_f64());
    }

    /// So many canaries are being looked at.
    pub fn calls_running(&self, number: usize) {
        self.state().running = number;
    }

    /// Whether this process works, or stands by.
    pub fn working(&self, works: bool) {
        self.state().working = works;
    }

    /// So many canaries exist, by namespace. Namespaces that are not named have none.
    pub fn canaries(&self, by_namespace: BTreeMap<String, usize>) {
        self.state().totals = by_namespace;
    }

    /// The canary of that target is gone, and its series with it.
    pub fn forget(&self, namespace: &str, target: &str) {
        let mut state = self.state();
        if let Some(targets) = state.canaries.get_mut(namespace) {
            targets.remove(target);
            if targets.is_empty() {
                state.canaries.remove(namespace);
            }
        }
    }

    /// Everything measured so far, in the text format (`text/plain; version=0.0.4`).
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a string fails only when a metric's own encoding does, and then what was written so far is of use.
        if let Err(error) = encode_registry(&mut text, &self.registry) {
            tracing::error!(%error, "metrics cannot be written");
        }
        text
    }

    fn canary(&self, namespace: &str, target: &str, change: impl FnOnce(&mut CanarySeries)) {
        let mut state = self.state();
        // Two look-ups, so that names are copied only once in a canary's life.
        if !state.canaries.get(namespace).is_some_and(|targets| targets.contains_key(target)) {
            state
                .canaries
                .entry(namespace.to_owned())
                .or_default()
                .insert(target.to_owned(), CanarySeries::default());
        }
        if let Some(series) = state.canaries.get_mut(namespace).and_then(|targets| targets.get_mut(target)) {
            change(series);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Numbers cannot be left half written, so a panic elsewhere does not spoil them.
        self.recorded.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
