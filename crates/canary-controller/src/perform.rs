//! Making wishes true: one effect at a time, through the workload, Services, autoscaler and router of the canary.

use std::sync::Arc;

use canary_api::TargetKind;
use canary_core::{
    Affinity, Decision, Effect, Observed, Phase, RouteSpec, Router, RouterError, Target, Timestamp,
    UnknownName, Workload, WorkloadError,
};
use canary_routers::{Objects, Routers};

use crate::autoscaler::Autoscalers;
use crate::cache::Reader;
use crate::cookies;
use crate::services::{Services, ServicesSpec};
use crate::subject::Subject;
use crate::telemetry::Telemetry;
use crate::workload::{
    DaemonSets, Deployments, KnativeServices, ServedWorkload, ServiceTargets, WorkloadSettings,
};

/// Tries of one effect that meets objects which changed since they were read. An effect is a wish, so it may be repeated.
const TRIES: usize = 4;

/// What one canary is observed and changed through.
pub(crate) struct Performer<'a> {
    subject: &'a Subject,
    workload: Released,
    router: Arc<dyn Router>,
    services: Services,
    autoscalers: Autoscalers,
    telemetry: &'a Telemetry,
    /// The cookies in force, which a decision may change.
    affinity: Option<Affinity>,
}

/// Why an effect failed. The text is the one that events show.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EffectError {
    /// Of the workload, its Services or autoscaler.
    #[error(transparent)]
    Workload(#[from] WorkloadError),
    /// Of the mesh.
    #[error(transparent)]
    Router(#[from] RouterError),
    /// The provider is unknown.
    #[error(transparent)]
    Provider(#[from] UnknownName),
    /// The kind of target cannot be released.
    #[error(
        "spec.targetRef.kind {0} cannot be released by this version: use Deployment, DaemonSet or Service"
    )]
    Target(String),
}

impl EffectError {
    /// A short stable name for logs and metrics.
    pub(crate) fn category(&self) -> &'static str {
        match self {
            Self::Workload(error) => error.category(),
            Self::Router(error) => error.category(),
            Self::Provider(_) => "provider",
            Self::Target(_) => "target",
        }
    }

    fn is_conflict(&self) -> bool {
        matches!(
            self,
            Self::Workload(WorkloadError::Api { conflict: true, .. })
                | Self::Router(RouterError::Api { conflict: true, .. })
        )
    }
}

/// What is released, by the way it is reached.
enum Released {
    /// Through Services of ours.
    Served(Box<dyn ServedWorkload>),
    /// By itself: it is a Service.
    Itself(Box<dyn Workload>),
}

impl Released {
    fn new(
        subject: &Subject,
        objects: &Arc<dyn Objects>,
        settings: &Arc<WorkloadSettings>,
    ) -> Result<Self, EffectError> {
        let (objects, settings) = (objects.clone(), settings.clone());
        Ok(match subject.kind {
            TargetKind::Deployment => Self::Served(Box::new(Deployments::new(objects, settings))),
            TargetKind::DaemonSet => Self::Served(Box::new(DaemonSets::new(objects, settings))),
            TargetKind::Service => {
                let distribution = subject.services.traffic_distribution.clone();
                Self::Itself(Box::new(ServiceTargets::new(objects, distribution)))
            }
            TargetKind::Knative => {
                let initializing = subject.status.phase == Phase::Initializing;
                Self::Itself(Box::new(KnativeServices::new(objects, initializing)))
            }
            _ => return Err(EffectError::Target(subject.plan.target_kind.clone())),
        })
    }

    /// What all kinds have in common.
    fn any(&self) -> &dyn Workload {
        match self {
            Self::Served(workload) => &**workload,
            Self::Itself(workload) => &**workload,
        }
    }
}

impl<'a> Performer<'a> {
    /// What `subject` is released through.
    pub(crate) fn new(
        subject: &'a Subject,
        reader: &Reader,
        mesh: Option<&Reader>,
        routers: &Routers,
        settings: &Arc<WorkloadSettings>,
        telemetry: &'a Telemetry,
    ) -> Result<Self, EffectError> {
        let objects: Arc<dyn Objects> = Arc::new(reader.clone());
        let workload = Released::new(subject, &objects, settings)?;
        let router = match mesh.filter(|_| !lives_beside_the_workload(&subject.route.provider)) {
            Some(mesh) => routers.router(&subject.route.provider, Arc::new(mesh.clone()))?,
            None => routers.router(&subject.route.provider, objects.clone())?,
        };
        let services = Services::new(objects.clone());
        let affinity = subject.route.affinity.clone();
        let autoscalers = Autoscalers::new(objects);
        Ok(Self { subject, workload, router, services, autoscalers, telemetry, affinity })
    }

    /// Brings session cookies in line with what is about to be done.
    pub(crate) fn prepare(&mut self, decision: &mut Decision) {
        if let Some(affinity) = &mut self.affinity {
            cookies::follow(affinity, decision, &self.subject.about.uid);
        }
    }

    /// The world as the caches have it.
    pub(crate) async fn observe(&self, now: Timestamp) -> (Observed, Option<EffectError>) {
        let subject = self.subject;
        let state = self.workload.any().observe(&subject.workload, now).await;
        let routes = match &state {
            Ok(_) => self.router.weights(&self.route().await).await,
            Err(_) => Ok(None), // nothing is decided without a target
        };
        let mut error = None;
        let mut seen = match state {
            Ok(state) => {
                let mut seen = Observed::new(state.target);
                seen.primary = state.primary;
                seen
            }
            Err(cause) => {
                let mut seen = Observed::new(Target::ready(""));
                seen.target = Err(cause.to_string());
                seen.target_is_gone = matches!(cause, WorkloadError::Missing { .. });
                error = Some(cause.into());
                seen
            }
        };
        seen.routes = routes.map_err(|cause| {
            let text = cause.to_string();
            error = Some(cause.into());
            text
        });
        seen.deleting = subject.deleting;
        seen.finalizer = subject.finalizer;
        (seen, error)
    }

    /// Makes one wish true, again if what it changes was changed by others meanwhile.
    pub(crate) async fn perform(&self, effect: &Effect) -> Result<(), EffectError> {
        let mut tries = 0;
        loop {
            match self.perform_once(effect).await {
                Err(error) if error.is_conflict() && tries < TRIES => tries += 1,
                result => return result,
            }
        }
    }

    async fn perform_once(&self, effect: &Effect) -> Result<(), EffectError> {
        let spec = &self.subject.workload;
        match effect {
            Effect::EnsureServices => Ok(self.with_services(Which::Copies).await?),
            Effect::EnsureApex => Ok(self.with_services(Which::Apex).await?),
            Effect::RevertApex => Ok(self.with_services(Which::RevertedApex).await?),
            Effect::RevertRoutes => Ok(self.router.finalize(&self.route().await).await?),
            Effect::EnsurePrimary => {
                if routes_come_first(&self.subject.route.provider) {
                    self.router.reconcile(&self.route().await).await?;
                }
                Ok(self.workload.any().ensure_primary(spec).await?)
            }
            // Kept in step with the user's edits at any time; Flagger waits for the next promotion.
            Effect::EnsureAutoscaler | Effect::UpdateAutoscaler => Ok(self.autoscalers.ensure(spec).await?),
            Effect::TargetAutoscaler(state) => Ok(self.autoscalers.set_target(spec, *state).await?),
            Effect::EnsureRoutes => Ok(self.router.reconcile(&self.route().await).await?),
            Effect::Route(weights) => {
                self.router.set_weights(&self.route().await, *weights).await?;
                self.telemetry.weights(&spec.namespace, &spec.target, *weights);
                Ok(())
            }
            Effect::PromoteTemplate(revision) => Ok(self.workload.any().promote(spec, revision).await?),
            Effect::ScaleTarget(scale) => Ok(self.workload.any().scale_target(spec, *scale).await?),
            // The caller's: it has the Canary itself.
            Effect::KeepFinalizer(_) | _ => Ok(()),
        }
    }

    async fn with_services(&self, which: Which) -> Result<(), WorkloadError> {
        let subject = self.subject;
        let Released::Served(workload) = &self.workload else { return Ok(()) };
        let pods = workload.pods(&subject.workload, &subject.route).await?;
        let spec = ServicesSpec {
            route: &subject.route,
            owner: &subject.workload.owner,
            pods: &pods,
            options: &subject.services,
        };
        match which {
            Which::Copies => self.services.ensure_services(spec).await,
            Which::Apex => self.services.ensure_apex(spec).await,
            Which::RevertedApex => self.services.revert_apex(spec).await,
        }
    }

    /// The route with the label that selects the target's pods, where it can be read.
    async fn route(&self) -> RouteSpec {
        let mut route = self.subject.route.clone();
        route.affinity.clone_from(&self.affinity);
        if let Released::Served(workload) = &self.workload
            && let Ok(pods) = workload.pods(&self.subject.workload, &route).await
        {
            route.selector = Some((pods.selector.key, pods.selector.value));
        }
        route
    }
}

/// Meshes whose sidecars must find their objects when the first pod starts.
fn routes_come_first(provider: &str) -> bool {
    provider.starts_with("appmesh")
}

/// Routers whose objects are always in the cluster of the workload, wherever the mesh is.
fn lives_beside_the_workload(provider: &str) -> bool {
    matches!(provider, "nginx" | "skipper" | "knative" | "kubernetes")
}

#[derive(Clone, Copy)]
enum Which {
    Copies,
    Apex,
    RevertedApex,
}
