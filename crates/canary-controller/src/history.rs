//! The last rollouts of a canary, kept on the Canary itself: one write when a rollout is over, none before and after.

use canary_api::{PastRollout, TargetKind};
use canary_core::{EventKind, Happening, Phase, Status, Then};
use canary_routers::{KnativeService, Objects};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use kube::core::ApiResource;
use serde_json::Value;

use crate::cache::Reader;
use crate::metadata::record;
use crate::reconcile::Context;
use crate::subject::Subject;

/// What this process saw of the rollout under way. A restart loses it; the outcome is in the status.
#[derive(Default)]
pub(crate) struct Story {
    /// The last thing that was wrong.
    trouble: Option<String>,
}

impl Story {
    /// Takes note of what a call led to; the rollout, if it is over with it.
    pub(crate) fn follow(&mut self, subject: &Subject, after: &Status, then: &[Then]) -> Option<PastRollout> {
        let before = &subject.status;
        let mut causes = Vec::new();
        for step in then {
            let Then::Announce(notice) = step else { continue };
            match &notice.what {
                Happening::NewRevision | Happening::Restarting => self.trouble = None,
                Happening::NothingToApprove => return None,
                Happening::CheckFailed(_) | Happening::HookFailed { .. } | Happening::Error(_) => {
                    if let Some((EventKind::Warning, text)) = notice.event(&subject.plan) {
                        self.trouble = Some(text);
                    }
                }
                Happening::ThresholdReached(_)
                | Happening::RollbackRequested
                | Happening::SetBack
                | Happening::Aborted { .. }
                | Happening::DeadlineExceeded(_)
                | Happening::PromotionFailed(_) => {
                    causes.extend(notice.event(&subject.plan).map(|(_, text)| text));
                }
                // Not a cause; `_` for what a later core may tell.
                Happening::RolledBack
                | Happening::Suspended
                | Happening::ProvidersOnline
                | Happening::ProvidersOffline(_)
                | Happening::InitializationDone
                | Happening::StartingAnalysis
                | Happening::Unsupported(_)
                | Happening::CanaryWeight(_)
                | Happening::PrimaryWeight(_)
                | Happening::Iteration(..)
                | Happening::AllToCanary { .. }
                | Happening::AllToPrimary
                | Happening::Copying
                | Happening::Promoted { .. }
                | Happening::HookPassed { .. }
                | Happening::Terminating
                | Happening::Terminated
                | Happening::CommandTaken { .. }
                | Happening::CommandRefused { .. }
                | _ => {}
            }
        }
        let over = matches!(after.phase, Phase::Succeeded | Phase::Failed) && after.phase != before.phase;
        if !over {
            return None;
        }
        let mut rollout = outcome(after);
        rollout.started =
            before.condition.as_ref().filter(|c| c.status == "Unknown").map(|c| c.last_transition);
        rollout.reason = if after.phase == Phase::Failed {
            causes.extend(self.trouble.take());
            causes.join("; ")
        } else {
            let by = subject.steering.promote.as_ref().map(|p| &p.order.by);
            by.map(|by| format!("promoted by {by}")).unwrap_or_default()
        };
        Some(rollout)
    }
}

fn outcome(status: &Status) -> PastRollout {
    let mut rollout = PastRollout::new(&status.last_applied, status.phase.as_str());
    rollout.ended = status.last_transition;
    rollout
}

/// The rollout that is over and not in the history, for a process that finds it so.
pub(crate) fn missed(subject: &Subject) -> Option<PastRollout> {
    let status = &subject.status;
    let rollout = matches!(status.phase, Phase::Succeeded | Phase::Failed).then(|| outcome(status))?;
    let known = subject.history.first();
    let same = known.is_some_and(|k| (&k.revision, k.ended) == (&rollout.revision, rollout.ended));
    (!same).then_some(rollout)
}

/// Adds the rollout to the history. Best effort: nothing depends on it.
pub(crate) async fn write(
    context: &Context,
    object: &Value,
    subject: &Subject,
    reader: &Reader,
    mut rollout: PastRollout,
) {
    rollout.images = images(subject, reader).await;
    if let Err(error) = record(context, object, &rollout).await {
        tracing::warn!(canary = %subject.about.name, category = error.category(), error = %error, "the history was not written");
    }
}

/// The images that the target has now.
async fn images(subject: &Subject, reader: &Reader) -> Vec<String> {
    let kind = match subject.kind {
        TargetKind::Deployment => ApiResource::erase::<Deployment>(&()),
        TargetKind::DaemonSet => ApiResource::erase::<DaemonSet>(&()),
        TargetKind::Knative => KnativeService::kind(),
        TargetKind::Service | _ => return Vec::new(),
    };
    let objects: &dyn Objects = reader;
    let target = objects.get(&kind, &subject.plan.namespace, &subject.plan.target).await.ok().flatten();
    let containers = target.as_ref().and_then(|t| t.pointer("/spec/template/spec/containers")?.as_array());
    let image = |c: &Value| c.get("image")?.as_str().map(str::to_owned);
    containers.into_iter().flatten().filter_map(image).collect()
}
