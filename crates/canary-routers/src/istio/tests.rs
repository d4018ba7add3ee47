//! The router on objects in memory: what it writes, what it leaves alone, how it fails.

mod affinity;
mod content;
mod failures;
mod repair;
mod reverting;

use std::sync::Arc;

use canary_core::{Owner, RouteSpec, Router, Weight, Weights};
use serde_json::{Value, json};

use super::{Istio, kind};
use crate::MemoryObjects;

/// A router, its objects and the route that is tested.
struct Mesh {
    objects: Arc<MemoryObjects>,
    router: Istio,
    route: RouteSpec,
}

impl Mesh {
    /// Without objects, for the canary of Flagger's tutorial.
    fn new() -> Self {
        let objects = Arc::new(MemoryObjects::new());
        let mut route = RouteSpec::new("test", "podinfo", "podinfo");
        route.gateways = vec!["istio-system/public-gateway".into()];
        route.hosts = vec!["*".into()];
        route.traffic_policy = Some(json!({"tls": {"mode": "DISABLE"}}));
        route.owner = Some(Owner {
            api_version: "flagger.app/v1beta1".into(),
            kind: "Canary".into(),
            name: "podinfo".into(),
            uid: "1234".into(),
        });
        Self { router: Istio::new(objects.clone()), objects, route }
    }

    /// With a change of the route.
    fn with(mut self, change: impl FnOnce(&mut RouteSpec)) -> Self {
        change(&mut self.route);
        self
    }

    /// With the objects created.
    async fn reconciled(self) -> Self {
        self.reconcile().await;
        self
    }

    async fn reconcile(&self) {
        self.router.reconcile(&self.route).await.unwrap();
    }

    async fn set(&self, weights: Weights) {
        self.router.set_weights(&self.route, weights).await.unwrap();
    }

    async fn weights(&self) -> Weights {
        self.router.weights(&self.route).await.unwrap().unwrap()
    }

    /// The VirtualService as stored.
    fn stored(&self) -> Value {
        self.objects.read(&virtual_services(), "test", "podinfo").unwrap()
    }

    fn spec(&self) -> Value {
        self.stored()["spec"].clone()
    }

    fn http(&self) -> Value {
        self.spec()["http"].clone()
    }

    fn rule(&self, name: &str) -> Option<Value> {
        self.objects.read(&kind("v1beta1", "DestinationRule", "destinationrules"), "test", name)
    }

    /// Edits the VirtualService behind the router's back.
    fn edit(&self, change: impl FnOnce(&mut Value)) {
        let mut object = self.stored();
        change(&mut object);
        self.objects.insert(&virtual_services(), object);
    }
}

fn virtual_services() -> kube::core::ApiResource {
    kind("v1beta1", "VirtualService", "virtualservices")
}

fn canary(percent: i64) -> Weights {
    Weights::canary(Weight::new(percent).unwrap())
}

/// Both destinations as they are written.
fn split(primary: i64, canary: i64) -> Value {
    json!([
        {"destination": {"host": "podinfo-primary"}, "weight": primary},
        {"destination": {"host": "podinfo-canary"}, "weight": canary},
    ])
}
