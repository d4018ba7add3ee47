//! Autoscalers: the primary's copy of the target's, and the rest of the target's own.
//! Not for the number of pods itself.

use std::sync::Arc;

use canary_core::{Autoscaler, AutoscalerState, WorkloadError, WorkloadSpec};
use canary_routers::{ObjectError, Objects};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

use crate::failure::Explain as _;
use crate::fields::number_at;
use crate::generated::primary_name;

mod horizontal;
mod keda;
#[cfg(test)]
mod tests;

/// The annotation that makes KEDA leave a workload alone, at that many pods.
const PAUSED_REPLICAS: &str = "autoscaling.keda.sh/paused-replicas";

/// A kind of autoscaler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Horizontal,
    Keda,
}

impl Kind {
    fn of(scaler: &Autoscaler) -> Option<Self> {
        match scaler.kind.as_str() {
            "HorizontalPodAutoscaler" => Some(Self::Horizontal),
            "ScaledObject" => Some(Self::Keda),
            _ => None,
        }
    }

    fn resource(self) -> ApiResource {
        match self {
            Self::Horizontal => ApiResource::erase::<HorizontalPodAutoscaler>(&()),
            Self::Keda => {
                let kind = GroupVersionKind::gvk("keda.sh", "v1alpha1", "ScaledObject");
                ApiResource::from_gvk_with_plural(&kind, "scaledobjects")
            }
        }
    }

    fn get_failed(self, name: &str, namespace: &str) -> String {
        match self {
            Self::Horizontal => format!("HorizontalPodAutoscaler {name}.{namespace} get query error"),
            Self::Keda => format!("Keda ScaledObject {name}.{namespace} get query error"),
        }
    }

    /// What the primary's copy is called in messages.
    fn copy_noun(self) -> &'static str {
        match self {
            Self::Horizontal => "HorizontalPodAutoscaler v2",
            Self::Keda => "Keda ScaledObject",
        }
    }

    fn minimum(self, object: &Value) -> i64 {
        let pointer = match self {
            Self::Horizontal => "/spec/minReplicas",
            Self::Keda => "/spec/minReplicaCount",
        };
        number_at(object, pointer).filter(|minimum| *minimum > 1).unwrap_or(1)
    }
}

/// How many pods an autoscaler starts from: its minimum, and one when it does not exist.
pub(crate) async fn minimum(
    objects: &dyn Objects,
    namespace: &str,
    scaler: &Autoscaler,
) -> Result<i64, WorkloadError> {
    let Some(kind) = Kind::of(scaler) else { return Ok(1) };
    let found = objects.get(&kind.resource(), namespace, &scaler.name).await;
    let found = found.explain(|| kind.get_failed(&scaler.name, namespace))?;
    Ok(found.map_or(1, |object| kind.minimum(&object)))
}

/// Autoscalers, read and written through `objects`. Without `autoscalerRef` there is nothing to do.
pub(crate) struct Autoscalers {
    objects: Arc<dyn Objects>,
}

impl Autoscalers {
    /// Autoscalers of the cluster of `objects`.
    pub(crate) fn new(objects: Arc<dyn Objects>) -> Self {
        Self { objects }
    }

    /// Makes the primary's autoscaler do what the target's does; a missing one is created.
    pub(crate) async fn ensure(&self, spec: &WorkloadSpec) -> Result<(), WorkloadError> {
        let Some((scaler, kind)) = known(spec)? else { return Ok(()) };
        let target = self.target(spec, scaler, kind).await?;
        let (name, namespace) = (primary_name(&scaler.name), &spec.namespace);
        let noun = kind.copy_noun();
        let found = self.objects.get(&kind.resource(), namespace, &name).await;
        match found.explain(|| format!("{noun} {name}.{namespace} get query failed"))? {
            None => {
                let object = match kind {
                    Kind::Horizontal => horizontal::created(&target, spec, scaler),
                    Kind::Keda => keda::created(&target, spec, scaler),
                };
                let created = self.objects.create(&kind.resource(), &object).await;
                created.explain(|| format!("creating {noun} {name}.{namespace} failed"))?;
                tracing::info!(kind = noun, %name, %namespace, "the primary's autoscaler was created");
            }
            Some(present) => {
                let object = match kind {
                    Kind::Horizontal => horizontal::updated(&present, &target, spec, scaler),
                    Kind::Keda => keda::updated(&present, &target, spec, scaler),
                };
                let Some(object) = object else { return Ok(()) };
                let replaced = self.objects.replace(&kind.resource(), &object).await;
                replaced.explain(|| match kind {
                    Kind::Horizontal => format!("updating {noun} {name}.{namespace} failed"),
                    Kind::Keda => format!("updating ScaledObject {name}.{namespace} failed"),
                })?;
                tracing::info!(kind = noun, %name, %namespace, "the primary's autoscaler was updated");
            }
        }
        Ok(())
    }

    /// Lets the target's autoscaler rest, or work. A `HorizontalPodAutoscaler` rests by itself while its target has no
    /// pods; KEDA has to be told.
    pub(crate) async fn set_target(
        &self,
        spec: &WorkloadSpec,
        state: AutoscalerState,
    ) -> Result<(), WorkloadError> {
        let Some((scaler, kind)) = known(spec)? else { return Ok(()) };
        if kind == Kind::Horizontal {
            return Ok(());
        }
        let target = self.target(spec, scaler, kind).await?;
        let paused = target.pointer("/metadata/annotations").and_then(|all| all.get(PAUSED_REPLICAS));
        let wanted = match state {
            AutoscalerState::Paused => json!("0"),
            AutoscalerState::Running => Value::Null,
        };
        if paused.unwrap_or(&Value::Null) == &wanted {
            return Ok(());
        }
        let patch = json!({"metadata": {"annotations": {PAUSED_REPLICAS: wanted}}});
        let merged = self.objects.merge(&kind.resource(), &spec.namespace, &scaler.name, &patch).await;
        merged.explain(|| format!("updating ScaledObject {}.{} failed", scaler.name, spec.namespace))?;
        Ok(())
    }

    async fn target(
        &self,
        spec: &WorkloadSpec,
        scaler: &Autoscaler,
        kind: Kind,
    ) -> Result<Value, WorkloadError> {
        let failed = || kind.get_failed(&scaler.name, &spec.namespace);
        let found =
            self.objects.get(&kind.resource(), &spec.namespace, &scaler.name).await.explain(failed)?;
        found.ok_or_else(|| WorkloadError::Missing {
            message: format!("{}: {}", failed(), ObjectError::absent(&kind.resource(), &scaler.name)),
        })
    }
}

fn known(spec: &WorkloadSpec) -> Result<Option<(&Autoscaler, Kind)>, WorkloadError> {
    let Some(scaler) = &spec.autoscaler else { return Ok(None) };
    match Kind::of(scaler) {
        Some(kind) => Ok(Some((scaler, kind))),
        None => Err(WorkloadError::Invalid {
            message: format!(
                "canary {}.{} autoscalerRef.kind is {:?} and must be HorizontalPodAutoscaler or ScaledObject",
                spec.canary_name, spec.namespace, scaler.kind
            ),
        }),
    }
}
