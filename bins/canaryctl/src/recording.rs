//! Metric backends and hooks that answer as the script says, and note each question with its answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use canary_controller::{Clock, RuntimeClock};
use canary_core::{Bounds, HookAnswer, HookCall, HookKind, Hooks, MetricError, MetricProvider};
use canary_metrics::{Observer, QueryModel, observer};
use canary_sandbox::{ScriptedHooks, ScriptedMetrics};

use crate::timeline::{Timeline, What};
use crate::world::{Question, Subject};

/// A metric backend.
pub(crate) struct RecordingMetrics {
    pub(crate) script: ScriptedMetrics,
    pub(crate) timeline: Timeline,
    pub(crate) clock: RuntimeClock,
    pub(crate) questions: Arc<Vec<Question>>,
}

#[async_trait]
impl MetricProvider for RecordingMetrics {
    async fn query(&self, query: &str) -> Result<Option<f64>, MetricError> {
        let answer = self.script.query(query).await;
        let squeezed = squeeze(query);
        if let Some(question) = self.questions.iter().find(|q| q.is(&squeezed)) {
            let shown = match &answer {
                Ok(value) => Ok(value.and_then(|v| question.shown(v))),
                Err(error) => Err(error.to_string()),
            };
            let what = What::check(&question.name, question.bounds, shown);
            self.timeline.note(&question.canary, self.clock.now(), what);
        }
        answer
    }

    async fn check(&self) -> Result<(), MetricError> {
        self.script.check().await
    }
}

/// Webhooks.
pub(crate) struct RecordingHooks {
    pub(crate) script: ScriptedHooks,
    pub(crate) timeline: Timeline,
    pub(crate) clock: RuntimeClock,
    pub(crate) kinds: BTreeMap<String, HookKind>,
}

#[async_trait]
impl Hooks for RecordingHooks {
    async fn call(&self, call: &HookCall) -> HookAnswer {
        let kind = self.kinds.get(&call.name).copied();
        if kind == Some(HookKind::Event) {
            return HookAnswer::Passed; // the events themselves are shown
        }
        let answer = self.script.call(call).await;
        let (passed, text) = match &answer {
            HookAnswer::Passed => (true, String::new()),
            HookAnswer::Failed(text) => (false, text.clone()),
        };
        let hook = kind.map_or("hook", HookKind::as_str);
        let what = What::Hook { name: call.name.clone(), hook, passed, text };
        let canary = format!("{}.{}", call.payload.name, call.payload.namespace);
        self.timeline.note(&canary, self.clock.now(), what);
        answer
    }
}

/// Runs of blanks as one.
pub(crate) fn squeeze(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Question {
    /// Whether that query, squeezed, is this question.
    fn is(&self, query: &str) -> bool {
        match (&self.exact, &self.piece) {
            (Some(exact), _) => query == exact,
            (None, Some(piece)) => query.contains(piece.as_str()),
            (None, None) => false,
        }
    }

    /// The answer as people read it: durations in whole milliseconds.
    fn shown(&self, value: f64) -> Option<f64> {
        self.duration_of.map_or(Some(value), |observer| observer.duration_milliseconds(value))
    }
}

/// The built-in queries of a canary.
pub(crate) fn observer_of(subject: &Subject, mesh_provider: &str, own: &str) -> &'static Observer {
    observer(mesh_provider, own, subject.plan.target_kind == "Service").0
}

/// What the names in queries stand for.
pub(crate) fn model(names: &canary_api::QueryModel, interval: Option<&str>) -> QueryModel {
    QueryModel {
        name: names.name.clone(),
        namespace: names.namespace.clone(),
        target: names.target.clone(),
        service: names.service.clone(),
        ingress: names.ingress.clone(),
        route: names.route.clone(),
        interval: interval.filter(|i| !i.is_empty()).unwrap_or("1m").to_owned(),
        variables: BTreeMap::new(),
    }
}

/// The bounds of a check, for questions.
pub(crate) fn question(canary: &str, name: &str, bounds: Bounds) -> Question {
    Question {
        canary: canary.to_owned(),
        name: name.to_owned(),
        bounds,
        exact: None,
        piece: None,
        duration_of: None,
    }
}
