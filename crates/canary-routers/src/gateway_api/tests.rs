//! The router on objects in memory: what it writes, what it leaves alone, how it fails.

mod content;
mod cookies;
mod repair;

use std::sync::Arc;

use canary_core::{HttpMatch, Owner, RouteSpec, Router, StringMatch, Weight, Weights};
use serde_json::{Value, json};

use super::{GatewayApi, kind};
use crate::MemoryObjects;

/// A router, its objects and the route that is tested.
struct Mesh {
    objects: Arc<MemoryObjects>,
    router: GatewayApi,
    route: RouteSpec,
    version: &'static str,
}

impl Mesh {
    /// Without objects.
    fn new(version: &'static str) -> Self {
        let objects = Arc::new(MemoryObjects::new());
        let mut route = RouteSpec::new("test", "podinfo", "podinfo");
        route.hosts = vec!["app.example.com".into()];
        route.gateway_refs = vec![json!({"name": "gateway", "namespace": "infra"})];
        route.owner = Some(Owner {
            api_version: "flagger.app/v1beta1".into(),
            kind: "Canary".into(),
            name: "podinfo".into(),
            uid: "1234".into(),
        });
        Self { router: GatewayApi::new(objects.clone(), version), objects, route, version }
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

    /// The HTTPRoute as stored.
    fn stored(&self) -> Value {
        self.objects.read(&kind(self.version), "test", "podinfo").unwrap()
    }

    fn rules(&self) -> Value {
        self.stored()["spec"]["rules"].clone()
    }

    /// Edits the HTTPRoute behind the router's back.
    fn edit(&self, change: impl FnOnce(&mut Value)) {
        let mut object = self.stored();
        change(&mut object);
        self.objects.insert(&kind(self.version), object);
    }
}

fn canary(percent: i64) -> Weights {
    Weights::canary(Weight::new(percent).unwrap())
}

/// Both backends as they are written.
fn split(primary: i64, canary: i64) -> Value {
    json!([backend("podinfo-primary", primary), backend("podinfo-canary", canary)])
}

fn backend(name: &str, weight: i64) -> Value {
    json!({"group": "", "kind": "Service", "name": name, "port": 80, "weight": weight})
}

fn prefix(path: &str) -> HttpMatch {
    HttpMatch {
        uri: Some(StringMatch { prefix: Some(path.into()), ..StringMatch::default() }),
        ..HttpMatch::default()
    }
}

fn header(name: &str, value: StringMatch) -> HttpMatch {
    HttpMatch { headers: [(name.to_owned(), value)].into(), ..HttpMatch::default() }
}

fn exact(text: &str) -> StringMatch {
    StringMatch { exact: Some(text.into()), ..StringMatch::default() }
}
