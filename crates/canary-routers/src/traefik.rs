//! Traefik: one TraefikService for each canary, which the user's IngressRoute names.
//!
//! The canary is in its list only while it has traffic: Traefik drops a service of which a member has no endpoints.

mod view;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use canary_core::{RouteSpec, Router, RouterError, Weights};
use kube::core::{ApiResource, GroupVersionKind};

use self::view::{Member, Split, TraefikServiceSpec};
use crate::viewed::{Place, Viewed};
use crate::{Objects, apex_metadata, takeover};

/// The router of Traefik.
///
/// A repair keeps the weights of the live object. A primary without traffic is written with weight 0, because Traefik gives
/// a member without a weight a share of 1.
///
/// ```
/// use std::sync::Arc;
/// use canary_core::{RouteSpec, Router, Weight, Weights};
/// use canary_routers::{MemoryObjects, Traefik};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), canary_core::RouterError> {
/// let router = Traefik::new(Arc::new(MemoryObjects::new()));
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
pub struct Traefik {
    objects: Arc<dyn Objects>,
    services: ApiResource,
}

impl Traefik {
    /// A router that uses `traefik.io/v1alpha1`.
    pub fn new(objects: Arc<dyn Objects>) -> Self {
        Self { objects, services: kind() }
    }

    /// The kind that it reads and writes.
    pub fn kinds() -> Vec<ApiResource> {
        vec![kind()]
    }

    fn place<'a>(&'a self, route: &'a RouteSpec) -> Place<'a> {
        Place {
            objects: &*self.objects,
            kind: &self.services,
            namespace: &route.namespace,
            name: &route.apex,
        }
    }
}

#[async_trait]
impl Router for Traefik {
    async fn reconcile(&self, route: &RouteSpec) -> Result<(), RouterError> {
        let (title, place) = (title(route), self.place(route));
        let query = format!("{title} get query error: ");
        let Some(live) = place.read::<TraefikServiceSpec>(&query).await? else {
            let mut spec = TraefikServiceSpec::default();
            fill(&mut spec, route, Split::PRIMARY);
            return place
                .create(route, &apex_metadata(route), spec, &format!("{title} create error: "))
                .await;
        };
        let mut wanted = live.clone();
        let split = Split::read(&live.spec, route).unwrap_or(Split::PRIMARY);
        fill(&mut wanted.spec, route, split);
        let owned = route.owner.as_ref().is_some_and(|owner| live.metadata.belongs_to(owner));
        let ours = |member: &Member| member.name == route.primary || member.name == route.canary;
        if wanted.spec != live.spec && !owned && !live.spec.members().iter().any(ours) {
            takeover::save(&mut wanted, &live);
        }
        wanted.metadata.enforce(&apex_metadata(route));
        place.replace(&wanted, &live, &format!("{title} update error: ")).await
    }

    async fn weights(&self, route: &RouteSpec) -> Result<Option<Weights>, RouterError> {
        let title = title(route);
        let query = format!("{title} query error: ");
        let Some(live) = self.place(route).read::<TraefikServiceSpec>(&query).await? else {
            return Ok(None);
        };
        let weights = Split::read(&live.spec, route).and_then(Split::weights);
        let message = format!("{title} services not found");
        weights.map(Some).ok_or(RouterError::Invalid { message })
    }

    async fn set_weights(&self, route: &RouteSpec, weights: Weights) -> Result<(), RouterError> {
        let (title, place) = (title(route), self.place(route));
        let query = format!("{title} query error: ");
        let live: Viewed<TraefikServiceSpec> = place.existing(&query).await?;
        let mut wanted = live.clone();
        let split = Split { primary: weights.primary.into(), canary: weights.canary.into() };
        fill(&mut wanted.spec, route, split);
        place.replace(&wanted, &live, &format!("{title} update error: ")).await
    }

    async fn finalize(&self, route: &RouteSpec) -> Result<(), RouterError> {
        let (title, place) = (title(route), self.place(route));
        let found = match place.read::<TraefikServiceSpec>(&format!("{title} query error: ")).await {
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

/// Makes the list hold both Services with the shares of `split`, and keeps all else.
fn fill(spec: &mut TraefikServiceSpec, route: &RouteSpec, split: Split) {
    let member = |name: &String, weight: i64| {
        let live = spec.to(name).cloned().unwrap_or_default();
        Member {
            name: name.clone(),
            namespace: Some(route.namespace.clone()),
            port: Some(route.port.into()),
            weight: Some(weight),
            rest: live.rest,
        }
    };
    let mut members = vec![member(&route.primary, split.primary)];
    if split.canary > 0 {
        members.push(member(&route.canary, split.canary));
    }
    spec.weighted.get_or_insert_default().services = Some(members);
}

fn kind() -> ApiResource {
    let gvk = GroupVersionKind::gvk("traefik.io", "v1alpha1", "TraefikService");
    ApiResource::from_gvk_with_plural(&gvk, "traefikservices")
}

fn title(route: &RouteSpec) -> String {
    format!("TraefikService {}.{}", route.apex, route.namespace)
}
