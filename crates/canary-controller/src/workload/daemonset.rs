//! `DaemonSets` as workloads: one that is at rest asks for nodes that do not exist.
//! What they share with other kinds is the copier's.

use std::sync::Arc;

use async_trait::async_trait;
use canary_core::{
    Instance, RouteSpec, Scale, Target, Timestamp, Workload, WorkloadError, WorkloadSpec, WorkloadState,
};
use canary_routers::Objects;
use serde_json::{Value, json};

use super::copier::Copier;
use super::readiness::{Judgement, named};
use super::source::{Kind, SCALE_TO_ZERO};
use super::{Pods, ServedWorkload, WorkloadSettings};
use crate::configs::Configs;
use crate::failure::{Explain as _, Within as _};
use crate::fields::{edit, into_fields, number_at, set_map, text_at};
use crate::generated::primary_name;

/// `DaemonSets`, read and written through `objects`.
pub(crate) struct DaemonSets {
    copier: Copier,
}

impl DaemonSets {
    /// `DaemonSets` whose primaries are made by those settings.
    pub(crate) fn new(objects: Arc<dyn Objects>, settings: Arc<WorkloadSettings>) -> Self {
        Self { copier: Copier { kind: Kind::DaemonSet, objects, settings } }
    }
}

/// A `DaemonSet` that replaces its pods only when somebody deletes them cannot be rolled out by us.
fn check_strategy(spec: &WorkloadSpec, target: &Value) -> Result<(), WorkloadError> {
    match text_at(target, "/spec/updateStrategy/type") {
        None | Some("" | "RollingUpdate") => Ok(()),
        Some(other) => Err(WorkloadError::Invalid {
            message: format!(
                "daemonset {}.{} must have RollingUpdate strategy but have {other}",
                spec.target, spec.namespace
            ),
        }),
    }
}

/// `target` at rest, or not.
fn scaled(target: &Value, scale: Scale) -> Value {
    let mut object = into_fields(target.clone());
    edit(&mut object, "spec", |spec| {
        edit(spec, "template", |template| {
            edit(template, "spec", |pod| {
                let mut selector = into_fields(pod.remove("nodeSelector").unwrap_or_default());
                match scale {
                    Scale::Zero => drop(selector.insert(SCALE_TO_ZERO.into(), json!("true"))),
                    Scale::Up | Scale::LikePrimary => drop(selector.remove(SCALE_TO_ZERO)),
                }
                set_map(pod, "nodeSelector", selector);
            });
        });
    });
    Value::Object(object)
}

#[async_trait]
impl Workload for DaemonSets {
    async fn observe(&self, spec: &WorkloadSpec, now: Timestamp) -> Result<WorkloadState, WorkloadError> {
        let source = self.copier.source(spec).await?;
        check_strategy(spec, &source.object).within(|| "createPrimaryDaemonSet failed".into())?;
        let primary = self.copier.primary(spec).await?;
        let judgement = |threshold| Judgement {
            threshold,
            deadline: spec.progress_deadline,
            last_transition: spec.last_transition,
            now,
        };
        let namespace = &spec.namespace;

        let readiness = judgement(spec.target_ready_threshold).of_daemon_set(&source.object);
        let mut target = Target::ready(source.revision());
        target.configs = source.configs.as_ref().map(Configs::checksums);
        target.matches_primary = self.copier.is_run_by(&source, primary.as_ref(), spec).await?;
        target.instance = Instance {
            // Flagger writes "damonset", and people search for its words.
            readiness: named(readiness, |again| {
                format!("canary damonset {}.{namespace} not ready with retryable {again}", spec.target)
            }),
            available: available(&source.object),
        };

        let primary = primary.map(|object| {
            let name = primary_name(&spec.target);
            let readiness = judgement(spec.primary_ready_threshold).of_daemon_set(&object);
            Instance {
                readiness: named(readiness, |_| format!("primary daemonset {name}.{namespace} not ready")),
                available: available(&object),
            }
        });
        Ok(WorkloadState { target, primary })
    }

    async fn ensure_primary(&self, spec: &WorkloadSpec) -> Result<(), WorkloadError> {
        let target = self.copier.target(spec).await.within(|| "createPrimaryDaemonSet failed".into())?;
        check_strategy(spec, &target).within(|| "createPrimaryDaemonSet failed".into())?;
        self.copier.ensure_primary(spec).await
    }

    async fn promote(&self, spec: &WorkloadSpec, revision: &str) -> Result<(), WorkloadError> {
        self.copier.promote(spec, revision).await
    }

    async fn scale_target(&self, spec: &WorkloadSpec, scale: Scale) -> Result<(), WorkloadError> {
        let target = self.copier.target(spec).await?;
        let object = scaled(&target, scale);
        if object == target {
            return Ok(());
        }
        let replaced = self.copier.objects.replace(&self.copier.kind.resource(), &object).await;
        replaced.explain(|| match scale {
            Scale::Zero => format!("updating daemonset {}.{} failed", spec.target, spec.namespace),
            Scale::Up | Scale::LikePrimary => {
                format!("scaling up daemonset {}.{} failed", spec.target, spec.namespace)
            }
        })?;
        Ok(())
    }
}

#[async_trait]
impl ServedWorkload for DaemonSets {
    async fn pods(&self, spec: &WorkloadSpec, route: &RouteSpec) -> Result<Pods, WorkloadError> {
        self.copier.pods(spec, route).await
    }
}

fn available(object: &Value) -> i32 {
    number_at(object, "/status/numberAvailable")
        .and_then(|number| i32::try_from(number).ok())
        .unwrap_or_default()
}
