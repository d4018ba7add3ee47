//! What a cluster knows of one canary, read once. A part that may not be read is missing, and says why.

use std::collections::BTreeMap;

use canary_api::{AlertProvider, Canary, CanaryCondition, Options, PastRollout, TargetKind, ValidCanary};
use canary_core::{AlertRule, Command, Phase, Plan, Status, Steering, Unreadable, Weights};
use canary_routers::{LiveObjects, Objects, Routers};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{Event, Pod, Secret, Service};
use kube::Api;
use kube::api::ListParams;
use kube::core::ApiResource;
use serde_json::Value;

use super::Cluster;

/// A canary and everything around it.
pub(crate) struct Facts {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) status: Status,
    /// The canary, or what is wrong with it.
    pub(crate) valid: Result<(ValidCanary, Plan), String>,
    pub(crate) suspended: bool,
    pub(crate) steering: Steering,
    pub(crate) command: Option<Result<Command, Unreadable>>,
    pub(crate) history: Vec<PastRollout>,
    /// The last check of a metric that failed in the rollout.
    pub(crate) failed_check: Option<FailedCheck>,
    pub(crate) target: Option<Side>,
    pub(crate) primary: Option<Side>,
    /// What the mesh does, or why it cannot be read.
    pub(crate) weights: Result<Option<Weights>, String>,
    /// Objects that carry the weights, `VirtualService podinfo`.
    pub(crate) routes: Vec<String>,
    /// Services, with what they select.
    pub(crate) services: Vec<(String, String)>,
    /// Events about the canary, the latest first: kind, text, time.
    pub(crate) events: Vec<Told>,
    /// Whom the canary's alerts go to.
    pub(crate) alerts: Vec<Receiver>,
}

/// A check of a metric that failed: which trouble it was, and what was asked and answered.
pub(crate) struct FailedCheck {
    pub(crate) trouble: String,
    pub(crate) text: String,
    pub(crate) at: Timestamp,
}

impl From<CanaryCondition> for FailedCheck {
    fn from(condition: CanaryCondition) -> Self {
        let at = condition.last_update_time.parse().unwrap_or(Timestamp::UNIX_EPOCH);
        Self { trouble: condition.reason, text: condition.message, at }
    }
}

/// An event.
#[derive(Clone)]
pub(crate) struct Told {
    pub(crate) warning: bool,
    pub(crate) text: String,
    pub(crate) at: Timestamp,
    /// What the checks of its tick found, by name.
    pub(crate) values: BTreeMap<String, f64>,
    /// The check that got no value, and why not.
    pub(crate) unanswered: Option<(String, String)>,
    /// The rule of the canary whose alert was not delivered.
    pub(crate) undelivered: Option<String>,
}

/// Somebody who is alerted.
pub(crate) struct Receiver {
    pub(crate) rule: AlertRule,
    /// Its service and channel, or why it gets nothing.
    pub(crate) provider: Result<String, String>,
}

/// A workload and its pods.
pub(crate) struct Side {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) ready: i64,
    pub(crate) wanted: i64,
    pub(crate) images: Vec<String>,
    pub(crate) pods: Vec<PodFacts>,
}

/// A pod.
pub(crate) struct PodFacts {
    pub(crate) name: String,
    pub(crate) ready: bool,
    /// Its phase, or why its containers wait.
    pub(crate) state: String,
    pub(crate) restarts: i64,
    pub(crate) created: Option<Timestamp>,
}

impl Facts {
    /// What the canary itself tells.
    pub(crate) fn of(canary: &Canary, mesh_provider: &str) -> Self {
        let routers = Routers::default();
        let capabilities = |provider: &str| routers.capabilities(provider);
        let valid = ValidCanary::new(canary, &Options::new(mesh_provider, &capabilities));
        Self {
            name: canary.metadata.name.clone().unwrap_or_default(),
            namespace: canary.metadata.namespace.clone().unwrap_or_default(),
            status: canary.status().unwrap_or_default(),
            suspended: canary.spec.get("suspend").and_then(Value::as_bool).unwrap_or(false),
            valid: valid.map(|v| (v.plan(), v)).map(|(plan, v)| (v, plan)).map_err(|e| e.to_string()),
            steering: canary_api::steering(&canary.metadata),
            command: canary_api::command(&canary.metadata),
            history: canary_api::history(&canary.metadata),
            failed_check: canary.failed_metric_check().map(FailedCheck::from),
            target: None,
            primary: None,
            weights: Ok(None),
            routes: Vec::new(),
            services: Vec::new(),
            events: Vec::new(),
            alerts: Vec::new(),
        }
    }

    /// The same with what is around it in the cluster.
    pub(crate) async fn read(cluster: &Cluster, canary: &Canary, mesh_provider: &str) -> Self {
        let mut facts = Self::of(canary, mesh_provider);
        let reach = Reach { cluster, namespace: &facts.namespace };
        let events = reach.events(&facts.name).await;
        if let Ok((valid, plan)) = &facts.valid {
            let kind = workload(valid.target_kind);
            let (target, primary, apex) =
                (plan.target.clone(), format!("{}-primary", plan.target), valid.apex());
            let (a, b) = match &kind {
                Some(kind) => (reach.side(kind, &target).await, reach.side(kind, &primary).await),
                None => (None, None),
            };
            let services = reach.services(apex).await;
            let (weights, routes) = reach.routes(valid, &facts.status).await;
            (facts.target, facts.primary) = (a, b);
            let mut alerts = Vec::new();
            for rule in valid.alert_rules() {
                let provider = reach.alert_provider(&rule).await;
                alerts.push(Receiver { rule, provider });
            }
            (facts.services, facts.weights, facts.routes) = (services, weights, routes);
            facts.alerts = alerts;
        }
        facts.events = events;
        facts
    }

    /// `name.namespace`.
    pub(crate) fn label(&self) -> String {
        format!("{}.{}", self.name, self.namespace)
    }

    pub(crate) fn phase(&self) -> Phase {
        self.status.phase
    }

    pub(crate) fn plan(&self) -> Option<&Plan> {
        self.valid.as_ref().ok().map(|(_, plan)| plan)
    }

    /// The canary's share: the mesh's word, else the status'.
    pub(crate) fn weight(&self) -> i64 {
        match &self.weights {
            Ok(Some(weights)) => weights.canary.percent().into(),
            Ok(None) | Err(_) => self.status.weight.into(),
        }
    }

    /// A command that the controller has not taken.
    pub(crate) fn pending(&self) -> Option<&str> {
        let id = match self.command.as_ref()? {
            Ok(command) => &command.id,
            Err(unreadable) => &unreadable.id,
        };
        self.steering.acknowledgement(id).is_none().then_some(id.as_str())
    }
}

fn workload(kind: TargetKind) -> Option<ApiResource> {
    match kind {
        TargetKind::Deployment => Some(ApiResource::erase::<Deployment>(&())),
        TargetKind::DaemonSet => Some(ApiResource::erase::<DaemonSet>(&())),
        TargetKind::Service | TargetKind::Knative | _ => None,
    }
}

/// Reads objects; what is absent, forbidden or unreachable is none.
struct Reach<'a> {
    cluster: &'a Cluster,
    namespace: &'a str,
}

impl Reach<'_> {
    async fn side(&self, kind: &ApiResource, name: &str) -> Option<Side> {
        let live = LiveObjects::new(self.cluster.client.clone());
        let object = live.get(kind, self.namespace, name).await.ok().flatten()?;
        let number = |paths: [&str; 2]| paths.iter().find_map(|p| object.pointer(p)?.as_i64()).unwrap_or(0);
        let containers = object.pointer("/spec/template/spec/containers").and_then(Value::as_array);
        let image = |c: &Value| c.get("image").and_then(Value::as_str).map(str::to_owned);
        let labels = object.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
        let selector: Vec<String> = labels
            .into_iter()
            .flatten()
            .map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default()))
            .collect();
        Some(Side {
            kind: kind.kind.clone(),
            name: name.to_owned(),
            ready: number(["/status/readyReplicas", "/status/numberReady"]),
            wanted: number(["/spec/replicas", "/status/desiredNumberScheduled"]),
            images: containers.into_iter().flatten().filter_map(image).collect(),
            pods: if selector.is_empty() { Vec::new() } else { self.pods(&selector.join(",")).await },
        })
    }

    async fn pods(&self, selector: &str) -> Vec<PodFacts> {
        let api: Api<Pod> = Api::namespaced(self.cluster.client.clone(), self.namespace);
        let listed = api.list(&ListParams::default().labels(selector)).await;
        let mut pods: Vec<_> = listed.map(|l| l.items).unwrap_or_default().into_iter().map(pod).collect();
        pods.sort_by(|a, b| a.name.cmp(&b.name));
        pods
    }

    async fn services(&self, apex: &str) -> Vec<(String, String)> {
        let api: Api<Service> = Api::namespaced(self.cluster.client.clone(), self.namespace);
        let mut found = Vec::new();
        for name in [apex.to_owned(), format!("{apex}-primary"), format!("{apex}-canary")] {
            let Ok(Some(service)) = api.get_opt(&name).await else { continue };
            let selector = service.spec.and_then(|s| s.selector).unwrap_or_default();
            let labels: Vec<String> = selector.into_iter().map(|(k, v)| format!("{k}={v}")).collect();
            found.push((name, labels.join(",")));
        }
        found
    }

    async fn routes(
        &self,
        valid: &ValidCanary,
        status: &Status,
    ) -> (Result<Option<Weights>, String>, Vec<String>) {
        let live: std::sync::Arc<dyn Objects> =
            std::sync::Arc::new(LiveObjects::new(self.cluster.client.clone()));
        let routers = Routers::default();
        let weights = match routers.router(&valid.provider, live.clone()) {
            Ok(router) => router.weights(&valid.route(status)).await.map_err(|e| e.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let mut names = Vec::new();
        for kind in routers.kinds(&valid.provider).unwrap_or_default() {
            if kind.kind != "Service"
                && matches!(live.get(&kind, self.namespace, valid.apex()).await, Ok(Some(_)))
            {
                names.push(format!("{} {}", kind.kind, valid.apex()));
            }
        }
        (weights, names)
    }

    /// The provider of an alert: service and channel, or what is missing. What may not be read is not held against it.
    async fn alert_provider(&self, rule: &AlertRule) -> Result<String, String> {
        let (namespace, name) = &rule.provider;
        let client = &self.cluster.client;
        let found = Api::<AlertProvider>::namespaced(client.clone(), namespace).get_opt(name).await;
        let provider = match found {
            Ok(Some(provider)) => provider,
            Ok(None) => return Err("there is no such AlertProvider".into()),
            Err(kube::Error::Api(status)) => return Err(status.message),
            Err(error) => return Err(error.to_string()),
        };
        let spec = provider.check().map_err(|invalid| invalid.to_string())?;
        if let Some(reference) = &spec.secret_ref {
            let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
            // Its metadata is enough: nobody here needs to see an address or a token.
            if let Ok(None) = secrets.get_metadata_opt(&reference.name).await {
                return Err(format!("there is no Secret {}", reference.name));
            }
        }
        let channel = spec.channel.as_deref().filter(|c| !c.is_empty());
        Ok(channel.map_or(spec.kind.clone(), |channel| {
            format!("{} #{}", spec.kind, channel.trim_start_matches('#'))
        }))
    }

    async fn events(&self, name: &str) -> Vec<Told> {
        let api: Api<Event> = Api::namespaced(self.cluster.client.clone(), self.namespace);
        let fields = format!("involvedObject.kind=Canary,involvedObject.name={name}");
        // A server that cannot select events by what they are about lists them all.
        let listed = match api.list(&ListParams::default().fields(&fields)).await {
            Err(kube::Error::Api(status)) if status.code == 400 => api.list(&ListParams::default()).await,
            listed => listed,
        };
        let about = |e: &Event| {
            let object = &e.involved_object;
            (object.kind.as_deref(), object.name.as_deref()) == (Some("Canary"), Some(name))
        };
        let listed = listed.map(|l| l.items).unwrap_or_default();
        let mut events: Vec<Told> = listed.into_iter().filter(about).map(Told::from).collect();
        events.sort_by(|a, b| (b.at, &a.text).cmp(&(a.at, &b.text)));
        events
    }
}

impl From<Event> for Told {
    fn from(event: Event) -> Self {
        let notes = event.metadata.annotations.unwrap_or_default();
        let note = |name: &str| notes.get(&format!("canaryd/{name}"));
        let mut values: BTreeMap<String, f64> =
            note("values").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        if let (Some(metric), Some(value)) = (note("metric"), note("value").and_then(|v| v.parse().ok())) {
            values.insert(metric.clone(), value);
        }
        Self {
            warning: event.type_.as_deref() == Some("Warning"),
            at: event.last_timestamp.or(event.first_timestamp).map_or(Timestamp::UNIX_EPOCH, |t| t.0),
            unanswered: note("metric")
                .filter(|m| !values.contains_key(*m))
                .cloned()
                .zip(note("trouble").cloned()),
            undelivered: note("alert").cloned(),
            text: event.message.unwrap_or_default(),
            values,
        }
    }
}

fn pod(pod: Pod) -> PodFacts {
    let status = pod.status.unwrap_or_default();
    let containers = status.container_statuses.unwrap_or_default();
    let waiting = containers.iter().find_map(|c| c.state.as_ref()?.waiting.as_ref()?.reason.clone());
    let conditions = status.conditions.unwrap_or_default();
    PodFacts {
        name: pod.metadata.name.unwrap_or_default(),
        ready: conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True"),
        state: waiting.or(status.phase).unwrap_or_else(|| "Pending".into()),
        restarts: containers.iter().map(|c| i64::from(c.restart_count)).sum(),
        created: pod.metadata.creation_timestamp.map(|t| t.0),
    }
}
