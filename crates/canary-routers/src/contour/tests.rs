//! The router on objects in memory: what it writes, what it leaves alone, how it fails.

mod content;
mod failures;
mod repair;

use canary_core::{HttpMatch, Owner, StringMatch, Weight};
use serde_json::{Value, json};

use super::*;
use crate::{MemoryObjects, ObjectError, Operation};

/// A router, its objects and the route that is tested.
struct Mesh {
    objects: Arc<MemoryObjects>,
    router: Contour,
    route: RouteSpec,
}

impl Mesh {
    fn new(class: &str) -> Self {
        let objects = Arc::new(MemoryObjects::new());
        let mut route = RouteSpec::new("test", "podinfo", "podinfo");
        route.owner = Some(Owner {
            api_version: "flagger.app/v1beta1".into(),
            kind: "Canary".into(),
            name: "podinfo".into(),
            uid: "1234".into(),
        });
        Self { router: Contour::new(objects.clone(), class), objects, route }
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

    fn stored(&self) -> Value {
        self.objects.read(&kind(), "test", "podinfo").unwrap()
    }

    fn routes(&self) -> Value {
        self.stored()["spec"]["routes"].clone()
    }

    /// Edits the proxy behind the router's back.
    fn edit(&self, change: impl FnOnce(&mut Value)) {
        let mut object = self.stored();
        change(&mut object);
        self.objects.insert(&kind(), object);
    }
}

fn canary(percent: i64) -> Weights {
    Weights::canary(Weight::new(percent).unwrap())
}

/// A Service as it is written.
fn service(name: &str, weight: i64) -> Value {
    let target = format!("{name}.test.svc.cluster.local:80");
    let headers = json!({"set": [{"name": "l5d-dst-override", "value": target}]});
    let mut service = json!({"name": name, "port": 80, "requestHeadersPolicy": headers});
    if weight > 0 {
        service["weight"] = json!(weight);
    }
    service
}

/// A route as it is written.
fn route(conditions: &Value, primary: i64, canary: i64) -> Value {
    let services = [service("podinfo-primary", primary), service("podinfo-canary", canary)];
    json!({"conditions": conditions, "services": services})
}

/// The route that splits.
fn split(primary: i64, canary: i64) -> Value {
    route(&json!([{"prefix": "/"}]), primary, canary)
}
