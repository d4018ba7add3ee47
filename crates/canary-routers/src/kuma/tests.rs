//! The router on objects in memory: what it writes, what it leaves alone, how it fails.

mod namesakes;

use canary_core::{Owner, Weight};
use serde_json::{Value, json};

use super::*;
use crate::{MemoryObjects, ObjectError, Operation};

/// A router, its objects and the route that is tested.
struct Mesh {
    objects: Arc<MemoryObjects>,
    router: Kuma,
    route: RouteSpec,
}

impl Mesh {
    fn new() -> Self {
        let objects = Arc::new(MemoryObjects::new());
        let mut route = RouteSpec::new("test", "podinfo", "podinfo");
        route.owner = Some(Owner {
            api_version: "flagger.app/v1beta1".into(),
            kind: "Canary".into(),
            name: "podinfo".into(),
            uid: "1234".into(),
        });
        Self { router: Kuma::new(objects.clone()), objects, route }
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

    fn find(&self) -> Option<Value> {
        self.objects.read(&kind(), "", "podinfo")
    }

    fn stored(&self) -> Value {
        self.find().unwrap()
    }

    /// Edits the TrafficRoute behind the router's back.
    fn edit(&self, change: impl FnOnce(&mut Value)) {
        let mut object = self.stored();
        change(&mut object);
        self.objects.insert(&kind(), object);
    }
}

fn canary(percent: i64) -> Weights {
    Weights::canary(Weight::new(percent).unwrap())
}

/// A split as it is written.
fn split(primary: i64, canary: i64) -> Value {
    let share = |name: &str, weight: i64| {
        let service = format!("podinfo-{name}_test_svc_80");
        json!({"weight": weight, "destination": {"kuma.io/service": service}})
    };
    json!([share("primary", primary), share("canary", canary)])
}

/// A spec as it is written.
fn spec(primary: i64, canary: i64) -> Value {
    json!({
        "sources": [{"match": {"kuma.io/service": "*"}}],
        "destinations": [{"match": {"kuma.io/service": "podinfo_test_svc_80"}}],
        "conf": {"split": split(primary, canary)},
    })
}

#[tokio::test]
async fn the_first_reconcile_creates_a_route_of_the_cluster_that_sends_all_to_the_primary() {
    let mut object = Mesh::new().reconciled().await.stored();
    object["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    let annotations = json!({
        "helm.toolkit.fluxcd.io/driftDetection": "disabled",
        "kustomize.toolkit.fluxcd.io/reconcile": "disabled",
    });
    assert_eq!(
        object,
        json!({
            "apiVersion": "kuma.io/v1alpha1",
            "kind": "TrafficRoute",
            "mesh": "default",
            "metadata": {"name": "podinfo", "annotations": annotations},
            "spec": spec(100, 0),
        })
    );
}

#[tokio::test]
async fn an_annotation_of_the_canary_names_the_mesh_once() {
    let mesh = Mesh::new()
        .with(|route| drop(route.canary_annotations.insert("kuma.io/mesh".into(), "blue".into())))
        .reconciled()
        .await;
    assert_eq!(mesh.stored()["mesh"], "blue");
    let mesh = mesh.with(|route| route.canary_annotations.clear()).reconciled().await;
    mesh.set(canary(10)).await;
    assert_eq!(mesh.stored()["mesh"], "blue");
}

#[tokio::test]
async fn weights_read_back_are_the_weights_written_and_a_repeated_call_writes_nothing() {
    let mesh = Mesh::new().reconciled().await;
    for percent in 0..=100 {
        mesh.set(canary(percent)).await;
        assert_eq!(mesh.weights().await, canary(percent));
        assert_eq!(mesh.stored()["spec"], spec(100 - percent, percent));
        let writes = mesh.objects.writes();
        mesh.set(canary(percent)).await;
        mesh.reconcile().await;
        assert_eq!(mesh.objects.writes(), writes);
    }
}

#[tokio::test]
async fn a_repair_keeps_the_weights_and_what_is_not_ours() {
    let mesh = Mesh::new().reconciled().await;
    mesh.set(canary(30)).await;
    mesh.edit(|object| {
        object["metadata"]["labels"] = json!({"team": "a"});
        object["spec"]["sources"] = json!([]);
        object["spec"]["destinations"] = json!(null);
        object["spec"]["conf"]["loadBalancer"] = json!({"roundRobin": {}});
        object["spec"]["conf"]["destination"] = json!({"kuma.io/service": "old"});
        object["spec"]["conf"]["split"].as_array_mut().unwrap().reverse();
    });
    mesh.reconcile().await;
    let mut expected = spec(70, 30);
    expected["conf"]["loadBalancer"] = json!({"roundRobin": {}});
    assert_eq!(mesh.stored()["spec"], expected);
    assert_eq!(mesh.stored()["metadata"]["labels"], json!({"team": "a"}));
}

#[tokio::test]
async fn weights_set_by_hand_are_shares_of_their_sum_and_unreadable_ones_go_to_the_primary() {
    let mesh = Mesh::new().reconciled().await;
    for (primary, by_hand, percent) in [(3, 1, 25), (200, 200, 50), (0, 7, 100)] {
        mesh.edit(|object| object["spec"] = spec(primary, by_hand));
        let writes = mesh.objects.writes();
        mesh.reconcile().await;
        assert_eq!((mesh.weights().await, mesh.objects.writes()), (canary(percent), writes));
    }
    for broken in [spec(0, 0), json!({}), json!({"conf": {"split": [{}]}})] {
        mesh.edit(|object| object["spec"] = broken);
        let error = mesh.router.weights(&mesh.route).await.unwrap_err();
        let text = "TrafficRoute podinfo does not contain routes for podinfo-primary and podinfo-canary";
        assert_eq!(error.to_string(), text);
        mesh.reconcile().await;
        assert_eq!(mesh.stored()["spec"], spec(100, 0));
    }
}

#[tokio::test]
async fn a_route_of_the_user_is_given_back_and_one_of_ours_is_deleted() {
    let original = json!({"conf": {"destination": {"kuma.io/service": "podinfo_test_svc_80"}}});
    let mesh = Mesh::new();
    let object = json!({"metadata": {"name": "podinfo"}, "mesh": "default", "spec": original});
    mesh.objects.insert(&kind(), object);
    mesh.reconcile().await;
    mesh.set(canary(50)).await;
    assert_eq!(mesh.stored()["spec"]["conf"]["split"], split(50, 50));
    mesh.router.finalize(&mesh.route).await.unwrap();
    assert_eq!(mesh.stored()["spec"], original);
    mesh.router.finalize(&mesh.route).await.unwrap();
    assert_eq!(mesh.stored()["spec"], original);

    let ours = Mesh::new().reconciled().await;
    ours.router.finalize(&ours.route).await.unwrap();
    assert_eq!(ours.find(), None);
    ours.router.finalize(&ours.route).await.unwrap();
}

#[tokio::test]
async fn refusals_name_the_object_and_what_was_tried() {
    let mesh = Mesh::new();
    assert_eq!(mesh.router.weights(&mesh.route).await.unwrap(), None);
    let error = mesh.router.set_weights(&mesh.route, canary(10)).await.unwrap_err();
    let absent = r#"TrafficRoute podinfo get query error trafficroutes.kuma.io "podinfo" not found"#;
    assert_eq!(error.to_string(), absent);
    mesh.objects.fail_next(Operation::Create, ObjectError::Unavailable("etcd is away".into()));
    let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
    assert_eq!(error.to_string(), "TrafficRoute podinfo create error: etcd is away");
    mesh.reconcile().await;

    mesh.objects.fail_next(Operation::Replace, ObjectError::Conflict("modified".into()));
    let error = mesh.router.set_weights(&mesh.route, canary(10)).await.unwrap_err();
    assert_eq!(error.to_string(), "TrafficRoute podinfo update error modified");
    assert!(matches!(error, RouterError::Api { conflict: true, .. }));

    mesh.objects.fail_next(Operation::Delete, ObjectError::Forbidden("no".into()));
    let error = mesh.router.finalize(&mesh.route).await.unwrap_err();
    let lacks = r#"(the role of the controller lacks "delete" on trafficroutes.kuma.io)"#;
    assert_eq!(error.to_string(), format!("TrafficRoute podinfo delete error: no {lacks}"));

    mesh.objects.uninstall(&kind());
    let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
    assert!(error.to_string().contains("the CRD trafficroutes.kuma.io installed, with v1alpha1"), "{error}");
    mesh.router.finalize(&mesh.route).await.unwrap();
    assert_eq!(mesh.router.capabilities(), canary_core::Capabilities::default());
}
