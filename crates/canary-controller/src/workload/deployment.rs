//! Deployments as workloads.
//! What they share with other kinds is the copier's.

use std::sync::Arc;

use async_trait::async_trait;
use canary_core::{
    Instance, RouteSpec, Scale, Target, Timestamp, Workload, WorkloadError, WorkloadSpec, WorkloadState,
};
use canary_routers::Objects;
use serde_json::{Value, json};

use super::copier::Copier;
use super::primary::running_replicas;
use super::readiness::{Judgement, named};
use super::source::Kind;
use super::{Pods, ServedWorkload, WorkloadSettings};
use crate::autoscaler;
use crate::configs::Configs;
use crate::failure::Explain as _;
use crate::fields::{number_at, text_at};
use crate::generated::primary_name;

/// Deployments, read and written through `objects`.
pub(crate) struct Deployments {
    copier: Copier,
}

impl Deployments {
    /// Deployments whose primaries are made by those settings.
    pub(crate) fn new(objects: Arc<dyn Objects>, settings: Arc<WorkloadSettings>) -> Self {
        Self { copier: Copier { kind: Kind::Deployment, objects, settings } }
    }

    async fn replicas_for(&self, spec: &WorkloadSpec, target: &Value) -> Result<i64, WorkloadError> {
        if let Some(own) = running_replicas(target) {
            return Ok(own);
        }
        match &spec.autoscaler {
            None => Ok(running_replicas(&self.copier.existing_primary(spec).await?).unwrap_or(1)),
            Some(scaler) => autoscaler::minimum(&*self.copier.objects, &spec.namespace, scaler).await,
        }
    }
}

#[async_trait]
impl Workload for Deployments {
    async fn observe(&self, spec: &WorkloadSpec, now: Timestamp) -> Result<WorkloadState, WorkloadError> {
        let source = self.copier.source(spec).await?;
        let primary = self.copier.primary(spec).await?;
        let judgement = |threshold| Judgement {
            threshold,
            deadline: spec.progress_deadline,
            last_transition: spec.last_transition,
            now,
        };
        let namespace = &spec.namespace;

        let readiness = judgement(spec.target_ready_threshold).of_deployment(&spec.target, &source.object);
        let mut target = Target::ready(source.revision());
        target.configs = source.configs.as_ref().map(Configs::checksums);
        target.matches_primary = self.copier.is_run_by(&source, primary.as_ref(), spec).await?;
        target.instance = Instance {
            readiness: named(readiness, |_| {
                format!("canary deployment {}.{namespace} not ready", spec.target)
            }),
            available: available(&source.object),
        };

        let primary = primary.map(|object| {
            let name = primary_name(&spec.target);
            let readiness = judgement(spec.primary_ready_threshold).of_deployment(&name, &object);
            Instance {
                readiness: named(readiness, |_| format!("{name}.{namespace} not ready")),
                available: available(&object),
            }
        });
        Ok(WorkloadState { target, primary })
    }

    async fn ensure_primary(&self, spec: &WorkloadSpec) -> Result<(), WorkloadError> {
        self.copier.ensure_primary(spec).await
    }

    async fn promote(&self, spec: &WorkloadSpec, revision: &str) -> Result<(), WorkloadError> {
        self.copier.promote(spec, revision).await
    }

    async fn scale_target(&self, spec: &WorkloadSpec, scale: Scale) -> Result<(), WorkloadError> {
        let target = self.copier.target(spec).await?;
        let wanted = match scale {
            Scale::Zero => 0,
            Scale::Up => self.replicas_for(spec, &target).await?,
            Scale::LikePrimary => {
                let primary = self.copier.primary(spec).await?.as_ref().and_then(running_replicas);
                let own = running_replicas(&target);
                primary.max(own).unwrap_or(1)
            }
        };
        // What is absent counts as one pod for the API server.
        if number_at(&target, "/spec/replicas").unwrap_or(1) == wanted {
            return Ok(());
        }
        let patch = json!({
            "metadata": {"resourceVersion": text_at(&target, "/metadata/resourceVersion")},
            "spec": {"replicas": wanted},
        });
        let Copier { objects, kind, .. } = &self.copier;
        let merged = objects.merge(&kind.resource(), &spec.namespace, &spec.target, &patch).await;
        merged.explain(|| match scale {
            Scale::Zero => format!("deployment {}.{} patch query error", spec.target, spec.namespace),
            Scale::Up | Scale::LikePrimary => {
                format!("scaling up {}.{} to {wanted} failed", spec.target, spec.namespace)
            }
        })?;
        Ok(())
    }
}

#[async_trait]
impl ServedWorkload for Deployments {
    async fn pods(&self, spec: &WorkloadSpec, route: &RouteSpec) -> Result<Pods, WorkloadError> {
        self.copier.pods(spec, route).await
    }
}

fn available(object: &Value) -> i32 {
    number_at(object, "/status/availableReplicas")
        .and_then(|number| i32::try_from(number).ok())
        .unwrap_or_default()
}
