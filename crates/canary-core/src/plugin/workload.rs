//! The contract of a kind of workload: Deployment, DaemonSet and whatever else can be released.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::Owner;
use crate::observed::{Instance, Target};

/// Prepares, scales and promotes one kind of workload.
///
/// Every method may be called again at any time; a call that finds its work done writes nothing.
///
/// ```
/// use async_trait::async_trait;
/// use canary_core::{Instance, Scale, Target, Timestamp, Workload, WorkloadError, WorkloadSpec, WorkloadState};
///
/// /// A workload that is always there and always ready.
/// struct Always;
///
/// #[async_trait]
/// impl Workload for Always {
///     async fn observe(&self, _: &WorkloadSpec, _: Timestamp) -> Result<WorkloadState, WorkloadError> {
///         Ok(WorkloadState { target: Target::ready("v1"), primary: Some(Instance::ready(1)) })
///     }
///     async fn ensure_primary(&self, _: &WorkloadSpec) -> Result<(), WorkloadError> {
///         Ok(())
///     }
///     async fn promote(&self, _: &WorkloadSpec, _: &str) -> Result<(), WorkloadError> {
///         Ok(())
///     }
///     async fn scale_target(&self, _: &WorkloadSpec, _: Scale) -> Result<(), WorkloadError> {
///         Ok(())
///     }
/// }
/// let _: Box<dyn Workload> = Box::new(Always);
/// ```
#[async_trait]
pub trait Workload: Send + Sync {
    /// Target and primary as they are. A target that does not exist is an error.
    async fn observe(&self, spec: &WorkloadSpec, now: Timestamp) -> Result<WorkloadState, WorkloadError>;

    /// Creates the primary when it is missing: of the target, or of the revision that was promoted last.
    async fn ensure_primary(&self, spec: &WorkloadSpec) -> Result<(), WorkloadError>;

    /// Copies the target's template to the primary, provided that the target still has `revision`.
    async fn promote(&self, spec: &WorkloadSpec, revision: &str) -> Result<(), WorkloadError>;

    /// Takes the target down or brings it up.
    async fn scale_target(&self, spec: &WorkloadSpec, scale: Scale) -> Result<(), WorkloadError>;
}

const _: Option<&dyn Workload> = None; // stays object-safe

/// Which workload, and how to judge it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct WorkloadSpec {
    /// Namespace of all objects.
    pub namespace: String,
    /// Name of the canary.
    pub canary_name: String,
    /// Owner of created objects.
    pub owner: Owner,
    /// Name of the target; the primary is `<target>-primary`.
    pub target: String,
    /// The autoscaler of the target.
    pub autoscaler: Option<Autoscaler>,
    /// How long a workload may stay unready.
    pub progress_deadline: Duration,
    /// Percentage of updated pods that must be available for the primary to be ready.
    pub primary_ready_threshold: i64,
    /// The same for the target.
    pub target_ready_threshold: i64,
    /// When the canary's status was last written; a DaemonSet's deadline counts from it.
    pub last_transition: Option<Timestamp>,
    /// The revision that the primary has to run, as far as one is known: a primary that is missing is made of it and not of
    /// what the target is now, where it can still be had.
    pub promoted: Option<String>,
}

impl WorkloadSpec {
    /// A spec with Flagger's defaults: 600 s, 100 %.
    pub fn new(namespace: impl Into<String>, owner: Owner, target: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            canary_name: owner.name.clone(),
            owner,
            target: target.into(),
            autoscaler: None,
            progress_deadline: Duration::from_secs(600),
            primary_ready_threshold: 100,
            target_ready_threshold: 100,
            last_transition: None,
            promoted: None,
        }
    }
}

/// The autoscaler of a target, `autoscalerRef`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Autoscaler {
    /// `HorizontalPodAutoscaler` or `ScaledObject`.
    pub kind: String,
    /// Name.
    pub name: String,
    /// `primaryScalerQueries`; `None` when the field is absent.
    pub primary_queries: Option<std::collections::BTreeMap<String, String>>,
    /// `primaryScalerReplicas.minReplicas`.
    pub primary_min: Option<i32>,
    /// `primaryScalerReplicas.maxReplicas`.
    pub primary_max: Option<i32>,
}

/// How many pods the target is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scale {
    /// None.
    Zero,
    /// As many as it needs: its own number, its autoscaler's minimum, or the primary's.
    Up,
    /// As many as the primary has, which it is to stand in for.
    LikePrimary,
}

/// Target and primary at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkloadState {
    /// The user's workload.
    pub target: Target,
    /// Its copy that serves; `None` before it was created.
    pub primary: Option<Instance>,
}

/// Why a workload could not be read or written. The text is the one that events show.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkloadError {
    /// The API refused or could not be reached; trying again may help.
    #[error("{message}")]
    Api {
        /// What was tried on which object, and the API's answer.
        message: String,
        /// The object changed since it was read: decide again.
        conflict: bool,
    },
    /// The workload does not exist.
    #[error("{message}")]
    Missing {
        /// Names the object.
        message: String,
    },
    /// The workload exists and cannot be released as it is.
    #[error("{message}")]
    Invalid {
        /// Names the object and the field, and what would be right.
        message: String,
    },
    /// The target changed since it was analysed, so it is not promoted.
    #[error("{message}")]
    MovedOn {
        /// Names the object and the two revisions.
        message: String,
    },
}

impl WorkloadError {
    /// A short stable name for logs and metrics.
    pub fn category(&self) -> &'static str {
        match self {
            Self::Api { conflict: true, .. } => "conflict",
            Self::Api { .. } => "api",
            Self::Missing { .. } => "missing",
            Self::Invalid { .. } => "invalid",
            Self::MovedOn { .. } => "moved-on",
        }
    }

    /// Whether the same call may succeed later without anybody changing an object.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Api { .. })
    }
}
