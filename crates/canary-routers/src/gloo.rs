//! Gloo: an Upstream for each version, and one RouteTable for each canary, to which the user's VirtualService delegates.

mod conditions;
mod routes;
mod upstreams;
mod view;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use canary_core::{Capabilities, RouteSpec, Router, RouterError, Weights};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::Value;

use self::upstreams::Upstream;
use self::view::{RouteTableSpec, Split};
use crate::viewed::{Place, Viewed};
use crate::{Objects, apex_metadata, takeover};

/// The router of Gloo.
///
/// It splits traffic and sends requests with certain headers or methods to the canary; all others stay with the primary. A
/// repair keeps the weights of the live object.
///
/// ```
/// use std::sync::Arc;
/// use canary_core::{RouteSpec, Router, Weight, Weights};
/// use canary_routers::{Gloo, MemoryObjects};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), canary_core::RouterError> {
/// let router = Gloo::new(Arc::new(MemoryObjects::new()));
/// let mut route = RouteSpec::new("test", "podinfo", "podinfo");
/// route.selector = Some(("app".into(), "podinfo".into()));
/// router.reconcile(&route).await?;
///
/// let tenth = Weights::canary(Weight::new(10).unwrap());
/// router.set_weights(&route, tenth).await?;
/// assert_eq!(router.weights(&route).await?, Some(tenth));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Gloo {
    objects: Arc<dyn Objects>,
    route_tables: ApiResource,
    upstreams: ApiResource,
}

impl Gloo {
    /// A router that uses `gateway.solo.io/v1` and `gloo.solo.io/v1`.
    pub fn new(objects: Arc<dyn Objects>) -> Self {
        Self { objects, route_tables: route_tables(), upstreams: upstreams() }
    }

    /// The kinds that it reads and writes.
    pub fn kinds() -> Vec<ApiResource> {
        vec![upstreams(), route_tables()]
    }

    fn place<'a>(&'a self, kind: &'a ApiResource, namespace: &'a str, name: &'a str) -> Place<'a> {
        Place { objects: &*self.objects, kind, namespace, name }
    }

    /// Creates the Upstream of one version, or repairs it.
    async fn reconcile_upstream(
        &self,
        route: &RouteSpec,
        upstream: &Upstream<'_>,
    ) -> Result<(), RouterError> {
        let failing = |what: String| format!("error creating flagger {} upstream: {what}", upstream.version);
        let title = format!("upstream {}.{}", upstream.name, route.namespace);
        let template = self.template(route, &failing).await?;
        let place = self.place(&self.upstreams, &route.namespace, &upstream.name);
        let query = failing(format!("{title} get query error: "));
        let Some(live) = place.read::<Value>(&query).await? else {
            let selector = upstream.selector(route, &*self.objects, &failing).await?;
            let spec = upstreams::first(route, upstream, selector, template.as_ref());
            let create = failing(format!("{title} create query error: "));
            return place.create(route, &canary_core::Metadata::default(), spec, &create).await;
        };
        let spec = upstreams::repaired(route, upstream, &live.spec, template.as_ref());
        let wanted = Viewed { spec, ..live.clone() };
        place.replace(&wanted, &live, &failing(format!("{title} spec patch error: "))).await
    }

    /// The spec of the Upstream that `spec.upstreamRef` names.
    async fn template(
        &self,
        route: &RouteSpec,
        failing: &impl Fn(String) -> String,
    ) -> Result<Option<Value>, RouterError> {
        let Some((namespace, name)) = &route.upstream else { return Ok(None) };
        let namespace = namespace.as_deref().filter(|text| !text.is_empty()).unwrap_or(&route.namespace);
        let query = failing(format!("config upstream {name}.{namespace} get query error: "));
        let found = self.place(&self.upstreams, namespace, name).existing::<Value>(&query).await?;
        Ok(Some(found.spec))
    }
}

#[async_trait]
impl Router for Gloo {
    async fn reconcile(&self, route: &RouteSpec) -> Result<(), RouterError> {
        let condition = conditions::matcher(route)?;
        for upstream in Upstream::both(route) {
            self.reconcile_upstream(route, &upstream).await?;
        }
        let title = title(route);
        let place = self.place(&self.route_tables, &route.namespace, &route.apex);
        let query = format!("{title} get query error: ");
        let Some(live) = place.read::<RouteTableSpec>(&query).await? else {
            let mut spec = RouteTableSpec::default();
            routes::fill(&mut spec, route, condition, Split::PRIMARY);
            let create = format!("{title} create error: ");
            return place.create(route, &apex_metadata(route), spec, &create).await;
        };
        let mut wanted = live.clone();
        let split = Split::read(&live.spec, route).unwrap_or(Split::PRIMARY);
        routes::fill(&mut wanted.spec, route, condition, split);
        let owned = route.owner.as_ref().is_some_and(|owner| live.metadata.belongs_to(owner));
        if wanted.spec != live.spec && !owned && !live.spec.is_ours(route) {
            takeover::save(&mut wanted, &live);
        }
        wanted.metadata.enforce(&apex_metadata(route));
        place.replace(&wanted, &live, &format!("{title} update error: ")).await
    }

    async fn weights(&self, route: &RouteSpec) -> Result<Option<Weights>, RouterError> {
        let title = title(route);
        let place = self.place(&self.route_tables, &route.namespace, &route.apex);
        let query = format!("{title} query error: ");
        let Some(live) = place.read::<RouteTableSpec>(&query).await? else { return Ok(None) };
        let weights = Split::read(&live.spec, route).and_then(Split::weights);
        let message = format!("{title} destinations not found");
        weights.map(Some).ok_or(RouterError::Invalid { message })
    }

    async fn set_weights(&self, route: &RouteSpec, weights: Weights) -> Result<(), RouterError> {
        let condition = conditions::matcher(route)?;
        let title = title(route);
        let place = self.place(&self.route_tables, &route.namespace, &route.apex);
        let live: Viewed<RouteTableSpec> = place.existing(&format!("{title} query error: ")).await?;
        let mut wanted = live.clone();
        let split = Split { primary: weights.primary.into(), canary: weights.canary.into() };
        routes::fill(&mut wanted.spec, route, condition, split);
        place.replace(&wanted, &live, &format!("{title} update error: ")).await
    }

    async fn finalize(&self, route: &RouteSpec) -> Result<(), RouterError> {
        let title = title(route);
        let place = self.place(&self.route_tables, &route.namespace, &route.apex);
        let found = match place.read::<RouteTableSpec>(&format!("{title} query error: ")).await {
            Err(RouterError::NotInstalled { .. }) => None,
            other => other?,
        };
        let Some(live) = found else { return Ok(()) };
        let mut wanted = live.clone();
        takeover::restore(&mut wanted).map_err(|annotation| RouterError::Invalid {
            message: format!("{title} annotation {annotation} is not the JSON of a spec"),
        })?;
        place.replace(&wanted, &live, &format!("{title} update error: ")).await
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default().with_conditions()
    }
}

fn route_tables() -> ApiResource {
    let gvk = GroupVersionKind::gvk("gateway.solo.io", "v1", "RouteTable");
    ApiResource::from_gvk_with_plural(&gvk, "routetables")
}

fn upstreams() -> ApiResource {
    let gvk = GroupVersionKind::gvk("gloo.solo.io", "v1", "Upstream");
    ApiResource::from_gvk_with_plural(&gvk, "upstreams")
}

fn title(route: &RouteSpec) -> String {
    format!("RouteTable {}.{}", route.apex, route.namespace)
}
