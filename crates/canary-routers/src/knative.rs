//! Knative: traffic between two revisions of the Knative Service that is released.
//!
//! The object is the user's: it is edited in place, under its resourceVersion, and no other object is written.

mod view;
mod weights;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use canary_core::{RouteSpec, Router, RouterError, Weights};
use kube::core::ApiResource;

pub use self::view::KnativeService;
use crate::{Attempt, ObjectError, Objects};

/// The router of Knative Services.
///
/// What it reports is what Knative says that it does (`status.traffic`), which may lag behind what it was told.
///
/// ```
/// use canary_core::Router;
/// use canary_routers::{Knative, MemoryObjects};
///
/// let router = Knative::new(std::sync::Arc::new(MemoryObjects::new()));
/// assert!(router.capabilities().weighted && !router.capabilities().conditions);
/// ```
#[derive(Clone)]
pub struct Knative {
    objects: Arc<dyn Objects>,
    kind: ApiResource,
}

impl Knative {
    /// A router on `objects`, which must be those of the cluster that the Knative Service lives in.
    pub fn new(objects: Arc<dyn Objects>) -> Self {
        Self { objects, kind: KnativeService::kind() }
    }

    async fn service(&self, route: &RouteSpec, failing: &str) -> Result<KnativeService, RouterError> {
        let found = self.objects.get_as(&self.kind, &route.namespace, &route.target).await;
        let found = found.and_then(|s| s.ok_or_else(|| ObjectError::absent(&self.kind, &route.target)));
        found.map_err(|error| Attempt::new(failing, "get", &self.kind).failed(error))
    }

    /// Writes `wanted` if it is not what is there.
    async fn update(
        &self,
        wanted: &KnativeService,
        live: &KnativeService,
        failing: &str,
    ) -> Result<(), RouterError> {
        if wanted == live {
            return Ok(());
        }
        let encoded = serde_json::to_value(wanted)
            .map_err(|source| ObjectError::Malformed { object: self.kind.kind.clone(), source });
        let written = match encoded {
            Ok(object) => self.objects.replace(&self.kind, &object).await.map(drop),
            Err(error) => Err(error),
        };
        written.map_err(|error| Attempt::new(failing, "update", &self.kind).failed(error))
    }
}

#[async_trait]
impl Router for Knative {
    /// Restores what others took away: the annotation, and the split. (Flagger makes the latest revision the primary then,
    /// analysed or not.)
    async fn reconcile(&self, route: &RouteSpec) -> Result<(), RouterError> {
        let title = title(route);
        let live = self.service(route, &format!("{title} get query error: ")).await?;
        let primary = live.primary_revision().or(live.latest_revision());
        let primary = primary.ok_or_else(|| unannotated(&title))?.to_owned();
        let mut wanted = live.clone();
        wanted.set_primary_revision(&primary);
        if live.asked().is_none() {
            wanted.split(&primary, Weights::PRIMARY);
        }
        self.update(&wanted, &live, &format!("{title} update query error: ")).await
    }

    async fn weights(&self, route: &RouteSpec) -> Result<Option<Weights>, RouterError> {
        let failing = format!("service {}.{} get query error: ", route.target, route.namespace);
        let live = self.service(route, &failing).await?;
        match (live.in_force(), live.asked()) {
            (Some(weights), _) => Ok(Some(weights)),
            (None, None) => Ok(None),
            (None, Some(_)) => {
                Err(RouterError::Invalid { message: format!("{} traffic spec invalid", title(route)) })
            }
        }
    }

    async fn set_weights(&self, route: &RouteSpec, weights: Weights) -> Result<(), RouterError> {
        let title = title(route);
        let live = self.service(route, &format!("{title} get query error: ")).await?;
        let primary = live.primary_revision().ok_or_else(|| unannotated(&title))?;
        let mut wanted = live.clone();
        wanted.split(primary, weights);
        self.update(&wanted, &live, &format!("{title} update query error ")).await
    }

    async fn finalize(&self, route: &RouteSpec) -> Result<(), RouterError> {
        let title = title(route);
        let found = self.objects.get_as::<KnativeService>(&self.kind, &route.namespace, &route.target).await;
        let live = match found {
            // Nothing is left to give back, and the canary must not wait for it for ever.
            Ok(None) | Err(ObjectError::NotServed(_)) => return Ok(()),
            Ok(Some(live)) => live,
            Err(error) => {
                let failing = format!("{title} get query error: ");
                return Err(Attempt::new(failing, "get", &self.kind).failed(error));
            }
        };
        let mut wanted = live.clone();
        wanted.give_back();
        self.update(&wanted, &live, &format!("{title} update query error: ")).await
    }
}

fn title(route: &RouteSpec) -> String {
    format!("Knative Service {}.{}", route.target, route.namespace)
}

fn unannotated(title: &str) -> RouterError {
    RouterError::Invalid { message: format!("{title} annotation not found") }
}
