//! Core Services as targets: what is released is where the name leads, and there are no pods of ours.
//! Not for the Services that are made for other kinds of workload.

use std::sync::Arc;

use async_trait::async_trait;
use canary_core::{Instance, Scale, Target, Timestamp, Workload, WorkloadError, WorkloadSpec, WorkloadState};
use canary_routers::{ObjectError, Objects};
use k8s_openapi::api::core::v1::Service;
use kube::core::ApiResource;
use serde_json::Value;

use self::copies::Copying;
use crate::failure::{Explain as _, Within as _};
use crate::generated::primary_name;
use crate::revision::revision;

mod copies;

/// Core Services, read and written through `objects`.
pub(crate) struct ServiceTargets {
    objects: Arc<dyn Objects>,
    kind: ApiResource,
    traffic_distribution: Option<String>,
}

impl ServiceTargets {
    /// Services whose copies get that `trafficDistribution`, or else the target's own.
    pub(crate) fn new(objects: Arc<dyn Objects>, traffic_distribution: Option<String>) -> Self {
        Self { objects, kind: ApiResource::erase::<Service>(&()), traffic_distribution }
    }

    fn copying<'a>(&'a self, spec: &'a WorkloadSpec) -> Copying<'a> {
        Copying { spec, traffic_distribution: self.traffic_distribution.as_deref() }
    }

    async fn read(&self, spec: &WorkloadSpec, name: &str) -> Result<Option<Value>, WorkloadError> {
        self.objects.get(&self.kind, &spec.namespace, name).await.explain(|| get_failed(spec, name))
    }

    async fn existing(&self, spec: &WorkloadSpec, name: &str) -> Result<Value, WorkloadError> {
        self.read(spec, name).await?.ok_or_else(|| WorkloadError::Missing {
            message: format!("{}: {}", get_failed(spec, name), ObjectError::absent(&self.kind, name)),
        })
    }

    async fn create(&self, spec: &WorkloadSpec, target: &Value, name: &str) -> Result<(), WorkloadError> {
        let created = self.objects.create(&self.kind, &self.copying(spec).created(target, name)).await;
        created.explain(|| format!("creating service {name}.{} query error", spec.namespace))?;
        tracing::info!(%name, namespace = %spec.namespace, "the Service was created");
        Ok(())
    }

    /// The canary's copy follows the target at any time. Flagger writes it at every tick.
    async fn ensure_canary(&self, spec: &WorkloadSpec, target: &Value) -> Result<(), WorkloadError> {
        let name = format!("{}-canary", spec.target);
        let Some(copy) = self.read(spec, &name).await? else {
            return self.create(spec, target, &name).await;
        };
        let object = self.copying(spec).updated(target, &copy);
        if object != copy {
            let replaced = self.objects.replace(&self.kind, &object).await;
            replaced.explain(|| format!("updating service {name}.{} failed", spec.namespace))?;
        }
        Ok(())
    }
}

#[async_trait]
impl Workload for ServiceTargets {
    async fn observe(&self, spec: &WorkloadSpec, _: Timestamp) -> Result<WorkloadState, WorkloadError> {
        let service = self.existing(spec, &spec.target).await?;
        let primary = self.read(spec, &primary_name(&spec.target)).await?;
        let mut target = Target::ready(revision_of(&service));
        target.configs = None;
        // A missing copy is made of the target.
        target.matches_primary = primary.is_none_or(|copy| self.copying(spec).is_made(&service, &copy));
        // A Service is ready as soon as it exists, and a missing copy is made before anything is sent to it.
        Ok(WorkloadState { target, primary: Some(Instance::ready(1)) })
    }

    /// Keeps both copies: the canary's is what the target is, the primary's what was promoted last.
    async fn ensure_primary(&self, spec: &WorkloadSpec) -> Result<(), WorkloadError> {
        let target = self.existing(spec, &spec.target).await?;
        self.ensure_canary(spec, &target).await.within(|| "reconcileCanaryService failed".into())?;
        let name = primary_name(&spec.target);
        let whole = || "reconcilePrimaryService failed".to_owned();
        if self.read(spec, &name).await.within(whole)?.is_none() {
            self.create(spec, &target, &name).await.within(whole)?;
        }
        Ok(())
    }

    async fn promote(&self, spec: &WorkloadSpec, revision: &str) -> Result<(), WorkloadError> {
        let name = primary_name(&spec.target);
        let whole = || format!("updating service {name}.{} spec failed", spec.namespace);
        let target = self.existing(spec, &spec.target).await.within(whole)?;
        let present = revision_of(&target);
        if present != revision {
            return Err(WorkloadError::MovedOn {
                message: format!(
                    "service {}.{} has revision {present}, and {revision} was to be promoted",
                    spec.target, spec.namespace
                ),
            });
        }
        let primary = self.existing(spec, &name).await.within(whole)?;
        let object = self.copying(spec).updated(&target, &primary);
        if object != primary {
            self.objects.replace(&self.kind, &object).await.explain(whole)?;
        }
        Ok(())
    }

    async fn scale_target(&self, _: &WorkloadSpec, _: Scale) -> Result<(), WorkloadError> {
        Ok(()) // it has no size
    }
}

fn revision_of(service: &Value) -> String {
    revision(&copies::without_defaults(copies::content(service)))
}

fn get_failed(spec: &WorkloadSpec, name: &str) -> String {
    format!("service {name}.{} get query error", spec.namespace)
}
