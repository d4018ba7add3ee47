//! The router on objects in memory: what it writes, what it leaves alone, how it fails.

mod conditions;
mod repair;
mod upstreams;

use canary_core::{HttpMatch, Owner, StringMatch, Weight};
use serde_json::json;

use super::*;
use crate::{MemoryObjects, ObjectError, Operation};

/// A router, its objects and the route that is tested.
struct Mesh {
    objects: Arc<MemoryObjects>,
    router: Gloo,
    route: RouteSpec,
}

impl Mesh {
    /// With both Services.
    fn new() -> Self {
        let objects = Arc::new(MemoryObjects::new());
        let mut route = RouteSpec::new("test", "podinfo", "podinfo");
        route.owner = Some(Owner {
            api_version: "flagger.app/v1beta1".into(),
            kind: "Canary".into(),
            name: "podinfo".into(),
            uid: "1234".into(),
        });
        let services = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Service"));
        for (name, app) in [("podinfo-primary", "podinfo-primary"), ("podinfo-canary", "podinfo")] {
            let metadata = json!({"name": name, "namespace": "test"});
            objects.insert(&services, json!({"metadata": metadata, "spec": {"selector": {"app": app}}}));
        }
        Self { router: Gloo::new(objects.clone()), objects, route }
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

    /// The RouteTable as stored.
    fn stored(&self) -> Value {
        self.objects.read(&route_tables(), "test", "podinfo").unwrap()
    }

    fn routes(&self) -> Value {
        self.stored()["spec"]["routes"].clone()
    }

    fn upstream(&self, version: &str) -> Value {
        let name = format!("test-podinfo-{version}upstream-80");
        self.objects.read(&upstreams(), "test", &name).unwrap()
    }

    /// Edits the RouteTable behind the router's back.
    fn edit(&self, change: impl FnOnce(&mut Value)) {
        let mut object = self.stored();
        change(&mut object);
        self.objects.insert(&route_tables(), object);
    }
}

fn canary(percent: i64) -> Weights {
    Weights::canary(Weight::new(percent).unwrap())
}

/// A destination as it is written.
fn to(version: &str, weight: i64) -> Value {
    let name = format!("test-podinfo-{version}upstream-80");
    let mut destination = json!({"destination": {"upstream": {"name": name, "namespace": "test"}}});
    if weight > 0 {
        destination["weight"] = json!(weight);
    }
    destination
}

/// The route that splits.
fn split(primary: i64, canary: i64) -> Value {
    let destinations = json!([to("primary", primary), to("canary", canary)]);
    json!({"inheritablePathMatchers": true, "routeAction": {"multi": {"destinations": destinations}}})
}

#[tokio::test]
async fn the_first_reconcile_creates_a_route_table_that_sends_all_to_the_primary() {
    let mut object = Mesh::new().reconciled().await.stored();
    object["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    let owner = json!([{
        "apiVersion": "flagger.app/v1beta1", "kind": "Canary", "name": "podinfo", "uid": "1234",
        "controller": true, "blockOwnerDeletion": true,
    }]);
    let annotations = json!({
        "helm.toolkit.fluxcd.io/driftDetection": "disabled",
        "kustomize.toolkit.fluxcd.io/reconcile": "disabled",
    });
    assert_eq!(
        object,
        json!({
            "apiVersion": "gateway.solo.io/v1",
            "kind": "RouteTable",
            "metadata":
                {"name": "podinfo", "namespace": "test", "annotations": annotations, "ownerReferences": owner},
            "spec": {"routes": [split(100, 0)]},
        })
    );
}

#[tokio::test]
async fn weights_read_back_are_the_weights_written_and_a_repeated_call_writes_nothing() {
    let mesh = Mesh::new().reconciled().await;
    for percent in 0..=100 {
        mesh.set(canary(percent)).await;
        assert_eq!(mesh.weights().await, canary(percent));
        assert_eq!(mesh.routes(), json!([split(100 - percent, percent)]));
        let writes = mesh.objects.writes();
        mesh.set(canary(percent)).await;
        mesh.reconcile().await;
        assert_eq!(mesh.objects.writes(), writes);
    }
}

#[tokio::test]
async fn refusals_name_the_object_and_what_was_tried() {
    let mesh = Mesh::new();
    assert_eq!(mesh.router.weights(&mesh.route).await.unwrap(), None);
    let error = mesh.router.set_weights(&mesh.route, canary(10)).await.unwrap_err();
    let absent = r#"RouteTable podinfo.test query error: routetables.gateway.solo.io "podinfo" not found"#;
    assert_eq!(error.to_string(), absent);
    mesh.reconcile().await;

    mesh.objects.fail_next(Operation::Replace, ObjectError::Conflict("modified".into()));
    let error = mesh.router.set_weights(&mesh.route, canary(10)).await.unwrap_err();
    assert_eq!(error.to_string(), "RouteTable podinfo.test update error: modified");
    assert!(matches!(error, RouterError::Api { conflict: true, .. }));

    mesh.edit(|object| object["spec"]["routes"] = json!([]));
    let error = mesh.router.weights(&mesh.route).await.unwrap_err();
    assert_eq!(error.to_string(), "RouteTable podinfo.test destinations not found");
    mesh.objects.fail_next(Operation::Replace, ObjectError::Forbidden("no".into()));
    let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
    let lacks = r#"(the role of the controller lacks "update" on routetables.gateway.solo.io)"#;
    assert_eq!(error.to_string(), format!("RouteTable podinfo.test update error: no {lacks}"));

    mesh.objects.uninstall(&route_tables());
    let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
    assert!(error.to_string().contains("the CRD routetables.gateway.solo.io installed, with v1"), "{error}");
    mesh.router.finalize(&mesh.route).await.unwrap();
}
