//! Contour: one HTTPProxy for each canary, which the user's root proxy includes.

mod conditions;
mod routes;
mod view;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use canary_core::{Capabilities, RouteSpec, Router, RouterError, Weights};
use kube::core::{ApiResource, GroupVersionKind};

use self::view::{HttpProxySpec, Split};
use crate::viewed::{Place, Viewed};
use crate::{Objects, apex_metadata, takeover};

/// The router of Contour.
///
/// It splits traffic and sends requests with certain headers to the canary. A repair keeps the weights of the live object,
/// and its virtual host.
///
/// ```
/// use std::sync::Arc;
/// use canary_core::{RouteSpec, Router, Weight, Weights};
/// use canary_routers::{Contour, MemoryObjects};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), canary_core::RouterError> {
/// let router = Contour::new(Arc::new(MemoryObjects::new()), "");
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
pub struct Contour {
    objects: Arc<dyn Objects>,
    proxies: ApiResource,
    class: Option<String>,
}

impl Contour {
    /// A router that uses `projectcontour.io/v1`. Proxies get `ingressClassName: class`; with an empty one they keep theirs.
    pub fn new(objects: Arc<dyn Objects>, class: &str) -> Self {
        let class = (!class.is_empty()).then(|| class.to_owned());
        Self { objects, proxies: kind(), class }
    }

    /// The kind that it reads and writes.
    pub fn kinds() -> Vec<ApiResource> {
        vec![kind()]
    }

    fn place<'a>(&'a self, route: &'a RouteSpec) -> Place<'a> {
        Place { objects: &*self.objects, kind: &self.proxies, namespace: &route.namespace, name: &route.apex }
    }

    /// Makes `spec` what the canary asks for, with the weights of `split`.
    fn fill(&self, spec: &mut HttpProxySpec, route: &RouteSpec, split: Split) -> Result<(), RouterError> {
        if let Some(class) = &self.class {
            spec.ingress_class_name = Some(class.clone());
        }
        routes::fill(spec, route, split).map_err(|message| RouterError::Unsupported { message })
    }
}

#[async_trait]
impl Router for Contour {
    async fn reconcile(&self, route: &RouteSpec) -> Result<(), RouterError> {
        let (title, place) = (title(route), self.place(route));
        let query = format!("{title} get query error: ");
        let Some(live) = place.read::<HttpProxySpec>(&query).await? else {
            let mut spec = HttpProxySpec::default();
            self.fill(&mut spec, route, Split::PRIMARY)?;
            let create = format!("{title} create error: ");
            return place.create(route, &apex_metadata(route), spec, &create).await;
        };
        let mut wanted = live.clone();
        let split = Split::read(&live.spec, route).unwrap_or(Split::PRIMARY);
        self.fill(&mut wanted.spec, route, split)?;
        let owned = route.owner.as_ref().is_some_and(|owner| live.metadata.belongs_to(owner));
        if wanted.spec != live.spec && !owned && !live.spec.is_ours(route) {
            takeover::save(&mut wanted, &live);
        }
        wanted.metadata.enforce(&apex_metadata(route));
        place.replace(&wanted, &live, &format!("{title} update error: ")).await
    }

    async fn weights(&self, route: &RouteSpec) -> Result<Option<Weights>, RouterError> {
        let title = title(route);
        let query = format!("{title} get query error ");
        let Some(live) = self.place(route).read::<HttpProxySpec>(&query).await? else { return Ok(None) };
        let weights = Split::read(&live.spec, route).and_then(Split::weights);
        let message = format!("{title} services not found");
        weights.map(Some).ok_or(RouterError::Invalid { message })
    }

    async fn set_weights(&self, route: &RouteSpec, weights: Weights) -> Result<(), RouterError> {
        let (title, place) = (title(route), self.place(route));
        let live: Viewed<HttpProxySpec> = place.existing(&format!("{title} query error: ")).await?;
        let mut wanted = live.clone();
        let split = Split { primary: weights.primary.into(), canary: weights.canary.into() };
        self.fill(&mut wanted.spec, route, split)?;
        place.replace(&wanted, &live, &format!("{title} update error: ")).await
    }

    async fn finalize(&self, route: &RouteSpec) -> Result<(), RouterError> {
        let (title, place) = (title(route), self.place(route));
        let found = match place.read::<HttpProxySpec>(&format!("{title} query error: ")).await {
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

fn kind() -> ApiResource {
    let gvk = GroupVersionKind::gvk("projectcontour.io", "v1", "HTTPProxy");
    ApiResource::from_gvk_with_plural(&gvk, "httpproxies")
}

fn title(route: &RouteSpec) -> String {
    format!("HTTPProxy {}.{}", route.apex, route.namespace)
}
