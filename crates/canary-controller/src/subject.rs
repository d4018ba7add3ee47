//! One Canary as it is looked at: what its user wrote and what we wrote, in the types of the core.

use std::sync::Arc;

use canary_api::kube::Resource as _;
use canary_api::{Canary, InvalidObject, MetricSpec, Options, PastRollout, TargetKind, ValidCanary};
use canary_core::{AlertRule, Command, Plan, RouteSpec, Status, Steering, Unreadable, WorkloadSpec};
use canary_routers::Routers;
use kube::core::ApiResource;
use serde_json::Value;

use crate::announce::About;
use crate::services::ServiceOptions;
use crate::settings::Settings;

/// Everything that one call needs to know of its Canary.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) about: About,
    pub(crate) valid: ValidCanary,
    pub(crate) kind: TargetKind,
    pub(crate) plan: Arc<Plan>,
    pub(crate) status: Status,
    pub(crate) route: RouteSpec,
    pub(crate) workload: WorkloadSpec,
    pub(crate) services: ServiceOptions,
    pub(crate) alerts: Arc<Vec<AlertRule>>,
    pub(crate) metrics: Vec<MetricSpec>,
    pub(crate) deleting: bool,
    /// Its deletion waits for us.
    pub(crate) finalizer: bool,
    /// The latest command of a person's.
    pub(crate) command: Option<Result<Command, Unreadable>>,
    /// The orders that stand.
    pub(crate) steering: Steering,
    /// The last rollouts, the latest first.
    pub(crate) history: Vec<PastRollout>,
}

/// The finalizer of canaries that change everything back, Flagger's.
pub(crate) const FINALIZER: &str = "finalizer.flagger.app";

/// Whether the deletion of an object waits for us.
pub(crate) fn has_finalizer(object: &Value) -> bool {
    let finalizers = object.pointer("/metadata/finalizers").and_then(Value::as_array);
    finalizers.into_iter().flatten().any(|name| name == FINALIZER)
}

/// Whether the status of a Canary says that nothing was made for it yet.
pub(crate) fn never_set_up(object: &Value) -> bool {
    let phase = object.pointer("/status/phase").and_then(Value::as_str).unwrap_or_default();
    matches!(phase, "" | "Initializing")
}

/// The kind of Canaries.
pub(crate) fn canary_kind() -> ApiResource {
    ApiResource {
        group: Canary::group(&()).into_owned(),
        version: Canary::version(&()).into_owned(),
        api_version: Canary::api_version(&()).into_owned(),
        kind: Canary::kind(&()).into_owned(),
        plural: Canary::plural(&()).into_owned(),
    }
}

/// The Canary as an object that events can be about.
pub(crate) fn about(object: &Value) -> About {
    let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    About {
        namespace: text("/metadata/namespace"),
        name: text("/metadata/name"),
        uid: text("/metadata/uid"),
        resource_version: text("/metadata/resourceVersion"),
    }
}

impl Subject {
    /// Reads a Canary as it came from the API server.
    ///
    /// # Errors
    /// Names every field that is wrong.
    pub(crate) fn new(object: &Value, settings: &Settings, routers: &Routers) -> Result<Self, InvalidObject> {
        let about = about(object);
        let canary: Canary = serde_json::from_value(object.clone()).map_err(|error| {
            InvalidObject::new(
                "Canary",
                format!("{}.{}", about.name, about.namespace),
                vec![canary_api::FieldProblem::Value {
                    field: "metadata".into(),
                    value: error.to_string(),
                    expected: "the metadata of a Kubernetes object".into(),
                }],
            )
        })?;
        let capabilities = |provider: &str| routers.capabilities(provider);
        let mut options = Options::new(&settings.mesh_provider, &capabilities);
        options.no_cross_namespace_refs = settings.no_cross_namespace_refs;
        let valid = ValidCanary::new(&canary, &options)?;
        let status = canary.status()?;
        let mut route = valid.route(&status);
        if settings.mesh_in_other_cluster {
            route.owner = None;
        }
        let workload = valid.workload(&status);
        let services = valid.spec.service.as_ref().map(ServiceOptions::from).unwrap_or_default();
        Ok(Self {
            kind: valid.target_kind,
            plan: Arc::new(valid.plan()),
            alerts: Arc::new(valid.alert_rules()),
            metrics: valid.metric_specs(),
            deleting: canary.metadata.deletion_timestamp.is_some(),
            finalizer: has_finalizer(object),
            command: canary_api::command(&canary.metadata),
            steering: canary_api::steering(&canary.metadata),
            history: canary_api::history(&canary.metadata),
            about,
            valid,
            status,
            route,
            workload,
            services,
        })
    }

    /// Names whose objects belong to this canary: of the target, the Service and the autoscaler.
    pub(crate) fn names(&self) -> Vec<(String, String)> {
        let namespace = &self.about.namespace;
        let autoscaler = self.workload.autoscaler.as_ref().map(|a| a.name.clone());
        [Some(self.workload.target.clone()), Some(self.route.apex.clone()), autoscaler]
            .into_iter()
            .flatten()
            .map(|name| (namespace.clone(), name))
            .collect()
    }

    /// Names of the copies that this canary gets of these objects.
    pub(crate) fn copies(&self) -> Vec<String> {
        let both = |(_, name)| [format!("{name}-primary"), format!("{name}-canary")];
        self.names().into_iter().flat_map(both).collect()
    }
}
