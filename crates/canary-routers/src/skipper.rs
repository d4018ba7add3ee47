//! Skipper: a copy of the user's Ingress that leads to both versions, weighted by annotations.
//!
//! The user's Ingress is not touched; while the copy is off, it serves.

mod annotations;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use canary_core::{RouteSpec, Router, RouterError, Weights};
use kube::core::ApiResource;
use serde_json::{Map, Value};

use crate::Objects;
use crate::ingress::{Ingress, Ingresses, LAST_APPLIED, Names, leading_to, leads_to, no_backend, paths};

/// The router of Skipper as an ingress controller.
///
/// It needs `spec.ingressRef`. A repair keeps the weights that the copy has.
///
/// ```
/// use std::sync::Arc;
/// use canary_core::{RouteSpec, Router, Weight, Weights};
/// use canary_routers::{MemoryObjects, Skipper};
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), canary_core::RouterError> {
/// let objects = Arc::new(MemoryObjects::new());
/// objects.insert(&Skipper::kinds()[0], json!({
///     "metadata": {"name": "shop", "namespace": "test"},
///     "spec": {"rules": [{"http": {"paths": [{"path": "/", "backend": {"service": {"name": "podinfo"}}}]}}]},
/// }));
/// let router = Skipper::new(objects);
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
pub struct Skipper {
    ingresses: Ingresses,
}

impl Skipper {
    /// A router that uses Ingresses of `networking.k8s.io/v1`.
    pub fn new(objects: Arc<dyn Objects>) -> Self {
        Self { ingresses: Ingresses::new(objects) }
    }

    /// The kinds that it reads and writes.
    pub fn kinds() -> Vec<ApiResource> {
        vec![Ingresses::kind()]
    }
}

#[async_trait]
impl Router for Skipper {
    async fn reconcile(&self, route: &RouteSpec) -> Result<(), RouterError> {
        let names = Names::of(route)?;
        let source = self.ingresses.source(&names, "apexIngress").await?;
        let spec = copied_spec(&source, route).ok_or_else(|| no_backend(route, &names.source))?;
        let mut theirs = source.metadata.annotations.clone().unwrap_or_default();
        theirs.remove(LAST_APPLIED);
        let Some(live) = self.ingresses.copy(&names, "query error: ").await? else {
            let mut copy = Ingress::copy_of(&source, route, &names.copy, spec);
            copy.metadata.annotations = Some(annotations::first(theirs, route));
            return self.ingresses.create(&names, &copy).await;
        };
        let mut wanted = live.clone();
        wanted.set_spec(spec);
        annotations::repair(wanted.metadata.annotations.get_or_insert_default(), theirs, route);
        self.ingresses.update(&names, &wanted, &live, "update error: ").await
    }

    async fn weights(&self, route: &RouteSpec) -> Result<Option<Weights>, RouterError> {
        let names = Names::of(route)?;
        let Some(live) = self.ingresses.copy(&names, "get query error: ").await? else { return Ok(None) };
        let annotations = live.metadata.annotations.unwrap_or_default();
        let weights = annotations::read(&annotations, route);
        weights.map(Some).map_err(|what| RouterError::Invalid { message: names.copy_failing(&what) })
    }

    async fn set_weights(&self, route: &RouteSpec, weights: Weights) -> Result<(), RouterError> {
        let names = Names::of(route)?;
        let live = self.ingresses.present_copy(&names, "get query error: ").await?;
        let mut wanted = live.clone();
        annotations::write(wanted.metadata.annotations.get_or_insert_default(), route, weights);
        self.ingresses.update(&names, &wanted, &live, "update error ").await
    }

    async fn finalize(&self, route: &RouteSpec) -> Result<(), RouterError> {
        // A canary without an ingress has no copy either.
        let Ok(names) = Names::of(route) else { return Ok(()) };
        self.ingresses.delete(&names).await
    }
}

/// The spec of the user's Ingress with both versions in place of the apex, the canary at the end of each rule; `None` when
/// the apex is not in it.
fn copied_spec(source: &Ingress, route: &RouteSpec) -> Option<Map<String, Value>> {
    let mut spec = source.spec.clone();
    let mut found = false;
    for paths in paths(&mut spec) {
        let mut canaries = Vec::new();
        for path in paths.iter_mut().filter(|path| leads_to(path, &route.apex)) {
            canaries.push(leading_to(path, &route.canary));
            *path = leading_to(path, &route.primary);
        }
        found |= !canaries.is_empty();
        paths.append(&mut canaries);
    }
    found.then_some(spec)
}
