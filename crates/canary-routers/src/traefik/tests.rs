//! The router on objects in memory: what it writes, what it leaves alone, how it fails.

use canary_core::{Owner, Weight};
use serde_json::{Value, json};

use super::*;
use crate::{MemoryObjects, ObjectError, Operation};

/// A router, its objects and the route that is tested.
struct Mesh {
    objects: Arc<MemoryObjects>,
    router: Traefik,
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
        Self { router: Traefik::new(objects.clone()), objects, route }
    }

    async fn reconciled() -> Self {
        let mesh = Self::new();
        mesh.reconcile().await;
        mesh
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

    fn services(&self) -> Value {
        self.stored()["spec"]["weighted"]["services"].clone()
    }

    fn edit(&self, change: impl FnOnce(&mut Value)) {
        let mut object = self.stored();
        change(&mut object);
        self.objects.insert(&kind(), object);
    }
}

fn canary(percent: i64) -> Weights {
    Weights::canary(Weight::new(percent).unwrap())
}

fn member(name: &str, weight: i64) -> Value {
    json!({"name": name, "namespace": "test", "port": 80, "weight": weight})
}

fn split(primary: i64, canary: i64) -> Value {
    json!([member("podinfo-primary", primary), member("podinfo-canary", canary)])
}

#[tokio::test]
async fn the_first_reconcile_creates_a_service_of_the_primary_alone() {
    let mut object = Mesh::reconciled().await.stored();
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
            "apiVersion": "traefik.io/v1alpha1",
            "kind": "TraefikService",
            "metadata":
                {"name": "podinfo", "namespace": "test", "annotations": annotations, "ownerReferences": owner},
            "spec": {"weighted": {"services": [member("podinfo-primary", 100)]}},
        })
    );
}

#[tokio::test]
async fn weights_read_back_are_the_weights_written_and_a_repeated_call_writes_nothing() {
    let mesh = Mesh::reconciled().await;
    for percent in 0..=100 {
        mesh.set(canary(percent)).await;
        assert_eq!(mesh.weights().await, canary(percent));
        let both = split(100 - percent, percent);
        let expected = if percent == 0 { json!([both[0]]) } else { both };
        assert_eq!(mesh.services(), expected);
        let writes = mesh.objects.writes();
        mesh.set(canary(percent)).await;
        mesh.reconcile().await;
        assert_eq!(mesh.objects.writes(), writes);
    }
}

#[tokio::test]
async fn a_repair_keeps_the_weights_and_what_is_not_ours() {
    let mesh = Mesh::reconciled().await;
    mesh.set(canary(30)).await;
    let sticky = json!({"cookie": {"name": "lb"}});
    mesh.edit(|object| {
        object["metadata"]["labels"] = json!({"team": "a"});
        object["metadata"]["annotations"] = json!({"note": "mine"});
        object["spec"]["weighted"]["sticky"] = sticky.clone();
        let services = &mut object["spec"]["weighted"]["services"];
        services[0]["scheme"] = json!("h2c");
        services[1]["port"] = json!(1);
        services.as_array_mut().unwrap().reverse();
    });
    mesh.reconcile().await;
    let mut expected = split(70, 30);
    expected[0]["scheme"] = json!("h2c");
    assert_eq!(mesh.services(), expected);
    let object = mesh.stored();
    assert_eq!(object["spec"]["weighted"]["sticky"], sticky);
    assert_eq!(object["metadata"]["labels"], json!({"team": "a"}));
    assert_eq!(object["metadata"]["annotations"]["note"], "mine");
    assert_eq!(object["metadata"]["annotations"]["kustomize.toolkit.fluxcd.io/reconcile"], "disabled");
}

#[tokio::test]
async fn weights_set_by_hand_are_shares_of_their_sum_and_unreadable_ones_go_to_the_primary() {
    let mesh = Mesh::reconciled().await;
    for (services, percent) in [
        (split(100, 100), 50),
        (split(3, 1), 25),
        (json!([{"name": "podinfo-primary"}, {"name": "podinfo-canary"}]), 50),
        (json!([member("podinfo-canary", 7)]), 100),
    ] {
        mesh.edit(|object| object["spec"]["weighted"]["services"] = services);
        assert_eq!(mesh.weights().await, canary(percent));
        mesh.reconcile().await;
        assert_eq!(mesh.weights().await, canary(percent));
    }
    for spec in
        [json!({}), json!({"weighted": {"services": []}}), json!({"weighted": {"services": split(0, 0)}})]
    {
        mesh.edit(|object| object["spec"] = spec);
        let error = mesh.router.weights(&mesh.route).await.unwrap_err();
        assert_eq!(error.to_string(), "TraefikService podinfo.test services not found");
        mesh.reconcile().await;
        assert_eq!(mesh.services(), json!([member("podinfo-primary", 100)]));
    }
}

#[tokio::test]
async fn the_service_that_the_user_had_is_given_back() {
    let original = json!({"weighted": {"services": [{"name": "podinfo-old", "port": 80}]}});
    let mesh = Mesh::new();
    let metadata = json!({"name": "podinfo", "namespace": "test"});
    mesh.objects.insert(&kind(), json!({"metadata": metadata, "spec": original}));
    mesh.reconcile().await;
    mesh.set(canary(50)).await;
    mesh.router.finalize(&mesh.route).await.unwrap();
    assert_eq!(mesh.stored()["spec"], original);

    let ours = Mesh::reconciled().await;
    let before = ours.stored();
    ours.router.finalize(&ours.route).await.unwrap();
    assert_eq!(ours.stored(), before);
}

#[tokio::test]
async fn refusals_name_the_object_and_what_was_tried() {
    let mesh = Mesh::new();
    assert_eq!(mesh.router.weights(&mesh.route).await.unwrap(), None);
    let error = mesh.router.set_weights(&mesh.route, canary(10)).await.unwrap_err();
    let absent = r#"TraefikService podinfo.test query error: traefikservices.traefik.io "podinfo" not found"#;
    assert_eq!(error.to_string(), absent);
    mesh.reconcile().await;

    mesh.objects.fail_next(Operation::Replace, ObjectError::Conflict("modified".into()));
    let error = mesh.router.set_weights(&mesh.route, canary(10)).await.unwrap_err();
    assert_eq!(error.to_string(), "TraefikService podinfo.test update error: modified");
    assert!(matches!(error, RouterError::Api { conflict: true, .. }));

    mesh.objects.fail_next(Operation::Get, ObjectError::Forbidden("no".into()));
    let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
    let lacks = r#"(the role of the controller lacks "get" on traefikservices.traefik.io)"#;
    assert_eq!(error.to_string(), format!("TraefikService podinfo.test get query error: no {lacks}"));

    mesh.objects.uninstall(&kind());
    let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
    let missing = "the CRD traefikservices.traefik.io installed, with v1alpha1";
    assert!(error.to_string().contains(missing), "{error}");
    mesh.router.finalize(&mesh.route).await.unwrap();
    assert_eq!(mesh.router.capabilities(), canary_core::Capabilities::default());
}
