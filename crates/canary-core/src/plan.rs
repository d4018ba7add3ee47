//! What the user wants, parsed: nothing in it is left to validate.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::plugin::{Capabilities, Severity};
use crate::{Phase, Weight};

/// How one canary is to be released. Built once from the user's object; [`Plan::new`] gives Flagger's defaults and every
/// field is public.
///
/// ```
/// use canary_core::{Plan, Strategy, Steps, Weight};
/// let mut plan = Plan::new("podinfo", "test");
/// plan.strategy = Strategy::Weighted(Steps::even(10, 50));
/// assert_eq!(plan.strategy.max_weight(), Weight::new(50).unwrap());
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[allow(clippy::struct_excessive_bools)] // switches of the user's, read by name
pub struct Plan {
    /// Name of the canary.
    pub name: String,
    /// Namespace of the canary.
    pub namespace: String,
    /// Kind of the target, as the user wrote it (`Deployment`).
    pub target_kind: String,
    /// Name of the target; its primary is `<target>-primary`.
    pub target: String,
    /// The mesh or ingress, as written (`istio`, `smi:v1alpha2`).
    pub provider: String,
    /// What that router can do.
    pub capabilities: Capabilities,
    /// How traffic moves.
    pub strategy: Strategy,
    /// Traffic is mirrored before (weighted) or during (blue/green) the analysis.
    pub mirror: bool,
    /// Percentage points that move back to the primary per tick while promoting; 0: all in one go.
    pub step_weight_promotion: u8,
    /// Time between ticks.
    pub interval: Duration,
    /// Failed checks at which the revision is rolled back.
    pub threshold: u32,
    /// How long a workload may stay unready.
    pub progress_deadline: Duration,
    /// Checks in the order in which they run.
    pub checks: Vec<Check>,
    /// Checks whose provider is probed while initialising, in order: indices into `checks`.
    pub probes: Vec<MetricId>,
    /// Hooks in the user's order.
    pub hooks: Vec<Hook>,
    /// New revisions are promoted without analysis.
    pub skip_analysis: bool,
    /// Nothing is done.
    pub suspend: bool,
    /// The canary has an autoscaler.
    pub has_autoscaler: bool,
    /// What was changed for the canary is changed back when it is deleted.
    pub revert_on_deletion: bool,
    /// Numbers that alerts show as the user wrote them.
    pub shown: Shown,
}

impl Plan {
    /// Flagger's defaults: weighted without steps, 60 s, threshold 1, deadline 600 s.
    pub fn new(name: impl Into<String>, namespace: impl Into<String>) -> Self {
        let name = name.into();
        Self {
            target: name.clone(),
            name,
            namespace: namespace.into(),
            target_kind: "Deployment".into(),
            provider: "istio".into(),
            capabilities: Capabilities::default().with_conditions().with_mirror().with_session_affinity(),
            strategy: Strategy::Weighted(Steps::even(0, 100)),
            mirror: false,
            step_weight_promotion: 0,
            interval: Duration::from_secs(60),
            threshold: 1,
            progress_deadline: Duration::from_secs(600),
            checks: Vec::new(),
            probes: Vec::new(),
            hooks: Vec::new(),
            skip_analysis: false,
            suspend: false,
            has_autoscaler: false,
            revert_on_deletion: false,
            shown: Shown::default(),
        }
    }

    /// Hooks of one kind, in order.
    pub fn hooks_of(&self, kind: HookKind) -> impl Iterator<Item = HookId> + '_ {
        self.hooks.iter().enumerate().filter(move |(_, h)| h.kind == kind).map(|(i, _)| HookId(i))
    }

    /// Number of iterations of A/B and blue/green; 0 for weighted.
    pub fn iterations(&self) -> i32 {
        match self.strategy {
            Strategy::Weighted(_) => 0,
            Strategy::AbTesting { iterations } | Strategy::BlueGreen { iterations } => iterations,
        }
    }
}

/// Numbers that alerts show as written, without the defaults that the machine uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// `analysis.stepWeight`.
    pub step_weight: i64,
    /// `analysis.stepWeights`.
    pub step_weights: Vec<i64>,
    /// `analysis.maxWeight`, 0 when unset.
    pub max_weight: i64,
}

/// How traffic moves to the canary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// In steps of weight.
    Weighted(Steps),
    /// Requests that meet conditions go to the canary, for a number of ticks.
    AbTesting {
        /// Number of ticks, at least 1.
        iterations: i32,
    },
    /// The canary is tested without traffic for a number of ticks, then all traffic is switched.
    BlueGreen {
        /// Number of ticks, at least 1.
        iterations: i32,
    },
}

impl Strategy {
    /// The name in metrics: `canary`, `ab-testing` or `blue-green`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Weighted(_) => "canary",
            Self::AbTesting { .. } => "ab-testing",
            Self::BlueGreen { .. } => "blue-green",
        }
    }

    /// The weight at which promotion starts; 100 for A/B and blue/green.
    pub fn max_weight(&self) -> Weight {
        match self {
            Self::Weighted(steps) => steps.max,
            Self::AbTesting { .. } | Self::BlueGreen { .. } => Weight::ALL,
        }
    }
}

/// The steps of a weighted rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steps {
    /// Where promotion starts.
    pub max: Weight,
    /// How to get there.
    pub by: StepBy,
}

impl Steps {
    /// Equal steps up to `max`.
    pub fn even(step: u8, max: u8) -> Self {
        Self { max: Weight::clamped(max.into()), by: StepBy::Even(step) }
    }

    /// Listed weights; the last one is the maximum.
    pub fn listed(weights: &[Weight]) -> Self {
        Self { max: weights.last().copied().unwrap_or(Weight::ALL), by: StepBy::List(weights.to_vec()) }
    }
}

/// How weight grows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepBy {
    /// By that many percentage points a tick; 0 never moves.
    Even(u8),
    /// To the next listed weight above the present one.
    List(Vec<Weight>),
}

/// One thing to check each tick.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Check {
    /// Name of the metric.
    pub name: String,
    /// What is asked.
    pub source: CheckSource,
    /// Which values are good.
    pub bounds: Bounds,
    /// Position in `analysis.metrics`.
    pub index: usize,
}

impl Check {
    /// A check without bounds.
    pub fn new(name: impl Into<String>, source: CheckSource) -> Self {
        Self { name: name.into(), source, bounds: Bounds::default(), index: 0 }
    }

    /// With a smallest and a largest good value.
    #[must_use]
    pub fn within(mut self, min: Option<f64>, max: Option<f64>) -> Self {
        self.bounds = Bounds { min, max };
        self
    }
}

/// Where the value of a check comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CheckSource {
    /// The built-in `request-success-rate`, percent.
    SuccessRate,
    /// The built-in `request-duration`, milliseconds.
    Duration,
    /// An inline query.
    Inline,
    /// A metric template.
    Template,
    /// Neither; such a check always fails.
    Nothing,
}

/// The good values, both ends included.
///
/// Flagger's legacy `threshold` becomes a minimum for the success rate and a maximum for all else when this is built.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bounds {
    /// Smallest good value.
    pub min: Option<f64>,
    /// Largest good value.
    pub max: Option<f64>,
}

/// Position of a check in [`Plan::checks`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MetricId(pub usize);

/// Position of a hook in [`Plan::hooks`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HookId(pub usize);

/// A webhook of the user's.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Hook {
    /// Name.
    pub name: String,
    /// When it is called.
    pub kind: HookKind,
    /// Where; empty for a gate that only a person opens.
    pub url: String,
    /// Limit for each attempt; `Err`: the text that is not a duration.
    pub timeout: Result<Duration, String>,
    /// Attempts beyond the first.
    pub retries: u32,
    /// Certificates are not verified.
    pub disable_tls: bool,
    /// No alert while this gate is closed.
    pub mute_alert: bool,
    /// Sent along.
    pub metadata: BTreeMap<String, String>,
}

impl Hook {
    /// A hook with Flagger's defaults: 10 s, no retries.
    pub fn new(name: impl Into<String>, kind: HookKind, url: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            kind,
            url: url.into(),
            timeout: Ok(Duration::from_secs(10)),
            retries: 0,
            disable_tls: false,
            mute_alert: false,
            metadata: BTreeMap::new(),
        }
    }
}

/// When a hook is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HookKind {
    /// Gate before the new revision is scaled up.
    ConfirmRollout,
    /// Check before the new revision gets traffic.
    PreRollout,
    /// Check on every tick with traffic.
    Rollout,
    /// Gate before each increase of weight.
    ConfirmTrafficIncrease,
    /// Gate before the promotion.
    ConfirmPromotion,
    /// After the rollout ended either way.
    PostRollout,
    /// Asked on every tick whether to roll back.
    Rollback,
    /// Told of every event.
    Event,
}

impl HookKind {
    /// The name in `webhooks[].type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConfirmRollout => "confirm-rollout",
            Self::PreRollout => "pre-rollout",
            Self::Rollout => "rollout",
            Self::ConfirmTrafficIncrease => "confirm-traffic-increase",
            Self::ConfirmPromotion => "confirm-promotion",
            Self::PostRollout => "post-rollout",
            Self::Rollback => "rollback",
            Self::Event => "event",
        }
    }

    /// Whether it only asks for leave, so that a person can answer in its place.
    pub fn is_gate(self) -> bool {
        match self {
            Self::ConfirmRollout | Self::ConfirmTrafficIncrease | Self::ConfirmPromotion => true,
            Self::PreRollout | Self::Rollout | Self::PostRollout | Self::Rollback | Self::Event => false,
        }
    }

    /// The phase that the receiver is told while the canary is in `now`. Flagger shows `Progressing` to checks and to the
    /// gates that follow them, whatever the phase is.
    pub fn payload_phase(self, now: Phase) -> Phase {
        match self {
            Self::PreRollout | Self::Rollout | Self::ConfirmTrafficIncrease | Self::ConfirmPromotion => {
                Phase::Progressing
            }
            Self::ConfirmRollout | Self::PostRollout | Self::Rollback | Self::Event => now,
        }
    }
}

/// A rule of `analysis.alerts`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AlertRule {
    /// Name, for the log.
    pub name: String,
    /// The lowest severity that is sent.
    pub severity: Severity,
    /// Namespace and name of the alert provider.
    pub provider: (String, String),
}

impl AlertRule {
    /// A rule for everything from `severity` up.
    pub fn new(name: impl Into<String>, severity: Severity, provider: (String, String)) -> Self {
        Self { name: name.into(), severity, provider }
    }
}
