//! Kuma: one TrafficRoute for each canary.
//!
//! A TrafficRoute has no namespace. It is told by the Services in it whose it is, and that of another namespace is refused.

mod routes;
mod tag;
mod view;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use canary_core::{RouteSpec, Router, RouterError, Weights};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::Map;

use self::view::{Split, TrafficRouteSpec};
use crate::viewed::{Place, Viewed};
use crate::{Attempt, ObjectMetadata, Objects, apex_metadata, takeover};

/// The router of Kuma.
///
/// It splits traffic and has no other abilities. A repair keeps the weights of the live object. Its objects belong to the
/// whole cluster, where nothing can own them: one that it made is deleted with `revertOnDeletion`.
///
/// ```
/// use std::sync::Arc;
/// use canary_core::{RouteSpec, Router, Weight, Weights};
/// use canary_routers::{Kuma, MemoryObjects};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), canary_core::RouterError> {
/// let router = Kuma::new(Arc::new(MemoryObjects::new()));
/// let route = RouteSpec::new("test", "podinfo", "podinfo");
/// router.reconcile(&route).await?;
///
/// let tenth = Weights::canary(Weight::new(10).unwrap());
/// router.set_weights(&route, tenth).await?;
/// assert_eq!(router.weights(&route).await?, Some(tenth));
///
/// let namesake = RouteSpec::new("elsewhere", "podinfo", "podinfo");
/// let error = router.weights(&namesake).await.unwrap_err();
/// assert!(error.to_string().starts_with("TrafficRoute podinfo is that of the Service podinfo.test"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Kuma {
    objects: Arc<dyn Objects>,
    traffic_routes: ApiResource,
}

/// The annotation of a Canary that names its mesh.
const MESH: &str = "kuma.io/mesh";

impl Kuma {
    /// A router that uses `kuma.io/v1alpha1`.
    pub fn new(objects: Arc<dyn Objects>) -> Self {
        Self { objects, traffic_routes: kind() }
    }

    /// The kind that it reads and writes.
    pub fn kinds() -> Vec<ApiResource> {
        vec![kind()]
    }

    fn place<'a>(&'a self, route: &'a RouteSpec) -> Place<'a> {
        Place { objects: &*self.objects, kind: &self.traffic_routes, namespace: "", name: &route.apex }
    }

    /// The TrafficRoute, unless it belongs to a canary of another namespace that is still there.
    async fn read(
        &self,
        route: &RouteSpec,
        failing: &str,
    ) -> Result<Option<Viewed<TrafficRouteSpec>>, RouterError> {
        let live = self.place(route).read::<TrafficRouteSpec>(failing).await?;
        let Some(stranger) = live.as_ref().and_then(|live| live.spec.stranger(route)) else {
            return Ok(live);
        };
        if stranger.canary && self.is_gone(route, stranger.namespace).await {
            return Ok(live);
        }
        let (name, home, stranger) = (&route.apex, &route.namespace, stranger.namespace);
        let message = format!(
            "TrafficRoute {name} is that of the Service {name}.{stranger}, and TrafficRoutes have no namespace: set \
             another spec.service.name for the canary {}.{home} or that in {stranger}, or delete the TrafficRoute if \
             nothing in {stranger} needs it any more",
            route.canary_name
        );
        Err(RouterError::Invalid { message })
    }

    /// Whether the primary's Service in that namespace is known not to be there: then its canary left the object behind.
    async fn is_gone(&self, route: &RouteSpec, namespace: &str) -> bool {
        // With the mesh in another cluster, which a route without an owner tells, Services cannot be read.
        let services = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Service"));
        route.owner.is_some()
            && matches!(self.objects.get(&services, namespace, &route.primary).await, Ok(None))
    }

    async fn create(&self, route: &RouteSpec, failing: &str) -> Result<(), RouterError> {
        let mut spec = TrafficRouteSpec::default();
        routes::fill(&mut spec, route, Split::PRIMARY);
        let mut metadata = ObjectMetadata::default();
        metadata.rest.insert("name".into(), route.apex.clone().into());
        metadata.enforce(&apex_metadata(route));
        let mesh = route.canary_annotations.get(MESH).filter(|mesh| !mesh.is_empty());
        let mut rest = Map::new();
        rest.insert("apiVersion".into(), self.traffic_routes.api_version.clone().into());
        rest.insert("kind".into(), self.traffic_routes.kind.clone().into());
        rest.insert("mesh".into(), mesh.map_or("default", String::as_str).into());
        self.place(route).insert(&Viewed { metadata, spec, rest }, failing).await
    }
}

#[async_trait]
impl Router for Kuma {
    async fn reconcile(&self, route: &RouteSpec) -> Result<(), RouterError> {
        let title = title(route);
        let Some(live) = self.read(route, &format!("{title} get query error: ")).await? else {
            return self.create(route, &format!("{title} create error: ")).await;
        };
        let mut wanted = live.clone();
        let split = Split::read(&live.spec, route).unwrap_or(Split::PRIMARY);
        routes::fill(&mut wanted.spec, route, split);
        // What a canary of another namespace left behind is nobody's to get back.
        if wanted.spec != live.spec && !live.spec.is_ours(route) && live.spec.stranger(route).is_none() {
            takeover::save(&mut wanted, &live);
        }
        wanted.metadata.enforce(&apex_metadata(route));
        self.place(route).replace(&wanted, &live, &format!("{title} update error: ")).await
    }

    async fn weights(&self, route: &RouteSpec) -> Result<Option<Weights>, RouterError> {
        let title = title(route);
        let Some(live) = self.read(route, &format!("{title} get query error ")).await? else {
            return Ok(None);
        };
        let weights = Split::read(&live.spec, route).and_then(Split::weights);
        weights.map(Some).ok_or_else(|| RouterError::Invalid {
            message: format!("{title} does not contain routes for {} and {}", route.primary, route.canary),
        })
    }

    async fn set_weights(&self, route: &RouteSpec, weights: Weights) -> Result<(), RouterError> {
        let title = title(route);
        let query = format!("{title} get query error ");
        let Some(live) = self.read(route, &query).await? else {
            return self.place(route).existing::<TrafficRouteSpec>(&query).await.map(drop);
        };
        let mut wanted = live.clone();
        let split = Split { primary: weights.primary.into(), canary: weights.canary.into() };
        routes::split(&mut wanted.spec, route, split);
        self.place(route).replace(&wanted, &live, &format!("{title} update error ")).await
    }

    async fn finalize(&self, route: &RouteSpec) -> Result<(), RouterError> {
        let (title, place) = (title(route), self.place(route));
        let found = match place.read::<TrafficRouteSpec>(&format!("{title} get query error: ")).await {
            Err(RouterError::NotInstalled { .. }) => None,
            other => other?,
        };
        let Some(live) = found.filter(|live| live.spec.is_ours(route)) else { return Ok(()) };
        if live.metadata.annotation(takeover::ORIGINAL).is_none() {
            // It leads to a primary that goes.
            let attempt = Attempt::new(format!("{title} delete error: "), "delete", &self.traffic_routes);
            let answer = self.objects.delete(&self.traffic_routes, "", &route.apex).await;
            return answer.map_err(|error| attempt.failed(error));
        }
        let mut wanted = live.clone();
        takeover::restore(&mut wanted).map_err(|annotation| RouterError::Invalid {
            message: format!("{title} annotation {annotation} is not the JSON of a spec"),
        })?;
        place.replace(&wanted, &live, &format!("{title} update error: ")).await
    }
}

fn kind() -> ApiResource {
    let gvk = GroupVersionKind::gvk("kuma.io", "v1alpha1", "TrafficRoute");
    ApiResource::from_gvk_with_plural(&gvk, "trafficroutes")
}

/// A TrafficRoute in errors. It has no namespace.
fn title(route: &RouteSpec) -> String {
    format!("TrafficRoute {}", route.apex)
}
