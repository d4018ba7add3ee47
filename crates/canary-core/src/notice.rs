//! What is worth telling, as values. The sentences are in `wording`.

use crate::plan::Plan;
use crate::plugin::{Alert, Severity};
use crate::{HookKind, Phase, Weight, wording};

/// Something that happened, for events, alerts, logs and metrics.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// The phase that payloads show. It is not always the one that was written.
    pub phase: Phase,
    /// What happened.
    pub what: Happening,
}

/// What a [`Notice`] tells.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Happening {
    /// The canary is suspended.
    Suspended,
    /// Every metric provider answered.
    ProvidersOnline,
    /// A metric provider did not.
    ProvidersOffline(String),
    /// The primary is there and the target is at rest.
    InitializationDone,
    /// A rollout starts.
    NewRevision,
    /// The target changed in the middle of a rollout.
    Restarting,
    /// The target was set back to the promoted revision in the middle of a rollout.
    SetBack,
    /// Waiting, and the target was set back to the promoted revision: there is nothing to approve any more.
    NothingToApprove,
    /// The analysis is about to start.
    StartingAnalysis,
    /// A setting cannot have effect with this router.
    Unsupported(UnsupportedSetting),
    /// The canary has that weight now.
    CanaryWeight(Weight),
    /// The primary has that weight now.
    PrimaryWeight(Weight),
    /// So many iterations are done, of so many.
    Iteration(i32, i32),
    /// All traffic went to the canary; mirroring, if any, ended.
    AllToCanary {
        /// Mirroring ended with it.
        mirrored: bool,
    },
    /// All traffic went to the primary.
    AllToPrimary,
    /// The primary gets the target's template.
    Copying,
    /// The rollout succeeded.
    Promoted {
        /// Without analysis.
        skipped: bool,
    },
    /// A rollback begins, since that many checks failed.
    ThresholdReached(i32),
    /// A rollback begins, since a rollback hook says so.
    RollbackRequested,
    /// A rollback begins, since the progress deadline is over, with the workload's text.
    DeadlineExceeded(String),
    /// The rollout failed and traffic is back on the primary.
    RolledBack,
    /// The primary cannot serve, so traffic stays on the canary, with the workload's text.
    PromotionFailed(String),
    /// A hook let the rollout pass.
    HookPassed {
        /// Its kind.
        kind: HookKind,
        /// Its name.
        hook: String,
    },
    /// A hook did not.
    HookFailed {
        /// Its kind.
        kind: HookKind,
        /// Its name.
        hook: String,
        /// What it answered.
        text: String,
        /// Nobody is to be alerted.
        mute: bool,
    },
    /// A check found a bad value or none.
    CheckFailed(CheckFailure),
    /// The canary is being deleted, and what was changed for it is changed back.
    Terminating,
    /// It was changed back, and the canary may go.
    Terminated,
    /// A command of a person's was taken.
    CommandTaken {
        /// The command, with its gate.
        command: String,
        /// Who gave it.
        by: String,
        /// Why.
        reason: String,
    },
    /// A command of a person's makes no sense now, or cannot be read.
    CommandRefused {
        /// The command, with its gate.
        command: String,
        /// Why it is refused.
        why: String,
    },
    /// A rollback begins, since a person said so.
    Aborted {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// Anything else that went wrong, in its own words.
    Error(String),
}

/// A setting that a router cannot honour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnsupportedSetting {
    /// `analysis.match` with plain Kubernetes.
    AbTesting,
    /// Weights with plain Kubernetes.
    Weights,
    /// The number of iterations that is used instead.
    AssumedIterations(i32),
}

/// Why a check failed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum CheckFailure {
    /// The value is outside its bounds.
    OutOfBounds {
        /// Position in the plan.
        check: crate::MetricId,
        /// The value.
        value: f64,
        /// The bound that it passed.
        bound: f64,
        /// It is above a maximum; else it is below a minimum.
        above: bool,
    },
    /// There is no value.
    NoData {
        /// Position in the plan.
        check: crate::MetricId,
        /// What the provider said.
        text: String,
    },
    /// It could not be asked.
    Unanswered {
        /// Position in the plan.
        check: crate::MetricId,
        /// At which step.
        kind: crate::FailureKind,
        /// What happened.
        text: String,
    },
    /// It has neither a query nor a template.
    NothingToAsk,
}

/// How an event is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventKind {
    /// As planned.
    Normal,
    /// Not.
    Warning,
}

impl EventKind {
    /// The name in Kubernetes events and in payloads.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

impl Notice {
    /// The event to record: its kind and its sentence.
    ///
    /// ```
    /// use canary_core::{EventKind, Happening, Notice, Phase, Plan, Weight};
    /// let plan = Plan::new("podinfo", "test");
    /// let notice = Notice { phase: Phase::Progressing, what: Happening::CanaryWeight(Weight::new(10).unwrap()) };
    /// assert_eq!(notice.event(&plan), Some((EventKind::Normal, "Advance podinfo.test canary weight 10".into())));
    /// ```
    pub fn event(&self, plan: &Plan) -> Option<(EventKind, String)> {
        wording::event(plan, &self.what)
    }

    /// The alert to send, if this is worth one.
    pub fn alert(&self, plan: &Plan) -> Option<Alert> {
        let (text, severity, facts) = wording::alert(plan, &self.what)?;
        let mut alert = Alert::new(&plan.name, &plan.namespace, text, severity);
        if facts {
            alert.fields = wording::facts(plan);
        }
        Some(alert)
    }

    /// How serious it is, for logs.
    pub fn severity(&self, plan: &Plan) -> Severity {
        match self.event(plan) {
            Some((EventKind::Warning, _)) => Severity::Warn,
            Some((EventKind::Normal, _)) | None => Severity::Info,
        }
    }
}
