//! The router on objects in memory, in both versions: what it writes, what it leaves alone, how it fails.

mod content;
mod failures;
mod repair;

use std::sync::Arc;

use canary_core::{HttpMatch, Owner, Retries, RouteSpec, Router, StringMatch, TargetPort, Weight, Weights};
use serde_json::{Value, json};

use super::AppMesh;
use super::version::kind;
use crate::MemoryObjects;

const BOTH: [&str; 2] = ["v1beta1", "v1beta2"];

/// A router, its objects and the route that is tested.
struct Mesh {
    objects: Arc<MemoryObjects>,
    router: AppMesh,
    route: RouteSpec,
    version: &'static str,
}

impl Mesh {
    /// Without objects of the mesh.
    fn new(version: &'static str) -> Self {
        let objects = Arc::new(MemoryObjects::new());
        let mut route = RouteSpec::new("test", "podinfo", "podinfo");
        route.mesh_name = Some("global".into());
        route.target_port = Some(TargetPort::Number(9898));
        route.selector = Some(("app".into(), "podinfo".into()));
        route.owner = Some(Owner {
            api_version: "flagger.app/v1beta1".into(),
            kind: "Canary".into(),
            name: "podinfo".into(),
            uid: "1234".into(),
        });
        Self { router: AppMesh::new(objects.clone(), version), objects, route, version }
    }

    fn with(mut self, change: impl FnOnce(&mut RouteSpec)) -> Self {
        change(&mut self.route);
        self
    }

    /// For the canary of the recorded scenarios.
    fn recorded(version: &'static str) -> Self {
        Self::new(version).with(|route| {
            route.canary_annotations.insert("appmesh.flagger.app/accesslog".into(), "enabled".into());
            route.backends =
                vec!["db.prod".into(), "arn:aws:appmesh:eu-west-1:1:mesh/m/virtualService/x".into()];
            route.hosts = vec!["*".into()];
            route.timeout = Some("15s".into());
            route.retries = Some(Retries {
                attempts: 3,
                per_try_timeout: Some("1s".into()),
                retry_on: Some("gateway-error,connect-failure".into()),
            });
        })
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

    /// Kind and name of the object with the routes of the apex.
    fn apex(&self) -> (&'static str, &'static str) {
        if self.version == "v1beta1" {
            ("VirtualService", "podinfo.test")
        } else {
            ("VirtualRouter", "podinfo")
        }
    }

    fn find(&self, of: &str, name: &str) -> Option<Value> {
        self.objects.read(&kind(self.version, of), "test", name)
    }

    fn spec(&self, of: &str, name: &str) -> Value {
        self.find(of, name).unwrap()["spec"].clone()
    }

    /// Metadata without what the server and the owner bring.
    fn metadata(&self, of: &str, name: &str) -> Value {
        let mut metadata = self.find(of, name).unwrap()["metadata"].clone();
        assert_eq!(metadata["ownerReferences"][0]["uid"], "1234");
        for field in ["resourceVersion", "ownerReferences", "name", "namespace"] {
            metadata.as_object_mut().unwrap().remove(field);
        }
        metadata
    }

    /// The rules of the apex for HTTP.
    fn rules(&self) -> Vec<Value> {
        let (of, name) = self.apex();
        let field = if self.version == "v1beta1" { "http" } else { "httpRoute" };
        let routes = self.spec(of, name)["routes"].clone();
        routes.as_array().unwrap().iter().map(|rule| rule[field].clone()).collect()
    }

    fn target(&self, node: &str, weight: i64) -> Value {
        if self.version == "v1beta1" {
            json!({"virtualNodeName": node, "weight": weight})
        } else {
            json!({"virtualNodeRef": {"name": node}, "weight": weight})
        }
    }

    fn action(&self, primary: i64, canary: i64) -> Value {
        let targets = [self.target("podinfo-canary", canary), self.target("podinfo-primary", primary)];
        json!({"weightedTargets": targets})
    }

    /// Puts an object there that is not ours.
    fn found(&self, of: &str, name: &str, spec: &Value) {
        let metadata = json!({"name": name, "namespace": "test"});
        self.objects.insert(&kind(self.version, of), json!({"metadata": metadata, "spec": spec}));
    }

    /// Edits an object behind the router's back.
    fn edit(&self, of: &str, name: &str, change: impl FnOnce(&mut Value)) {
        let mut object = self.find(of, name).unwrap();
        change(&mut object);
        self.objects.insert(&kind(self.version, of), object);
    }
}

fn canary(percent: i64) -> Weights {
    Weights::canary(Weight::new(percent).unwrap())
}

/// A condition on headers.
fn headers(list: &[(&str, StringMatch)]) -> HttpMatch {
    let headers = list.iter().map(|(name, text)| ((*name).to_owned(), text.clone())).collect();
    HttpMatch { headers, ..HttpMatch::default() }
}

fn exact(text: &str) -> StringMatch {
    StringMatch { exact: Some(text.into()), ..StringMatch::default() }
}
