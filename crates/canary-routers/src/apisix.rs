//! APISIX: a copy of one rule of the user's route, before it in priority, that leads to both versions.
//!
//! The user's route is not touched.

mod copy;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use canary_core::{RouteSpec, Router, RouterError, Weights};
use kube::core::{ApiResource, GroupVersionKind};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Attempt, ObjectError, ObjectMetadata, Objects};

/// The router of the APISIX ingress controller.
///
/// It needs `spec.routeRef`. A repair keeps the weights that the copy has.
///
/// ```
/// use canary_core::Router;
/// use canary_routers::{Apisix, MemoryObjects};
///
/// let router = Apisix::new(std::sync::Arc::new(MemoryObjects::new()));
/// assert!(router.capabilities().weighted && !router.capabilities().mirror);
/// ```
#[derive(Clone)]
pub struct Apisix {
    objects: Arc<dyn Objects>,
    kind: ApiResource,
}

/// `ApisixRoute`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct ApisixRoute {
    metadata: ObjectMetadata,
    #[serde(default)]
    spec: Map<String, Value>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Apisix {
    /// The API version that Flagger uses.
    pub const VERSION: &'static str = "v2";

    /// A router that uses [`Apisix::VERSION`].
    pub fn new(objects: Arc<dyn Objects>) -> Self {
        Self { objects, kind: kind() }
    }

    /// The kinds that it reads and writes.
    pub fn kinds() -> Vec<ApiResource> {
        vec![kind()]
    }

    async fn read(
        &self,
        route: &RouteSpec,
        name: &str,
        failing: &str,
    ) -> Result<Option<ApisixRoute>, RouterError> {
        let found = self.objects.get_as(&self.kind, &route.namespace, name).await;
        found.map_err(|error| Attempt::new(failing, "get", &self.kind).failed(error))
    }

    async fn present(
        &self,
        route: &RouteSpec,
        name: &str,
        failing: &str,
    ) -> Result<ApisixRoute, RouterError> {
        self.read(route, name, failing).await?.ok_or_else(|| {
            Attempt::new(failing, "get", &self.kind).failed(ObjectError::absent(&self.kind, name))
        })
    }

    /// Writes `wanted` if it is not what is there.
    async fn update(
        &self,
        wanted: &ApisixRoute,
        live: &ApisixRoute,
        failing: String,
    ) -> Result<(), RouterError> {
        if wanted == live {
            return Ok(());
        }
        let attempt = Attempt::new(failing, "update", &self.kind);
        let object = encode(wanted).map_err(|error| attempt.failed(error))?;
        self.objects.replace(&self.kind, &object).await.map(drop).map_err(|error| attempt.failed(error))
    }
}

#[async_trait]
impl Router for Apisix {
    async fn reconcile(&self, route: &RouteSpec) -> Result<(), RouterError> {
        let Names { source: source_name, copy: name } = names(route)?;
        let title = |name: &str| format!("APISIX route {name}.{}", route.namespace);
        let query = format!("{} get query error: ", title(&source_name));
        let source = self.present(route, &source_name, &query).await?;
        let spec = copy::first_spec(&source.spec, route, &source_name)?;
        let query = format!("{} query error: ", title(&name));
        let Some(live) = self.read(route, &name, &query).await? else {
            let identity = [("apiVersion", &self.kind.api_version), ("kind", &self.kind.kind)];
            let mut metadata = ObjectMetadata::created(route, &name);
            metadata.labels = source.metadata.labels;
            metadata.annotations = source.metadata.annotations;
            if let Some(annotations) = &mut metadata.annotations {
                annotations.remove(LAST_APPLIED);
            }
            let rest = identity.map(|(field, text)| (field.to_owned(), Value::from(text.as_str())));
            let created = ApisixRoute { metadata, spec, rest: rest.into_iter().collect() };
            let attempt = Attempt::new(format!("{} create error: ", title(&name)), "create", &self.kind);
            let object = encode(&created).map_err(|error| attempt.failed(error))?;
            let answer = self.objects.create(&self.kind, &object).await;
            return answer.map(drop).map_err(|error| attempt.failed(error));
        };
        let mut wanted = live.clone();
        wanted.spec = copy::repaired(spec, &live.spec, route);
        self.update(&wanted, &live, format!("{} update error: ", title(&name))).await
    }

    async fn weights(&self, route: &RouteSpec) -> Result<Option<Weights>, RouterError> {
        let names = names(route)?;
        let query = format!("apisix route {}.{} query error: ", names.copy, route.namespace);
        let Some(live) = self.read(route, &names.copy, &query).await? else { return Ok(None) };
        copy::weights(&live.spec, route, &names.source).map(Some)
    }

    async fn set_weights(&self, route: &RouteSpec, weights: Weights) -> Result<(), RouterError> {
        let names = names(route)?;
        let query = format!("apisix route {}.{} query error: ", names.copy, route.namespace);
        let live = self.present(route, &names.copy, &query).await?;
        let mut wanted = live.clone();
        copy::set_weights(&mut wanted.spec, route, &names.source, weights)?;
        let failing = format!("apisix route {}.{} update error: ", route.apex, route.namespace);
        self.update(&wanted, &live, failing).await
    }

    async fn finalize(&self, route: &RouteSpec) -> Result<(), RouterError> {
        // A canary without a route has no copy either.
        let Ok(names) = names(route) else { return Ok(()) };
        let failing = format!("APISIX route {}.{} delete error: ", names.copy, route.namespace);
        match self.objects.delete(&self.kind, &route.namespace, &names.copy).await {
            Err(ObjectError::NotServed(_)) => Ok(()),
            answer => answer.map_err(|error| Attempt::new(failing, "delete", &self.kind).failed(error)),
        }
    }
}

/// What `kubectl apply` keeps; it speaks of the user's own object, so the copy must not have it.
const LAST_APPLIED: &str = crate::ingress::LAST_APPLIED;

/// Names of the user's route and of the copy.
struct Names {
    source: String,
    copy: String,
}

fn names(route: &RouteSpec) -> Result<Names, RouterError> {
    match route.route.as_deref() {
        Some(source) if !source.is_empty() => {
            Ok(Names { source: source.to_owned(), copy: format!("{source}-{}-canary", route.apex) })
        }
        _ => Err(RouterError::Invalid { message: "apisix route selector is empty".into() }),
    }
}

fn kind() -> ApiResource {
    let gvk = GroupVersionKind::gvk("apisix.apache.org", Apisix::VERSION, "ApisixRoute");
    ApiResource::from_gvk_with_plural(&gvk, "apisixroutes")
}

fn encode(object: &ApisixRoute) -> Result<Value, ObjectError> {
    serde_json::to_value(object)
        .map_err(|source| ObjectError::Malformed { object: "ApisixRoute".into(), source })
}
