//! NGINX ingress: a copy of the user's Ingress that leads to the canary, weighted by annotations.
//!
//! The user's Ingress is not touched; what the copy does not get, it serves.

mod annotations;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use canary_core::{Capabilities, RouteSpec, Router, RouterError, Weights};
use kube::core::ApiResource;
use serde_json::{Map, Value};

use self::annotations::Annotations;
use crate::Objects;
use crate::ingress::{Ingress, Ingresses, Names, leading_to, leads_to, no_backend, paths};

/// The router of NGINX ingress controllers.
///
/// It needs `spec.ingressRef`. A repair keeps the weight that the copy has.
///
/// ```
/// use std::sync::Arc;
/// use canary_core::{RouteSpec, Router, Weight, Weights};
/// use canary_routers::{MemoryObjects, Nginx};
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), canary_core::RouterError> {
/// let objects = Arc::new(MemoryObjects::new());
/// objects.insert(&Nginx::kinds()[0], json!({
///     "metadata": {"name": "shop", "namespace": "test"},
///     "spec": {"rules": [{"http": {"paths": [{"path": "/", "backend": {"service": {"name": "podinfo"}}}]}}]},
/// }));
/// let router = Nginx::new(objects, Nginx::PREFIX);
/// let mut route = RouteSpec::new("test", "podinfo", "podinfo");
/// route.ingress = Some("shop".into());
///
/// router.reconcile(&route).await?;
/// assert_eq!(router.weights(&route).await?, Some(Weights::PRIMARY));
/// let tenth = Weights::canary(Weight::new(10).unwrap());
/// router.set_weights(&route, tenth).await?;
/// assert_eq!(router.weights(&route).await?, Some(tenth));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Nginx {
    ingresses: Ingresses,
    annotations: Annotations,
}

impl Nginx {
    /// What the names of the controller's annotations begin with, unless it was started with another prefix.
    pub const PREFIX: &'static str = "nginx.ingress.kubernetes.io";

    /// A router for controllers whose annotations begin with `prefix`.
    pub fn new(objects: Arc<dyn Objects>, prefix: &str) -> Self {
        Self { ingresses: Ingresses::new(objects), annotations: Annotations::new(prefix) }
    }

    /// The kinds that it reads and writes.
    pub fn kinds() -> Vec<ApiResource> {
        vec![Ingresses::kind()]
    }
}

#[async_trait]
impl Router for Nginx {
    async fn reconcile(&self, route: &RouteSpec) -> Result<(), RouterError> {
        let names = Names::of(route)?;
        self.annotations.conditions(route)?;
        let source = self.ingresses.source(&names, "ingress").await?;
        let spec = canary_spec(&source, route).ok_or_else(|| no_backend(route, &names.source))?;
        let Some(live) = self.ingresses.copy(&names, "query error: ").await? else {
            let mut copy = Ingress::copy_of(&source, route, &names.copy, spec);
            let annotations = source.metadata.annotations.unwrap_or_default();
            copy.metadata.annotations = Some(self.annotations.first(annotations));
            return self.ingresses.create(&names, &copy).await;
        };
        let mut wanted = live.clone();
        wanted.set_spec(spec);
        self.annotations.repair(wanted.metadata.annotations.get_or_insert_default());
        self.ingresses.update(&names, &wanted, &live, "update error: ").await
    }

    async fn weights(&self, route: &RouteSpec) -> Result<Option<Weights>, RouterError> {
        let names = Names::of(route)?;
        let Some(live) = self.ingresses.copy(&names, "get query error: ").await? else { return Ok(None) };
        let annotations = live.metadata.annotations.unwrap_or_default();
        self.annotations.read(&annotations, route).map(Some)
    }

    async fn set_weights(&self, route: &RouteSpec, weights: Weights) -> Result<(), RouterError> {
        let names = Names::of(route)?;
        let live = self.ingresses.present_copy(&names, "get query error: ").await?;
        let mut wanted = live.clone();
        let annotations = wanted.metadata.annotations.get_or_insert_default();
        self.annotations.write(annotations, route, weights)?;
        self.ingresses.update(&names, &wanted, &live, "update error ").await
    }

    async fn finalize(&self, route: &RouteSpec) -> Result<(), RouterError> {
        // A canary without an ingress has no copy either.
        let Ok(names) = Names::of(route) else { return Ok(()) };
        self.ingresses.delete(&names).await
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default().with_conditions()
    }
}

/// The spec of the user's Ingress with the canary in place of the apex; `None` when the apex is not in it.
fn canary_spec(source: &Ingress, route: &RouteSpec) -> Option<Map<String, Value>> {
    let mut spec = source.spec.clone();
    let mut found = false;
    for path in paths(&mut spec).flatten().filter(|path| leads_to(path, &route.apex)) {
        *path = leading_to(path, &route.canary);
        found = true;
    }
    found.then_some(spec)
}
