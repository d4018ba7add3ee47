//! Metrics and hooks that answer as a script says.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use canary_core::{HookAnswer, HookCall, HookKind, Hooks, MetricError, MetricProvider};

use super::{Scenario, is_due};

/// How far a rollout is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stage {
    /// Time since the new revision was applied; `None` before.
    pub since_revision: Option<Duration>,
    /// The canary's share of the traffic, percent.
    pub weight: i64,
}

/// Tells how far the rollout is when something is asked.
type Clock = Arc<dyn Fn() -> Stage + Send + Sync>;

/// What the success-rate queries of all meshes have in common, and no duration query.
const RATE_MARK: &str = "* 100";
/// What duration queries have in common: quantiles, or a mean in seconds.
const DURATION_MARKS: [&str; 3] = ["histogram_quantile", "duration_seconds_sum", "* 1000"];
/// Queries in seconds, whose answers are scripted in milliseconds.
const SECONDS_MARK: &str = "http_request_duration_seconds";

/// A metric backend that follows a script. What the script does not name has a good value.
pub struct ScriptedMetrics {
    scenario: Arc<Scenario>,
    clock: Clock,
    /// Pieces of queries, and what is a good value for them.
    good: Vec<(String, f64)>,
}

impl ScriptedMetrics {
    /// A backend that follows `scenario`.
    pub fn new(scenario: Arc<Scenario>, clock: impl Fn() -> Stage + Send + Sync + 'static) -> Self {
        Self { scenario, clock: Arc::new(clock), good: Vec::new() }
    }

    /// With good values for queries that hold certain pieces of text.
    #[must_use]
    pub fn with_good_values(mut self, good: Vec<(String, f64)>) -> Self {
        self.good = good;
        self
    }

    /// The name under which a script knows a query: of a built-in metric, or nothing.
    fn built_in(query: &str) -> Option<&'static str> {
        if DURATION_MARKS.iter().any(|mark| query.contains(mark)) {
            Some("request-duration")
        } else if query.contains(RATE_MARK) {
            Some("request-success-rate")
        } else {
            None
        }
    }
}

#[async_trait]
impl MetricProvider for ScriptedMetrics {
    async fn query(&self, query: &str) -> Result<Option<f64>, MetricError> {
        let stage = (self.clock)();
        let squeezed = query.split_whitespace().collect::<Vec<_>>().join(" ");
        let good =
            self.good.iter().find(|(piece, _)| squeezed.contains(piece.as_str())).map(|(_, value)| *value);
        let built_in = if good.is_some() { None } else { Self::built_in(&squeezed) };
        let named = |name: &str| built_in == Some(name) || name == "*" || squeezed.contains(name);
        let lines = self.scenario.metrics.iter().find(|(name, _)| named(name)).map(|(_, lines)| lines);
        let line = lines.and_then(|l| l.iter().rev().find(|l| is_due(l.after_seconds, l.weight, &stage)));
        let answer = match line {
            Some(line) => {
                if let Some(error) = &line.error {
                    return Err(MetricError::Unreachable(error.clone()));
                }
                line.value
            }
            None => Some(good.unwrap_or(match built_in {
                Some("request-duration") => 21.0,
                Some(_) => 99.98,
                None => 1.0,
            })),
        };
        let in_seconds = built_in == Some("request-duration") && squeezed.contains(SECONDS_MARK);
        Ok(answer.map(|value| if in_seconds { value / 1000.0 } else { value }))
    }

    async fn check(&self) -> Result<(), MetricError> {
        self.query("vector(1)").await.map(|_| ())
    }
}

/// Hooks that follow a script. What the script does not name answers 200.
pub struct ScriptedHooks {
    scenario: Arc<Scenario>,
    clock: Clock,
    /// Types of hooks, by name.
    kinds: BTreeMap<String, HookKind>,
}

impl ScriptedHooks {
    /// Hooks that follow `scenario`; `kinds` says of which type the hooks of that name are.
    pub fn new(
        scenario: Arc<Scenario>,
        kinds: BTreeMap<String, HookKind>,
        clock: impl Fn() -> Stage + Send + Sync + 'static,
    ) -> Self {
        Self { scenario, clock: Arc::new(clock), kinds }
    }
}

#[async_trait]
impl Hooks for ScriptedHooks {
    async fn call(&self, call: &HookCall) -> HookAnswer {
        let stage = (self.clock)();
        let kind = self.kinds.get(&call.name).map_or("", |kind| kind.as_str());
        let hooks = &self.scenario.hooks;
        let lines = hooks.get(&call.name).or_else(|| hooks.get(kind));
        let line = lines.and_then(|l| l.iter().rev().find(|l| is_due(l.after_seconds, l.weight, &stage)));
        match line {
            Some(line) if line.status > 202 => HookAnswer::Failed(line.body.clone()),
            Some(_) | None => HookAnswer::Passed,
        }
    }
}

#[cfg(test)]
mod tests {
    use canary_core::HookPayload;
    use serde_json::json;

    use super::*;

    fn scenario(value: serde_json::Value) -> Arc<Scenario> {
        Arc::new(serde_json::from_value(value).unwrap())
    }

    #[tokio::test]
    async fn the_last_entry_whose_moment_has_come_counts() {
        let script = json!({"metrics": {"request-success-rate": [{"value": 99.0}, {"weight": 20, "value": 91.5}, {"weight": 40}]}});
        for (weight, expected) in [(0, Some(99.0)), (20, Some(91.5)), (40, None)] {
            let stage = Stage { since_revision: None, weight };
            let metrics = ScriptedMetrics::new(scenario(script.clone()), move || stage);
            assert_eq!(metrics.query("sum(a) / sum(b) * 100").await.unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn durations_are_scripted_in_milliseconds_whatever_the_query_asks_for() {
        let script = json!({"metrics": {"request-duration": [{"value": 1200.0}]}});
        let metrics = ScriptedMetrics::new(scenario(script), Stage::default);
        assert_eq!(
            metrics.query("histogram_quantile(0.99, x_milliseconds_bucket)").await.unwrap(),
            Some(1200.0)
        );
        let seconds = "histogram_quantile(0.99, http_request_duration_seconds_bucket)";
        assert_eq!(metrics.query(seconds).await.unwrap(), Some(1.2));
    }

    #[tokio::test]
    async fn hooks_are_found_by_name_or_type() {
        let script = json!({"hooks": {"pre-rollout": [{"status": 403, "body": "no"}]}});
        let kinds = BTreeMap::from([("acceptance-test".to_owned(), HookKind::PreRollout)]);
        let hooks = ScriptedHooks::new(scenario(script), kinds, Stage::default);
        let call = |name: &str| HookCall::new(name, "http://x/", HookPayload::default());
        assert_eq!(hooks.call(&call("acceptance-test")).await, HookAnswer::Failed("no".into()));
        assert_eq!(hooks.call(&call("load-test")).await, HookAnswer::Passed);
    }
}
