//! Gateway API: one HTTPRoute for each canary, with v1 or v1beta1.
//!
//! The versions differ in a few policies, which are data here.

mod acceptance;
mod affinity;
mod filters;
mod matching;
mod routes;
mod view;
mod weights;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use canary_core::{Capabilities, RouteSpec, Router, RouterError, Weights};
use kube::core::{ApiResource, GroupVersionKind};

use self::routes::Abilities;
use self::view::HttpRouteSpec;
use self::weights::Split;
use crate::viewed::{Place, Viewed};
use crate::{Objects, apex_metadata, takeover};

/// The router of Gateway API: `gatewayapi:v1` and `gatewayapi:v1beta1`.
///
/// A repair keeps the weights and the mirror of the live route. What Gateway API cannot express is refused. With v1, no
/// weights are reported before every parent that says anything of the route has accepted its present generation.
///
/// ```
/// use std::sync::Arc;
/// use canary_core::{RouteSpec, Router, Weight, Weights};
/// use canary_routers::{GatewayApi, MemoryObjects};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), canary_core::RouterError> {
/// let router = GatewayApi::new(Arc::new(MemoryObjects::new()), "v1");
/// let mut route = RouteSpec::new("test", "podinfo", "podinfo");
/// route.gateway_refs = vec![serde_json::json!({"name": "gateway", "namespace": "infra"})];
/// router.reconcile(&route).await?;
///
/// let tenth = Weights::canary(Weight::new(10).unwrap());
/// router.set_weights(&route, tenth).await?;
/// assert_eq!(router.weights(&route).await?, Some(tenth));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct GatewayApi {
    objects: Arc<dyn Objects>,
    http_routes: ApiResource,
    abilities: Abilities,
}

impl GatewayApi {
    /// A router that uses that version of `gateway.networking.k8s.io`: `v1`, or `v1beta1` without timeouts, CORS, cookies of
    /// the primary and a look at the status.
    pub fn new(objects: Arc<dyn Objects>, version: &str) -> Self {
        let stable = version != "v1beta1";
        let abilities = Abilities { policies: stable, primary_cookie: stable };
        Self { objects, http_routes: kind(version), abilities }
    }

    /// The kind that it reads and writes, in that version.
    pub fn kinds(version: &str) -> Vec<ApiResource> {
        vec![kind(version)]
    }

    fn place<'a>(&'a self, route: &'a RouteSpec) -> Place<'a> {
        Place {
            objects: &*self.objects,
            kind: &self.http_routes,
            namespace: &route.namespace,
            name: &route.apex,
        }
    }
}

#[async_trait]
impl Router for GatewayApi {
    async fn reconcile(&self, route: &RouteSpec) -> Result<(), RouterError> {
        let (title, place) = (title(route), self.place(route));
        let unsupported = |message| RouterError::Unsupported { message };
        let Some(live) = place.read::<HttpRouteSpec>(&format!("{title} get error: ")).await? else {
            let mut spec = HttpRouteSpec::default();
            // Nobody holds a cookie yet.
            let mut first = route.clone();
            first.affinity = None;
            routes::fill(&mut spec, &first, Split::PRIMARY, self.abilities).map_err(unsupported)?;
            return place
                .create(route, &apex_metadata(route), spec, &format!("{title} create error: "))
                .await;
        };
        let mut wanted = live.clone();
        routes::repair(&mut wanted.spec, route, self.abilities).map_err(unsupported)?;
        let owned = route.owner.as_ref().is_some_and(|owner| live.metadata.belongs_to(owner));
        if wanted.spec != live.spec && !owned && !routes::is_ours(&live.spec, route) {
            takeover::save(&mut wanted, &live);
        }
        wanted.metadata.enforce(&apex_metadata(route));
        let answer = place.replace(&wanted, &live, &format!("{title} update error: ")).await;
        answer.map_err(|error| during(error, "while reconciling"))
    }

    async fn weights(&self, route: &RouteSpec) -> Result<Option<Weights>, RouterError> {
        let title = title(route);
        let query = format!("{title} get error: ");
        let Some(live) = self.place(route).read::<HttpRouteSpec>(&query).await? else { return Ok(None) };
        if self.abilities.policies {
            acceptance::check(&live, &title)?;
        }
        let weights = Split::read(&live.spec, route).and_then(Split::weights);
        weights.map(Some).ok_or_else(|| RouterError::Invalid {
            message: format!("{title} does not contain routes for {} and {}", route.primary, route.canary),
        })
    }

    async fn set_weights(&self, route: &RouteSpec, weights: Weights) -> Result<(), RouterError> {
        let (title, place) = (title(route), self.place(route));
        let live: Viewed<HttpRouteSpec> = place.existing(&format!("{title} get error: ")).await?;
        let mut wanted = live.clone();
        routes::fill(&mut wanted.spec, route, Split::wanted(weights), self.abilities)
            .map_err(|message| RouterError::Unsupported { message })?;
        let answer = place.replace(&wanted, &live, &format!("{title} update error: ")).await;
        answer.map_err(|error| during(error, "while setting weights"))
    }

    async fn finalize(&self, route: &RouteSpec) -> Result<(), RouterError> {
        let (title, place) = (title(route), self.place(route));
        let found = match place.read::<HttpRouteSpec>(&format!("{title} get error: ")).await {
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
        Capabilities::default().with_conditions().with_mirror().with_session_affinity()
    }
}

/// The error with Flagger's words of when it happened.
fn during(error: RouterError, when: &str) -> RouterError {
    match error {
        RouterError::Api { message, conflict } => {
            RouterError::Api { message: format!("{message} {when}"), conflict }
        }
        RouterError::Invalid { message } => RouterError::Invalid { message: format!("{message} {when}") },
        not_timed @ (RouterError::NotInstalled { .. } | RouterError::Unsupported { .. } | _) => not_timed,
    }
}

fn kind(version: &str) -> ApiResource {
    let gvk = GroupVersionKind::gvk("gateway.networking.k8s.io", version, "HTTPRoute");
    ApiResource::from_gvk_with_plural(&gvk, "httproutes")
}

fn title(route: &RouteSpec) -> String {
    format!("HTTPRoute {}.{}", route.apex, route.namespace)
}
