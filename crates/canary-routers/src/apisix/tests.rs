//! The router on objects in memory. Expected objects are those that Flagger writes.

use canary_core::{Owner, Weight};
use serde_json::json;

use super::*;
use crate::{MemoryObjects, Operation};

struct Mesh {
    objects: Arc<MemoryObjects>,
    router: Apisix,
    route: RouteSpec,
}

impl Mesh {
    fn new() -> Self {
        let objects = Arc::new(MemoryObjects::new());
        objects.insert(&kind(), source());
        let mut route = RouteSpec::new("test", "podinfo", "podinfo");
        route.route = Some("shop".into());
        route.owner = Some(Owner {
            api_version: "flagger.app/v1beta1".into(),
            kind: "Canary".into(),
            name: "podinfo".into(),
            uid: "1234".into(),
        });
        Self { router: Apisix::new(objects.clone()), objects, route }
    }

    async fn reconciled(self) -> Self {
        self.router.reconcile(&self.route).await.unwrap();
        self
    }

    async fn set(&self, percent: i64) {
        self.router.set_weights(&self.route, canary(percent)).await.unwrap();
    }

    async fn weights(&self) -> Weights {
        self.router.weights(&self.route).await.unwrap().unwrap()
    }

    fn read(&self, name: &str) -> Option<Value> {
        self.objects.read(&kind(), "test", name)
    }

    /// The copy without what the server adds.
    fn stored(&self) -> Value {
        let mut object = self.read("shop-podinfo-canary").unwrap();
        if let Some(metadata) = object["metadata"].as_object_mut() {
            for field in ["resourceVersion", "uid", "creationTimestamp", "generation"] {
                metadata.remove(field);
            }
        }
        object
    }

    fn edit(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut object = self.read(name).unwrap();
        change(&mut object);
        self.objects.insert(&kind(), object);
    }

    async fn refused(&self) -> String {
        self.router.reconcile(&self.route).await.unwrap_err().to_string()
    }
}

fn canary(percent: i64) -> Weights {
    Weights::canary(Weight::new(percent).unwrap())
}

fn source() -> Value {
    json!({
        "apiVersion": "apisix.apache.org/v2",
        "kind": "ApisixRoute",
        "metadata": {"name": "shop", "namespace": "test", "labels": {"app": "podinfo"}},
        "spec": {
            "http": [
                {"name": "else", "match": {"paths": ["/else"]}, "backends": [{"serviceName": "else"}]},
                {
                    "name": "main",
                    "match": {"hosts": ["app.example.com"], "methods": ["GET"], "paths": ["/*"]},
                    "backends": [{"serviceName": "podinfo", "servicePort": 80, "subset": "blue"}],
                    "plugins": [{"name": "api-breaker", "enable": true, "config": {"break_code": 502}}],
                },
            ],
        },
    })
}

/// The copy as Flagger writes it.
fn golden(primary: i64, canary: i64) -> Value {
    json!({
        "apiVersion": "apisix.apache.org/v2",
        "kind": "ApisixRoute",
        "metadata": {
            "name": "shop-podinfo-canary",
            "namespace": "test",
            "labels": {"app": "podinfo"},
            "ownerReferences": [{
                "apiVersion": "flagger.app/v1beta1",
                "kind": "Canary",
                "name": "podinfo",
                "uid": "1234",
                "controller": true,
                "blockOwnerDeletion": true,
            }],
        },
        "spec": {
            "http": [{
                "name": "main",
                "priority": 10000,
                "match": {"hosts": ["app.example.com"], "methods": ["GET"], "paths": ["/*"]},
                "backends": [
                    {"serviceName": "podinfo-primary", "servicePort": 80, "subset": "blue", "weight": primary},
                    {"serviceName": "podinfo-canary", "servicePort": 80, "subset": "blue", "weight": canary},
                ],
                "websocket": false,
                "plugins": [{"name": "api-breaker", "enable": true, "config": {"break_code": 502}}],
            }],
        },
    })
}

#[tokio::test]
async fn the_copy_leads_to_both_and_the_users_route_stays_as_it_is() {
    let mesh = Mesh::new();
    assert_eq!(mesh.router.weights(&mesh.route).await.unwrap(), None);
    let before = mesh.read("shop");
    let mesh = mesh.reconciled().await;
    assert_eq!(mesh.stored(), golden(100, 0));
    mesh.set(10).await;
    assert_eq!(mesh.stored(), golden(90, 10));
    mesh.set(0).await;
    assert_eq!(mesh.stored(), golden(100, 0));
    assert_eq!(mesh.read("shop"), before);
}

#[tokio::test]
async fn weights_are_read_as_they_were_written_and_a_second_call_writes_nothing() {
    let mesh = Mesh::new().reconciled().await;
    for percent in [1, 10, 50, 99, 100, 0] {
        mesh.set(percent).await;
        let writes = mesh.objects.writes();
        assert_eq!(mesh.weights().await, canary(percent));
        mesh.set(percent).await;
        mesh.router.reconcile(&mesh.route).await.unwrap();
        assert_eq!(mesh.objects.writes(), writes, "at {percent}");
    }
}

#[tokio::test]
async fn a_repair_keeps_the_weights_and_what_others_added() {
    let mesh = Mesh::new().reconciled().await;
    mesh.set(50).await;
    mesh.edit("shop-podinfo-canary", |copy| {
        copy["metadata"]["annotations"] = json!({"note": "mine"});
        copy["spec"]["future"] = json!(1);
        let rule = &mut copy["spec"]["http"][0];
        rule["priority"] = json!(1);
        rule["timeout"] = json!({"read": "1s"});
        rule["plugin_config_namespace"] = json!("web");
        rule["backends"][1]["future"] = json!(true);
        copy["status"] = json!({"conditions": []});
    });
    mesh.router.reconcile(&mesh.route).await.unwrap();

    let mut expected = golden(50, 50);
    expected["metadata"]["annotations"] = json!({"note": "mine"});
    expected["spec"]["future"] = json!(1);
    expected["spec"]["http"][0]["plugin_config_namespace"] = json!("web");
    expected["spec"]["http"][0]["backends"][1]["future"] = json!(true);
    expected["status"] = json!({"conditions": []});
    assert_eq!(mesh.stored(), expected);
}

#[tokio::test]
async fn changed_plugins_of_the_user_arrive_without_moving_weights() {
    let mesh = Mesh::new().reconciled().await;
    mesh.set(10).await;
    mesh.edit("shop", |route| {
        route["spec"]["http"][1]["plugins"][0]["config"]["break_code"] = json!(503);
        route["spec"]["ingressClassName"] = json!("apisix");
    });
    mesh.router.reconcile(&mesh.route).await.unwrap();
    let mut expected = golden(90, 10);
    expected["spec"]["http"][0]["plugins"][0]["config"]["break_code"] = json!(503);
    expected["spec"]["ingressClassName"] = json!("apisix");
    assert_eq!(mesh.stored(), expected);
}

#[tokio::test]
async fn weights_that_cannot_be_read_are_an_error_and_then_repaired_to_the_primary() {
    let mesh = Mesh::new().reconciled().await;
    for weights in [[json!(null), json!(null)], [json!(0), json!(0)], [json!(-1), json!(5)]] {
        let [primary, canary] = weights;
        mesh.edit("shop-podinfo-canary", |copy| {
            copy["spec"]["http"][0]["backends"][0]["weight"] = primary;
            copy["spec"]["http"][0]["backends"][1]["weight"] = canary;
        });
        let error = mesh.router.weights(&mesh.route).await.unwrap_err();
        assert_eq!(error.to_string(), "APISIX route shop.test has no weights for podinfo-primary");
        mesh.router.reconcile(&mesh.route).await.unwrap();
        assert_eq!(mesh.stored(), golden(100, 0));
    }
}

#[tokio::test]
async fn a_backend_of_the_canary_that_somebody_took_away_comes_back_with_its_weight() {
    let mesh = Mesh::new().reconciled().await;
    mesh.edit("shop-podinfo-canary", |copy| {
        copy["spec"]["http"][0]["backends"].as_array_mut().unwrap().pop();
    });
    mesh.set(10).await;
    assert_eq!(mesh.stored(), golden(90, 10));
}

#[tokio::test]
async fn what_is_missing_is_named_as_flagger_does() {
    let mut mesh = Mesh::new();
    mesh.edit("shop", |route| route["spec"]["http"][1]["backends"] = json!([]));
    assert_eq!(mesh.refused().await, "Can not find podinfo backend on apisix route shop.test ");
    let two = json!([{"serviceName": "podinfo"}, {"serviceName": "b"}]);
    mesh.edit("shop", |route| route["spec"]["http"][1]["backends"] = two);
    let text = "APISIX route shop.test's http route main only one http backend is supported";
    assert_eq!(mesh.refused().await, text);
    mesh.edit("shop", |route| route["spec"]["http"] = json!([]));
    assert_eq!(mesh.refused().await, "APISIX route shop.test's spec.http is empty");

    let error = mesh.router.set_weights(&mesh.route, canary(10)).await.unwrap_err();
    let absent = r#"apisixroutes.apisix.apache.org "shop-podinfo-canary" not found"#;
    assert_eq!(error.to_string(), format!("apisix route shop-podinfo-canary.test query error: {absent}"));

    mesh.route.route = Some("none".into());
    let absent = r#"apisixroutes.apisix.apache.org "none" not found"#;
    assert_eq!(mesh.refused().await, format!("APISIX route none.test get query error: {absent}"));

    mesh.route.route = None;
    assert_eq!(mesh.refused().await, "apisix route selector is empty");
    assert!(mesh.router.finalize(&mesh.route).await.is_ok());
}

#[tokio::test]
async fn a_copy_without_our_rule_has_no_weights() {
    let mesh = Mesh::new().reconciled().await;
    mesh.edit("shop-podinfo-canary", |copy| copy["spec"]["http"] = json!([]));
    let error = mesh.router.weights(&mesh.route).await.unwrap_err();
    assert_eq!(error.to_string(), "Can not find podinfo-primary backend on apisix route shop.test ");
    mesh.router.reconcile(&mesh.route).await.unwrap();
    assert_eq!(mesh.stored(), golden(100, 0));
}

#[tokio::test]
async fn a_conflict_surfaces_and_the_next_call_succeeds() {
    let mesh = Mesh::new().reconciled().await;
    mesh.objects.fail_next(Operation::Replace, ObjectError::Conflict("modified".into()));
    let error = mesh.router.set_weights(&mesh.route, canary(10)).await.unwrap_err();
    assert_eq!(error.to_string(), "apisix route podinfo.test update error: modified");
    assert_eq!(error.category(), "conflict");
    mesh.set(10).await;
    assert_eq!(mesh.weights().await, canary(10));
}

#[tokio::test]
async fn a_missing_crd_is_named_and_does_not_hold_up_a_deletion() {
    let mesh = Mesh::new();
    mesh.objects.uninstall(&kind());
    let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
    assert!(matches!(error, RouterError::NotInstalled { .. }));
    assert!(error.to_string().contains("the CRD apisixroutes.apisix.apache.org installed"), "{error}");
    assert!(mesh.router.finalize(&mesh.route).await.is_ok());
}

#[tokio::test]
async fn finalizing_removes_the_copy_only_and_may_be_repeated() {
    let mesh = Mesh::new().reconciled().await;
    mesh.set(50).await;
    for _ in 0..2 {
        mesh.router.finalize(&mesh.route).await.unwrap();
        assert_eq!((mesh.read("shop-podinfo-canary"), mesh.read("shop").is_some()), (None, true));
    }
}
