//! Everything outside the controller that a fault can change: providers, hooks, pods, the clock.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use canary_controller::{Clock, RuntimeClock};
use canary_core::{HookAnswer, HookCall, Hooks, MetricError, MetricProvider};
use canary_sandbox::{PodFacts, PodFate, Sandbox};
use jiff::{SignedDuration, Timestamp};

use crate::fault::Mood;

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A mood that passes.
#[derive(Clone, Copy, Debug)]
struct Spell {
    mood: Mood,
    until: Timestamp,
}

/// Providers, hooks and pods.
#[derive(Debug)]
pub(crate) struct World {
    metrics: Mutex<Spell>,
    hooks: Mutex<Spell>,
    pods: Mutex<PodMood>,
    /// Seconds by which the controller's clock is ahead.
    shift: AtomicI64,
    now: Mutex<Timestamp>,
}

#[derive(Debug, Default)]
struct PodMood {
    /// Images whose pods never become ready if they are born after that.
    broken: BTreeMap<String, Timestamp>,
    primary_down: bool,
}

impl World {
    pub(crate) fn new(now: Timestamp) -> Self {
        let good = Spell { mood: Mood::Good, until: Timestamp::MAX };
        Self {
            metrics: Mutex::new(good),
            hooks: Mutex::new(good),
            pods: Mutex::default(),
            shift: AtomicI64::new(0),
            now: Mutex::new(now),
        }
    }

    /// The cluster's time, as far as it was told.
    pub(crate) fn pass(&self, now: Timestamp) {
        *lock(&self.now) = now;
    }

    pub(crate) fn set_metrics(&self, mood: Mood, until: Timestamp) {
        *lock(&self.metrics) = Spell { mood, until };
    }

    pub(crate) fn set_hooks(&self, mood: Mood, until: Timestamp) {
        *lock(&self.hooks) = Spell { mood, until };
    }

    pub(crate) fn jump(&self, seconds: i64) {
        self.shift.fetch_add(seconds, Ordering::Relaxed);
    }

    pub(crate) fn break_image(&self, image: String) {
        let since = *lock(&self.now);
        lock(&self.pods).broken.entry(image).or_insert(since);
    }

    /// Whether no new pod of that image becomes ready.
    pub(crate) fn is_broken(&self, image: &str) -> bool {
        lock(&self.pods).broken.contains_key(image)
    }

    pub(crate) fn set_primary_down(&self, down: bool) {
        lock(&self.pods).primary_down = down;
    }

    fn mood(&self, spell: &Mutex<Spell>) -> Mood {
        let spell = *lock(spell);
        if *lock(&self.now) < spell.until { spell.mood } else { Mood::Good }
    }

    /// What becomes of a pod.
    fn fate(&self, facts: &PodFacts<'_>) -> PodFate {
        let pods = lock(&self.pods);
        let broken =
            facts.images().any(|image| pods.broken.get(image).is_some_and(|since| facts.born >= *since));
        if broken || (pods.primary_down && facts.workload.ends_with("-primary")) {
            return PodFate::never_ready();
        }
        PodFate::ready_after(Duration::from_secs(2))
    }
}

/// Lets the pods of the sandbox live by `world`.
pub(crate) fn rule_pods(sandbox: &Sandbox, world: &Arc<World>) {
    let world = Arc::clone(world);
    sandbox.set_pod_rule(move |facts| Some(world.fate(facts)));
}

/// The metric provider.
pub(crate) struct Provider(pub(crate) Arc<World>);

#[async_trait]
impl MetricProvider for Provider {
    async fn query(&self, query: &str) -> Result<Option<f64>, MetricError> {
        let good = if query == "vector(1)" { 1.0 } else { 100.0 };
        match self.0.mood(&self.0.metrics) {
            Mood::Good => Ok(Some(good)),
            Mood::Bad => Ok(Some(10.0)),
            Mood::Silent => Ok(None),
            Mood::Broken => Err(MetricError::Unreachable("connection refused".into())),
            Mood::Slow => {
                tokio::time::sleep(Duration::from_secs(5)).await;
                Ok(Some(good))
            }
        }
    }

    async fn check(&self) -> Result<(), MetricError> {
        self.query("vector(1)").await.map(drop)
    }
}

/// The hooks.
pub(crate) struct Receivers(pub(crate) Arc<World>);

#[async_trait]
impl Hooks for Receivers {
    async fn call(&self, call: &HookCall) -> HookAnswer {
        let quiet = || HookAnswer::Failed("nothing to report".into());
        let is_rollback = call.name == "rollback";
        match self.0.mood(&self.0.hooks) {
            Mood::Good if is_rollback => quiet(),
            Mood::Good => HookAnswer::Passed,
            // A rollback hook that answers well asks for a rollback.
            Mood::Bad if is_rollback => HookAnswer::Passed,
            Mood::Bad => HookAnswer::Failed("closed".into()),
            Mood::Silent | Mood::Broken => HookAnswer::Failed("connection refused".into()),
            Mood::Slow => {
                tokio::time::sleep(Duration::from_secs(10)).await;
                if is_rollback { quiet() } else { HookAnswer::Passed }
            }
        }
    }
}

/// The controller's clock: the cluster's, but for jumps.
pub(crate) struct JumpingClock {
    pub(crate) clock: RuntimeClock,
    pub(crate) world: Arc<World>,
}

impl Clock for JumpingClock {
    fn now(&self) -> Timestamp {
        let shift = SignedDuration::from_secs(self.world.shift.load(Ordering::Relaxed));
        self.clock.now().checked_add(shift).unwrap_or(Timestamp::MAX)
    }
}
