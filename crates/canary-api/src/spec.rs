//! `Canary.spec` with types. What a user left out is `None`, empty, zero or false; defaults are applied where they are used.

mod analysis;
mod service;

pub use analysis::{AlertRef, Analysis, Metric, ProviderRef, SessionAffinity, ThresholdRange, Webhook};
pub use service::{ServiceSpec, UnmanagedMetadata};

use std::collections::BTreeMap;

use serde::Deserialize;

/// How a workload is released.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct CanarySpec {
    /// The mesh or ingress, if the user named one.
    pub provider: Option<String>,
    /// Base URL of the Prometheus for this canary.
    pub metrics_server: Option<String>,
    /// Seconds for which a workload may stay unready.
    pub progress_deadline_seconds: Option<i32>,
    /// The workload.
    pub target_ref: Reference,
    /// The autoscaler of the workload.
    pub autoscaler_ref: Option<AutoscalerRef>,
    /// The Ingress of the workload.
    pub ingress_ref: Option<Reference>,
    /// The `ApisixRoute` of the workload.
    pub route_ref: Option<Reference>,
    /// The Gloo Upstream.
    pub upstream_ref: Option<Reference>,
    /// Services and routes; `None` when the user left it out.
    pub service: Option<ServiceSpec>,
    /// New revisions are promoted without analysis.
    pub skip_analysis: bool,
    /// Objects are given back as they were found when the canary is deleted.
    pub revert_on_deletion: bool,
    /// Nothing is done.
    pub suspend: bool,
    /// How a revision is judged.
    pub analysis: Analysis,
}

/// A reference to another object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Reference {
    /// API version.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Namespace, where the kind of reference has one and the user gave it.
    pub namespace: Option<String>,
}

/// The autoscaler of a target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct AutoscalerRef {
    /// API version; which one makes no difference.
    pub api_version: String,
    /// `HorizontalPodAutoscaler` or `ScaledObject`.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Queries of the primary's `ScaledObject` by trigger.
    pub primary_scaler_queries: Option<BTreeMap<String, String>>,
    /// Bounds of the primary's autoscaler.
    pub primary_scaler_replicas: Option<ScalerReplicas>,
}

/// Bounds of an autoscaler.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ScalerReplicas {
    /// Smallest number of pods.
    pub min_replicas: Option<i64>,
    /// Largest number of pods.
    pub max_replicas: Option<i64>,
}
