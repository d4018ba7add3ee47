//! Knative Services as targets: their revisions are kept by Knative, so that promoting one is naming it.
//! Not for the split of traffic, which is the router's, but for the first one.

use std::sync::Arc;

use async_trait::async_trait;
use canary_core::{
    Instance, Readiness, Scale, Target, Timestamp, Weights, Workload, WorkloadError, WorkloadSpec,
    WorkloadState,
};
use canary_routers::{KnativeService, ObjectError, Objects};
use canary_webhooks::text_checksum;
use serde_json::Value;

use crate::failure::Explain as _;
use crate::fields::{list_at, number_at};

/// Knative Services, read and written through `objects`.
pub(crate) struct KnativeServices {
    objects: Arc<dyn Objects>,
    initializing: bool,
}

impl KnativeServices {
    /// Knative Services. While the canary is `initializing`, the latest revision is made the primary; an annotation from
    /// an earlier canary does not count.
    pub(crate) fn new(objects: Arc<dyn Objects>, initializing: bool) -> Self {
        Self { objects, initializing }
    }

    async fn service(&self, spec: &WorkloadSpec) -> Result<KnativeService, WorkloadError> {
        let kind = KnativeService::kind();
        let failed = || format!("{} get query error", title(spec));
        let found = self.objects.get_as::<KnativeService>(&kind, &spec.namespace, &spec.target).await;
        found.explain(failed)?.ok_or_else(|| WorkloadError::Missing {
            message: format!("{}: {}", failed(), ObjectError::absent(&kind, &spec.target)),
        })
    }

    /// The revision of that name, as the pods of a workload. It may have none and serve all the same: Knative starts them
    /// with the first request.
    async fn instance(&self, spec: &WorkloadSpec, revision: &str) -> Result<Instance, WorkloadError> {
        let kind = KnativeService::revision_kind();
        let failed = || format!("Knative Revision {revision}.{} get query error", spec.namespace);
        let waiting = |text: String| Instance { readiness: Readiness::Waiting(text), available: 0 };
        Ok(match self.objects.get(&kind, &spec.namespace, revision).await.explain(failed)? {
            None => waiting(format!("{}: {}", failed(), ObjectError::absent(&kind, revision))),
            Some(found) if is_ready(&found) => Instance::ready(1),
            Some(_) => waiting(format!("Knative Revision {revision}.{} is not ready", spec.namespace)),
        })
    }

    async fn replace(
        &self,
        spec: &WorkloadSpec,
        wanted: &KnativeService,
        live: &KnativeService,
    ) -> Result<(), WorkloadError> {
        if wanted == live {
            return Ok(());
        }
        let kind = KnativeService::kind();
        let encoded = serde_json::to_value(wanted)
            .map_err(|source| ObjectError::Malformed { object: title(spec), source });
        let written = match encoded {
            Ok(object) => self.objects.replace(&kind, &object).await,
            Err(error) => Err(error),
        };
        written.explain(|| format!("{} update query error", title(spec)))?;
        Ok(())
    }
}

#[async_trait]
impl Workload for KnativeServices {
    async fn observe(&self, spec: &WorkloadSpec, _: Timestamp) -> Result<WorkloadState, WorkloadError> {
        let service = self.service(spec).await?;
        let latest = latest(spec, &service)?;
        let named = service.primary_revision().filter(|_| !self.initializing);
        let primary = named.unwrap_or(latest);

        // Flagger's own hash of the name, so that canaries change hands either way without a rollout.
        let mut target = Target::ready(text_checksum(latest));
        target.configs = None;
        target.matches_primary = primary == latest;
        target.instance = self.instance(spec, latest).await?;
        let primary = self.instance(spec, primary).await?;
        Ok(WorkloadState { target, primary: Some(primary) })
    }

    /// Makes the latest revision the primary, which then gets all traffic, once it is ready. (Flagger does not wait.)
    async fn ensure_primary(&self, spec: &WorkloadSpec) -> Result<(), WorkloadError> {
        if !self.initializing {
            return Ok(());
        }
        let live = self.service(spec).await?;
        let latest = latest(spec, &live)?;
        if self.instance(spec, latest).await?.readiness != Readiness::Ready {
            return Ok(()); // it is waited for
        }
        let mut wanted = live.clone();
        wanted.set_primary_revision(latest);
        wanted.split(latest, Weights::PRIMARY);
        self.replace(spec, &wanted, &live).await
    }

    async fn promote(&self, spec: &WorkloadSpec, revision: &str) -> Result<(), WorkloadError> {
        let live = self.service(spec).await?;
        let latest = latest(spec, &live)?;
        if text_checksum(latest) != revision {
            return Err(WorkloadError::MovedOn {
                message: format!("{} has moved on to {latest}, which was not analysed", title(spec)),
            });
        }
        let mut wanted = live.clone();
        wanted.set_primary_revision(latest);
        self.replace(spec, &wanted, &live).await
    }

    async fn scale_target(&self, _: &WorkloadSpec, _: Scale) -> Result<(), WorkloadError> {
        Ok(()) // Knative scales by traffic
    }
}

fn latest<'a>(spec: &WorkloadSpec, service: &'a KnativeService) -> Result<&'a str, WorkloadError> {
    service.latest_revision().ok_or_else(|| WorkloadError::Invalid {
        message: format!("{} has no revision yet: status.latestCreatedRevisionName is empty", title(spec)),
    })
}

fn is_ready(revision: &Value) -> bool {
    let observed = number_at(revision, "/status/observedGeneration");
    let conditions = list_at(revision, "/status/conditions");
    observed == number_at(revision, "/metadata/generation")
        && conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True")
}

fn title(spec: &WorkloadSpec) -> String {
    format!("Knative Service {}.{}", spec.target, spec.namespace)
}
