//! The kinds of workload that the controller releases: their primary, their size, whether they are ready.
//! Not for what the pods are reached by, nor for when any of it happens.

use async_trait::async_trait;
use canary_core::{RouteSpec, Workload, WorkloadError, WorkloadSpec};

use crate::Settings;

mod copier;
mod daemonset;
mod deployment;
mod knative;
mod past;
mod primary;
mod readiness;
mod scheduling;
mod selection;
mod service;
mod source;
mod template;
#[cfg(test)]
mod tests;

pub(crate) use daemonset::DaemonSets;
pub(crate) use deployment::Deployments;
pub(crate) use knative::KnativeServices;
#[cfg(test)]
pub(crate) use selection::DiscoveredPort;
pub(crate) use selection::{Pods, Selector};
pub(crate) use service::ServiceTargets;

/// Flags that say how primaries are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WorkloadSettings {
    /// Label keys by which pods may be selected, the preferred first (`-selector-labels`).
    pub(crate) selector_labels: Vec<String>,
    /// Prefixes of the labels and annotations that a primary takes over (`-include-label-prefix`).
    pub(crate) include_label_prefix: Vec<String>,
    /// Whether `ConfigMaps` and Secrets are followed and copied (`-enable-config-tracking`).
    pub(crate) config_tracking: bool,
}

impl From<&Settings> for WorkloadSettings {
    fn from(settings: &Settings) -> Self {
        Self {
            selector_labels: settings.selector_labels.clone(),
            include_label_prefix: settings.include_label_prefix.clone(),
            config_tracking: settings.config_tracking,
        }
    }
}

/// A kind of workload whose pods are served by Services of ours.
#[async_trait]
pub(crate) trait ServedWorkload: Workload {
    /// How the target's pods are selected, and the further ports that they serve when `route` asks for these.
    async fn pods(&self, spec: &WorkloadSpec, route: &RouteSpec) -> Result<Pods, WorkloadError>;
}

const _: Option<&dyn ServedWorkload> = None; // stays object-safe
