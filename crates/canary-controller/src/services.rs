//! The Services of a canary: one for the primary's pods, one for the target's, and the one that clients use.
//! Not for splitting traffic between them.

use std::sync::Arc;

use canary_api::ServiceSpec;
use canary_core::{Metadata, Owner, RouteSpec, WorkloadError};
use canary_routers::Objects;
use k8s_openapi::api::core::v1::Service;
use kube::core::ApiResource;

use crate::failure::{Explain as _, Within as _};
use crate::workload::Pods;

mod desired;
mod present;
mod revert;
#[cfg(test)]
mod tests;

/// What `spec.service` says of the Services and no router needs to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServiceOptions {
    /// `service.primary`.
    pub(crate) primary: Metadata,
    /// `service.canary`.
    pub(crate) canary: Metadata,
    /// `service.headless`.
    pub(crate) headless: bool,
    /// `service.trafficDistribution`.
    pub(crate) traffic_distribution: Option<String>,
    /// `service.unmanagedMetadata.labels`: keys whose live values stand.
    pub(crate) unmanaged_labels: Vec<String>,
    /// `service.unmanagedMetadata.annotations`: keys whose live values stand.
    pub(crate) unmanaged_annotations: Vec<String>,
}

/// Everything that the Services of one canary are made from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServicesSpec<'a> {
    /// Names, ports and the metadata of the apex.
    pub(crate) route: &'a RouteSpec,
    /// Owner of created Services. It is not the route's, which is absent when the mesh lives in another cluster.
    pub(crate) owner: &'a Owner,
    /// How the target's pods are selected, and their further ports.
    pub(crate) pods: &'a Pods,
    /// The rest of `spec.service`.
    pub(crate) options: &'a ServiceOptions,
}

/// One of the three Services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Apex,
    Primary,
    Canary,
}

/// Services, read and written through `objects`.
pub(crate) struct Services {
    objects: Arc<dyn Objects>,
}

impl Services {
    /// Services of the cluster of `objects`.
    pub(crate) fn new(objects: Arc<dyn Objects>) -> Self {
        Self { objects }
    }

    /// Makes the Services of target and primary what they should be, in this order.
    pub(crate) async fn ensure_services(&self, spec: ServicesSpec<'_>) -> Result<(), WorkloadError> {
        self.ensure(spec, Role::Canary).await?;
        self.ensure(spec, Role::Primary).await
    }

    /// Makes the Service that clients use select the primary. One that exists already is used, and not adopted.
    pub(crate) async fn ensure_apex(&self, spec: ServicesSpec<'_>) -> Result<(), WorkloadError> {
        self.ensure(spec, Role::Apex).await
    }

    /// Makes the Service that clients use select the target again, unless it belongs to the canary. One that is gone is
    /// nothing to give back.
    pub(crate) async fn revert_apex(&self, spec: ServicesSpec<'_>) -> Result<(), WorkloadError> {
        let resource = ApiResource::erase::<Service>(&());
        let (name, namespace) = (spec.name(Role::Apex), spec.route.namespace.as_str());
        let whole = || "failed revert router".to_owned();
        let found = self.objects.get(&resource, namespace, name).await;
        let found = found.explain(|| format!("service {name}.{namespace} get query error")).within(whole)?;
        if let Some(object) = found.and_then(|present| revert::reverted(&present, spec)) {
            let replaced = self.objects.replace(&resource, &object).await;
            replaced.explain(|| format!("service {name} update error")).within(whole)?;
        }
        Ok(())
    }

    async fn ensure(&self, spec: ServicesSpec<'_>, role: Role) -> Result<(), WorkloadError> {
        let resource = ApiResource::erase::<Service>(&());
        let (name, namespace) = (spec.name(role), spec.route.namespace.as_str());
        let whole = || "reconcileService failed".to_owned();
        let found = self.objects.get(&resource, namespace, name).await;
        match found.explain(|| format!("service {name} get query error")).within(whole)? {
            None => {
                let created = self.objects.create(&resource, &desired::service(spec, role)).await;
                created.explain(|| format!("service {name}.{namespace} create error")).within(whole)?;
                tracing::info!(%name, %namespace, "the Service was created");
            }
            Some(present) => {
                let Some(object) = present::updated(&present, &desired::service(spec, role), spec) else {
                    return Ok(());
                };
                let replaced = self.objects.replace(&resource, &object).await;
                replaced.explain(|| format!("service {name} update error")).within(whole)?;
                tracing::info!(%name, %namespace, "the Service was updated");
            }
        }
        Ok(())
    }
}

impl<'a> ServicesSpec<'a> {
    fn name(&self, role: Role) -> &'a str {
        match role {
            Role::Apex => &self.route.apex,
            Role::Primary => &self.route.primary,
            Role::Canary => &self.route.canary,
        }
    }
}

impl From<&ServiceSpec> for ServiceOptions {
    fn from(service: &ServiceSpec) -> Self {
        let unmanaged = service.unmanaged_metadata.clone().unwrap_or_default();
        Self {
            primary: service.primary.clone().unwrap_or_default(),
            canary: service.canary.clone().unwrap_or_default(),
            headless: service.headless,
            traffic_distribution: service.traffic_distribution.clone().filter(|text| !text.is_empty()),
            unmanaged_labels: unmanaged.labels,
            unmanaged_annotations: unmanaged.annotations,
        }
    }
}
