//! Plain Kubernetes: no mesh, so there is nothing to route.
//!
//! The apex Service selects the primary throughout; the canary is tested behind a Service of its own.

use async_trait::async_trait;
use canary_core::{Capabilities, RouteSpec, Router, RouterError, Weights};

/// The router of clusters without a mesh. It has no abilities, so that rollouts are blue/green.
///
/// `weights` always says that the primary has all traffic, which is the truth, and `set_weights` does nothing. (Flagger
/// reports 0/100 once it counts iterations, although no traffic moved.)
///
/// ```
/// use canary_core::{Capabilities, Router};
/// assert_eq!(canary_routers::Kubernetes.capabilities(), Capabilities::NONE);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Kubernetes;

#[async_trait]
impl Router for Kubernetes {
    async fn reconcile(&self, _: &RouteSpec) -> Result<(), RouterError> {
        Ok(())
    }

    async fn weights(&self, _: &RouteSpec) -> Result<Option<Weights>, RouterError> {
        Ok(Some(Weights::PRIMARY))
    }

    async fn set_weights(&self, _: &RouteSpec, _: Weights) -> Result<(), RouterError> {
        Ok(())
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::NONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_traffic_is_on_the_primary_whatever_is_asked() {
        let route = RouteSpec::new("test", "podinfo", "podinfo");
        Kubernetes.set_weights(&route, Weights::CANARY).await.unwrap();
        assert_eq!(Kubernetes.weights(&route).await.unwrap(), Some(Weights::PRIMARY));
    }
}
