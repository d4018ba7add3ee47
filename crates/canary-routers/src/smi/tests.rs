//! The router on objects in memory: what it writes, what it leaves alone, how it fails.

mod content;
mod failures;
mod repair;

use std::sync::Arc;

use canary_core::{Owner, RouteSpec, Router, Weight, Weights};
use serde_json::{Value, json};

use super::{Smi, kind};
use crate::MemoryObjects;

/// A router, its objects and the route that is tested.
struct Mesh {
    objects: Arc<MemoryObjects>,
    router: Smi,
    route: RouteSpec,
    version: &'static str,
}

impl Mesh {
    /// Without objects.
    fn new(version: &'static str) -> Self {
        let objects = Arc::new(MemoryObjects::new());
        let mut route = RouteSpec::new("test", "podinfo", "podinfo");
        route.provider = format!("smi:{version}");
        route.owner = Some(Owner {
            api_version: "flagger.app/v1beta1".into(),
            kind: "Canary".into(),
            name: "podinfo".into(),
            uid: "1234".into(),
        });
        Self { router: Smi::new(objects.clone(), version), objects, route, version }
    }

    fn with(mut self, change: impl FnOnce(&mut RouteSpec)) -> Self {
        change(&mut self.route);
        self
    }

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

    /// The TrafficSplit as stored.
    fn stored(&self) -> Value {
        self.objects.read(&kind(self.version), "test", "podinfo").unwrap()
    }

    fn spec(&self) -> Value {
        self.stored()["spec"].clone()
    }

    /// Puts a TrafficSplit there that is not ours.
    fn found(self, spec: &Value) -> Self {
        let metadata = json!({"name": "podinfo", "namespace": "test"});
        self.objects.insert(&kind(self.version), json!({"metadata": metadata, "spec": spec}));
        self
    }

    /// Edits the TrafficSplit behind the router's back.
    fn edit(&self, change: impl FnOnce(&mut Value)) {
        let mut object = self.stored();
        change(&mut object);
        self.objects.insert(&kind(self.version), object);
    }
}

fn canary(percent: i64) -> Weights {
    Weights::canary(Weight::new(percent).unwrap())
}

/// A spec as it is written.
fn spec(primary: impl Into<Value>, canary: impl Into<Value>) -> Value {
    json!({
        "service": "podinfo",
        "backends": [
            {"service": "podinfo-canary", "weight": canary.into()},
            {"service": "podinfo-primary", "weight": primary.into()},
        ],
    })
}
