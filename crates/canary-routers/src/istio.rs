//! Istio: two DestinationRules and one VirtualService for each canary.
//!
//! An object is read, edited in place and put back under its resourceVersion, and only if the edit changed it.

mod adoption;
mod affinity;
mod original;
mod repair;
mod routes;
mod view;
mod weights;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use canary_core::{Capabilities, RouteSpec, Router, RouterError, Weights};
use kube::core::{ApiResource, GroupVersionKind};
use serde::Serialize;
use serde_json::Value;

use self::adoption::adopt;
use self::repair::{first_spec, repair, traffic_policy};
use self::view::{DestinationRule, DestinationRuleSpec, Fields, VirtualService};
use self::weights::Split;
use crate::{Attempt, ObjectError, ObjectMetadata, Objects, apex_metadata};

/// The router of Istio.
///
/// A repair never moves weights: it keeps the split and the mirror of the live object, and sends everything to the primary
/// only where those cannot be read. Labels, annotations and fields that are not ours survive.
///
/// ```
/// use std::sync::Arc;
/// use canary_core::{RouteSpec, Router, Weight, Weights};
/// use canary_routers::{Istio, MemoryObjects};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), canary_core::RouterError> {
/// let router = Istio::new(Arc::new(MemoryObjects::new()));
/// let route = RouteSpec::new("test", "podinfo", "podinfo");
/// assert_eq!(router.weights(&route).await?, None);
///
/// router.reconcile(&route).await?;
/// assert_eq!(router.weights(&route).await?, Some(Weights::PRIMARY));
///
/// let tenth = Weights::canary(Weight::new(10).unwrap());
/// router.set_weights(&route, tenth).await?;
/// assert_eq!(router.weights(&route).await?, Some(tenth));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Istio {
    objects: Arc<dyn Objects>,
    destination_rules: ApiResource,
    virtual_services: ApiResource,
}

impl Istio {
    /// The API version that Flagger uses.
    pub const VERSION: &'static str = "v1beta1";

    /// A router that uses [`Istio::VERSION`].
    pub fn new(objects: Arc<dyn Objects>) -> Self {
        Self::with_version(objects, Self::VERSION)
    }

    /// A router that uses that version of `networking.istio.io`, for example `v1`.
    pub fn with_version(objects: Arc<dyn Objects>, version: &str) -> Self {
        Self {
            objects,
            destination_rules: kind(version, "DestinationRule", "destinationrules"),
            virtual_services: kind(version, "VirtualService", "virtualservices"),
        }
    }

    /// The kinds that it reads and writes, in that version.
    pub fn kinds(version: &str) -> Vec<ApiResource> {
        vec![
            kind(version, "DestinationRule", "destinationrules"),
            kind(version, "VirtualService", "virtualservices"),
        ]
    }

    async fn reconcile_destination_rule(&self, route: &RouteSpec, name: &str) -> Result<(), RouterError> {
        let kind = &self.destination_rules;
        let attempt = |what: &str, verb| {
            let object = format!("DestinationRule {name}.{}", route.namespace);
            Attempt::new(format!("reconcileDestinationRule failed: {object} {what}: "), verb, kind)
        };
        let found = self.objects.get_as::<DestinationRule>(kind, &route.namespace, name).await;
        let Some(live) = found.map_err(|e| attempt("get query error", "get").failed(e))? else {
            let spec = DestinationRuleSpec {
                host: name.to_owned(),
                traffic_policy: traffic_policy(route, None),
                rest: Fields::new(),
            };
            let metadata = ObjectMetadata::created(route, name);
            let created = DestinationRule { metadata, spec, rest: identity(kind) };
            let answer = self.create(kind, &created).await;
            return answer.map_err(|e| attempt("create error", "create").failed(e));
        };
        let mut wanted = live.clone();
        name.clone_into(&mut wanted.spec.host);
        wanted.spec.traffic_policy = traffic_policy(route, live.spec.traffic_policy.as_ref());
        let answer = self.replace(kind, &wanted, &live).await;
        answer.map_err(|e| attempt("update error", "update").failed(e))
    }

    async fn reconcile_virtual_service(&self, route: &RouteSpec) -> Result<(), RouterError> {
        let failing = |what: &str| format!("reconcileVirtualService failed: {} {what}", title(route));
        if route.delegation && !routes::may_delegate(route) {
            let message = failing("cannot have hosts and gateways when delegation enabled");
            return Err(RouterError::Unsupported { message });
        }
        let Some(live) = self.virtual_service(route, failing("get query error ")).await? else {
            let mut created = VirtualService {
                metadata: ObjectMetadata::created(route, &route.apex),
                spec: first_spec(route),
                rest: identity(&self.virtual_services),
            };
            created.metadata.enforce(&apex_metadata(route));
            let attempt = Attempt::new(failing("create error: "), "create", &self.virtual_services);
            return self.create(&self.virtual_services, &created).await.map_err(|e| attempt.failed(e));
        };
        let mut wanted = live.clone();
        repair(&mut wanted.spec, route).map_err(|lack| RouterError::Invalid { message: failing(lack) })?;
        if wanted.spec != live.spec {
            original::save(&mut wanted, &live, route);
        }
        wanted.metadata.enforce(&apex_metadata(route));
        self.update(&wanted, &live, failing("update error: ")).await
    }

    async fn virtual_service(
        &self,
        route: &RouteSpec,
        failing: String,
    ) -> Result<Option<VirtualService>, RouterError> {
        let found = self.objects.get_as(&self.virtual_services, &route.namespace, &route.apex).await;
        found.map_err(|error| Attempt::new(failing, "get", &self.virtual_services).failed(error))
    }

    async fn update(
        &self,
        wanted: &VirtualService,
        live: &VirtualService,
        failing: String,
    ) -> Result<(), RouterError> {
        let answer = self.replace(&self.virtual_services, wanted, live).await;
        answer.map_err(|error| Attempt::new(failing, "update", &self.virtual_services).failed(error))
    }

    async fn create<T: Serialize + Sync>(&self, kind: &ApiResource, object: &T) -> Result<(), ObjectError> {
        self.objects.create(kind, &encode(kind, object)?).await.map(drop)
    }

    /// Writes `wanted` if it is not what is there.
    async fn replace<T>(&self, kind: &ApiResource, wanted: &T, live: &T) -> Result<(), ObjectError>
    where
        T: Serialize + PartialEq + Sync,
    {
        if wanted == live {
            return Ok(());
        }
        self.objects.replace(kind, &encode(kind, wanted)?).await.map(drop)
    }
}

#[async_trait]
impl Router for Istio {
    async fn reconcile(&self, route: &RouteSpec) -> Result<(), RouterError> {
        self.reconcile_destination_rule(route, &route.canary).await?;
        self.reconcile_destination_rule(route, &route.primary).await?;
        self.reconcile_virtual_service(route).await
    }

    async fn weights(&self, route: &RouteSpec) -> Result<Option<Weights>, RouterError> {
        let title = title(route);
        let Some(live) = self.virtual_service(route, format!("{title} get query error ")).await? else {
            return Ok(None);
        };
        let split = Split::read(&live.spec, route).ok_or_else(|| RouterError::Invalid {
            message: format!("{title} does not contain routes for {} and {}", route.primary, route.canary),
        })?;
        Ok(Some(split.weights(route)))
    }

    async fn set_weights(&self, route: &RouteSpec, weights: Weights) -> Result<(), RouterError> {
        let title = title(route);
        let query = format!("{title} get query error ");
        let Some(live) = self.virtual_service(route, query.clone()).await? else {
            let absent = ObjectError::absent(&self.virtual_services, &route.apex);
            return Err(Attempt::new(query, "get", &self.virtual_services).failed(absent));
        };
        let split = Split::wanted(weights, route);
        let mut wanted = live.clone();
        if routes::is_tcp(route) {
            wanted.spec.tcp =
                Some(adopt(routes::tcp(route, &split), live.spec.tcp.as_deref().unwrap_or_default(), route));
        } else {
            let http = routes::http(route, &split)
                .map_err(|lack| RouterError::Invalid { message: format!("{title} update failed: {lack}") })?;
            wanted.spec.http = Some(adopt(http, live.spec.http.as_deref().unwrap_or_default(), route));
        }
        self.update(&wanted, &live, format!("{title} update failed: ")).await
    }

    async fn finalize(&self, route: &RouteSpec) -> Result<(), RouterError> {
        let title = title(route);
        // Flagger fails here when the object or its kind is gone, which leaves the canary undeletable.
        let found = match self.virtual_service(route, format!("{title} get query error: ")).await {
            Err(RouterError::NotInstalled { .. }) => None,
            other => other?,
        };
        let Some(live) = found else { return Ok(()) };
        let mut wanted = live.clone();
        let restored = original::restore(&mut wanted).map_err(|annotation| RouterError::Invalid {
            message: format!("{title} failed to unMarshal annotation {annotation}"),
        })?;
        if !restored {
            tracing::warn!(
                name = route.apex,
                namespace = route.namespace,
                "VirtualService original configuration not found, unable to revert"
            );
        }
        self.update(&wanted, &live, format!("{title} update error: ")).await
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default().with_conditions().with_mirror().with_session_affinity()
    }
}

fn kind(version: &str, kind: &str, plural: &str) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("networking.istio.io", version, kind), plural)
}

fn title(route: &RouteSpec) -> String {
    format!("VirtualService {}.{}", route.apex, route.namespace)
}

fn identity(kind: &ApiResource) -> Fields {
    let fields = [("apiVersion", &kind.api_version), ("kind", &kind.kind)];
    fields.into_iter().map(|(field, text)| (field.to_owned(), Value::from(text.as_str()))).collect()
}

fn encode<T: Serialize>(kind: &ApiResource, object: &T) -> Result<Value, ObjectError> {
    serde_json::to_value(object)
        .map_err(|source| ObjectError::Malformed { object: kind.kind.clone(), source })
}
