//! Metric backends, hooks and notifiers that do as the script says, reach nobody, and note what they were asked or told.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use canary_controller::{Clock, RuntimeClock};
use canary_core::{
    Alert, HookAnswer, HookCall, HookKind, Hooks, MetricError, MetricProvider, Notifier, NotifyError,
};
use canary_metrics::MetricProviders;
use canary_notifiers::Notifiers;
use canary_sandbox::{Scenario, ScriptedHooks, ScriptedMetrics, Stage};

use crate::questions::{Question, squeeze};
use crate::timeline::{Timeline, What};
use crate::world::{Subject, World};

/// What is played, and where it is noted.
#[derive(Clone)]
pub(crate) struct Recorder {
    pub(crate) scenario: Arc<Scenario>,
    pub(crate) timeline: Timeline,
    pub(crate) clock: RuntimeClock,
}

impl Recorder {
    /// Metric backends of every known kind.
    pub(crate) fn providers(&self, world: &World) -> MetricProviders {
        let scripts = world.questions.iter().map(|question| {
            let subject = world.canaries.iter().find(|c| c.label() == question.canary);
            let script = self.metrics(question, subject.and_then(Subject::iterations));
            (question.clone(), script)
        });
        let metrics = Arc::new(Metrics {
            scripts: scripts.collect(),
            other: ScriptedMetrics::new(self.scenario.clone(), Stage::default),
            recorder: self.clone(),
        });
        let known = MetricProviders::default();
        let kinds: Vec<_> = known.kinds().map(str::to_owned).collect();
        kinds.into_iter().fold(known, |providers, kind| {
            let metrics = metrics.clone();
            providers.with(kind, move |_| Ok(metrics.clone()))
        })
    }

    /// The answers to one question.
    fn metrics(&self, question: &Question, iterations: Option<i64>) -> ScriptedMetrics {
        let mut scenario = (*self.scenario).clone();
        let named = scenario.metrics.remove(&question.name);
        let lines = named.or_else(|| {
            let piece = scenario.metrics.keys().find(|key| *key != "*" && question.is_called(key)).cloned();
            scenario.metrics.remove(&piece.unwrap_or_else(|| "*".into()))
        });
        scenario.metrics = lines.map(|lines| ("*".to_owned(), lines)).into_iter().collect();
        let script = ScriptedMetrics::new(Arc::new(scenario), self.stage(&question.canary, iterations));
        if question.built_in {
            return script;
        }
        script.with_good_values(vec![(question.query.clone(), question.good_value())])
    }

    /// Hooks of all canaries.
    pub(crate) fn hooks(&self, world: &World) -> RecordingHooks {
        let of_one = |subject: &Subject| {
            let kinds: BTreeMap<_, _> = subject.plan.hooks.iter().map(|h| (h.name.clone(), h.kind)).collect();
            let stage = self.stage(&subject.label(), subject.iterations());
            let script = ScriptedHooks::new(self.scenario.clone(), kinds.clone(), stage);
            (subject.label(), (kinds, script))
        };
        RecordingHooks { scripts: world.canaries.iter().map(of_one).collect(), recorder: self.clone() }
    }

    /// Notifiers of every known kind.
    pub(crate) fn notifiers(&self) -> Notifiers {
        let known = Notifiers::default();
        let kinds: Vec<_> = known.names().map(str::to_owned).collect();
        kinds.into_iter().fold(known, |notifiers, kind| {
            let recorder = self.clone();
            notifiers.with(kind, move |spec| {
                let to = format!("{} {}", spec.kind, spec.channel);
                Ok(Arc::new(RecordingNotifier { to, recorder: recorder.clone() }))
            })
        })
    }

    /// Tells how far a canary is. One that counts iterations gets no share of the traffic that would tell it.
    fn stage(&self, canary: &str, iterations: Option<i64>) -> impl Fn() -> Stage + Send + Sync + 'static {
        let (canary, recorder) = (canary.to_owned(), self.clone());
        move || {
            let story = recorder.timeline.story(&canary);
            let position = story.position();
            let counted = iterations.map_or(0, |all| position.iterations * 100 / all.max(1));
            Stage {
                since_revision: story
                    .applied
                    .map(|at| recorder.clock.now().duration_since(at).unsigned_abs()),
                weight: position.weight.max(counted),
            }
        }
    }

    fn note(&self, canary: &str, what: What) {
        self.timeline.note(canary, self.clock.now(), what);
    }
}

/// A metric backend.
struct Metrics {
    scripts: Vec<(Question, ScriptedMetrics)>,
    /// Answers what no check asks.
    other: ScriptedMetrics,
    recorder: Recorder,
}

#[async_trait]
impl MetricProvider for Metrics {
    async fn query(&self, query: &str) -> Result<Option<f64>, MetricError> {
        let squeezed = squeeze(query);
        let Some((question, script)) = self.scripts.iter().find(|(q, _)| q.query == squeezed) else {
            return self.other.query(query).await;
        };
        let answer = script.query(query).await;
        let shown = match &answer {
            Ok(value) => Ok(value.and_then(|v| question.shown(v))),
            Err(error) => Err(error.to_string()),
        };
        self.recorder.note(&question.canary, What::check(&question.name, question.bounds, shown));
        answer
    }

    async fn check(&self) -> Result<(), MetricError> {
        self.other.check().await
    }
}

/// Webhooks.
pub(crate) struct RecordingHooks {
    /// Types of hooks and answers, by `name.namespace` of the canary.
    scripts: BTreeMap<String, (BTreeMap<String, HookKind>, ScriptedHooks)>,
    recorder: Recorder,
}

#[async_trait]
impl Hooks for RecordingHooks {
    async fn call(&self, call: &HookCall) -> HookAnswer {
        let canary = format!("{}.{}", call.payload.name, call.payload.namespace);
        let Some((kinds, script)) = self.scripts.get(&canary) else { return HookAnswer::Passed };
        let Some(&kind) = kinds.get(&call.name) else { return HookAnswer::Passed };
        let scripted = [call.name.as_str(), kind.as_str()];
        let scripted = scripted.iter().any(|key| self.recorder.scenario.hooks.contains_key(*key));
        if kind == HookKind::Event {
            return HookAnswer::Passed; // the events themselves are shown
        }
        if kind == HookKind::Rollback && !scripted {
            // One that passes asks for a rollback, which nobody wants unless the script says so.
            return HookAnswer::Failed(String::new());
        }
        let answer = script.call(call).await;
        let (passed, text) = match &answer {
            HookAnswer::Passed => (true, String::new()),
            HookAnswer::Failed(text) => (false, text.clone()),
        };
        self.recorder.note(&canary, What::Hook { name: call.name.clone(), hook: kind, passed, text });
        answer
    }
}

/// A chat channel.
struct RecordingNotifier {
    to: String,
    recorder: Recorder,
}

#[async_trait]
impl Notifier for RecordingNotifier {
    async fn send(&self, alert: &Alert) -> Result<(), NotifyError> {
        let canary = format!("{}.{}", alert.name, alert.namespace);
        let (to, text) = (self.to.clone(), alert.text.clone());
        self.recorder.note(&canary, What::Alert { to, severity: alert.severity, text });
        Ok(())
    }
}
