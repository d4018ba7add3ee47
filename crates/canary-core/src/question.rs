//! Evidence that is asked for, and what came of it.

use crate::Phase;
use crate::plan::{HookId, MetricId};
use crate::plugin::HookAnswer;

/// What the core wants to know next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Call that hook, showing it that phase.
    Hook {
        /// Which hook.
        id: HookId,
        /// The phase in its payload.
        phase: Phase,
    },
    /// The value of that metric.
    Metric(MetricId),
    /// Whether the provider of that metric can be reached.
    Online(MetricId),
}

/// What came of a question. The core owns the thresholds, so a metric answers with its value.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Of a hook.
    Hook(HookAnswer),
    /// Of a metric; also of a provider that is reachable (any value).
    Value(f64),
    /// The provider has no value; the text says what it said.
    NoData(String),
    /// The question could not be answered.
    Failed {
        /// At which step.
        kind: FailureKind,
        /// What happened.
        text: String,
    },
}

/// The step at which a metric could not be read. Chooses the wording of the event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureKind {
    /// The query was sent and failed.
    Query,
    /// The Prometheus of the canary's own `metricsServer` cannot be set up.
    MetricsServer {
        /// Its address.
        url: String,
    },
    /// The metric template does not exist.
    Template {
        /// `<name>.<namespace>`.
        template: String,
    },
    /// Its secret cannot be read.
    Secret {
        /// `<name>.<namespace>`.
        template: String,
        /// Name of the secret.
        secret: String,
    },
    /// Its provider cannot be set up.
    Provider {
        /// `<name>.<namespace>`.
        template: String,
        /// Type of the provider.
        provider: String,
    },
    /// Its query cannot be rendered.
    Render {
        /// `<name>.<namespace>`.
        template: String,
    },
    /// The Knative Service that names the revision cannot be read.
    KnativeService,
}
