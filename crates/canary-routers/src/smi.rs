//! SMI, which Linkerd and Open Service Mesh implement: one TrafficSplit for each canary.
//!
//! The API versions differ in how they write a weight, and in nothing else that matters here.

mod routes;
mod view;
mod weights;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use canary_core::{RouteSpec, Router, RouterError, Weights};
use kube::core::{ApiResource, GroupVersionKind};

use self::view::TrafficSplitSpec;
use self::weights::Split;
use crate::viewed::{Place, Viewed};
use crate::{Objects, takeover};

/// The router of meshes that read TrafficSplits: `linkerd`, `osm` and `smi:VERSION`.
///
/// It splits traffic and has no other abilities. A repair keeps the weights of the live object; the spec of a TrafficSplit
/// that the user had before is given back when the canary goes with `revertOnDeletion`.
///
/// ```
/// use std::sync::Arc;
/// use canary_core::{RouteSpec, Router, Weight, Weights};
/// use canary_routers::{MemoryObjects, Smi};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), canary_core::RouterError> {
/// let router = Smi::new(Arc::new(MemoryObjects::new()), "v1alpha2");
/// let route = RouteSpec::new("test", "podinfo", "podinfo");
/// router.reconcile(&route).await?;
///
/// let tenth = Weights::canary(Weight::new(10).unwrap());
/// router.set_weights(&route, tenth).await?;
/// assert_eq!(router.weights(&route).await?, Some(tenth));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Smi {
    objects: Arc<dyn Objects>,
    traffic_splits: ApiResource,
}

impl Smi {
    /// A router that uses that version of `split.smi-spec.io`: `v1alpha1`, where weights are quantities, or a later one.
    pub fn new(objects: Arc<dyn Objects>, version: &str) -> Self {
        Self { objects, traffic_splits: kind(version) }
    }

    /// The kind that it reads and writes, in that version.
    pub fn kinds(version: &str) -> Vec<ApiResource> {
        vec![kind(version)]
    }

    fn place<'a>(&'a self, route: &'a RouteSpec) -> Place<'a> {
        Place {
            objects: &*self.objects,
            kind: &self.traffic_splits,
            namespace: &route.namespace,
            name: &route.apex,
        }
    }

    fn wanted(&self, weights: Weights) -> Split {
        Split::wanted(weights, self.traffic_splits.version == "v1alpha1")
    }

    /// Puts `spec` in the place of that of `live`.
    async fn write(
        &self,
        route: &RouteSpec,
        live: &Viewed<TrafficSplitSpec>,
        spec: TrafficSplitSpec,
        failing: &str,
    ) -> Result<(), RouterError> {
        let mut wanted = Viewed { spec, ..live.clone() };
        let owned = route.owner.as_ref().is_some_and(|owner| live.metadata.belongs_to(owner));
        if wanted.spec != live.spec && !owned && !routes::is_ours(&live.spec, route) {
            takeover::save(&mut wanted, live);
        }
        self.place(route).replace(&wanted, live, failing).await
    }
}

#[async_trait]
impl Router for Smi {
    async fn reconcile(&self, route: &RouteSpec) -> Result<(), RouterError> {
        let (title, place) = (title(route), self.place(route));
        let Some(live) = place.read::<TrafficSplitSpec>(&format!("{title} get query error: ")).await? else {
            let spec = routes::spec(route, &self.wanted(Weights::PRIMARY), &TrafficSplitSpec::default());
            let metadata = routes::first_metadata(route);
            return place.create(route, &metadata, spec, &format!("{title} create error: ")).await;
        };
        let split = Split::read(&live.spec, route).unwrap_or_else(|| self.wanted(Weights::PRIMARY));
        let spec = routes::spec(route, &split, &live.spec);
        self.write(route, &live, spec, &format!("{title} update error: ")).await
    }

    async fn weights(&self, route: &RouteSpec) -> Result<Option<Weights>, RouterError> {
        let title = title(route);
        let query = format!("{title} get query error ");
        let Some(live) = self.place(route).read::<TrafficSplitSpec>(&query).await? else {
            return Ok(None);
        };
        let weights = Split::read(&live.spec, route).and_then(|split| split.weights());
        weights.map(Some).ok_or_else(|| RouterError::Invalid {
            message: format!("{title} does not contain routes for {} and {}", route.primary, route.canary),
        })
    }

    async fn set_weights(&self, route: &RouteSpec, weights: Weights) -> Result<(), RouterError> {
        let title = title(route);
        let query = format!("{title} get query error ");
        let live = self.place(route).existing::<TrafficSplitSpec>(&query).await?;
        let mut spec = live.spec.clone();
        spec.backends = Some(routes::backends(route, &self.wanted(weights), &live.spec));
        self.write(route, &live, spec, &format!("{title} update error ")).await
    }

    async fn finalize(&self, route: &RouteSpec) -> Result<(), RouterError> {
        let (title, place) = (title(route), self.place(route));
        let found = match place.read::<TrafficSplitSpec>(&format!("{title} get query error: ")).await {
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
}

fn kind(version: &str) -> ApiResource {
    let gvk = GroupVersionKind::gvk("split.smi-spec.io", version, "TrafficSplit");
    ApiResource::from_gvk_with_plural(&gvk, "trafficsplits")
}

fn title(route: &RouteSpec) -> String {
    format!("TrafficSplit {}.{}", route.apex, route.namespace)
}
