//! The router on objects in memory. Expected objects are those that Flagger writes.

use std::collections::BTreeMap;

use canary_core::{HttpMatch, Owner, StringMatch, Weight};
use serde_json::json;

use super::*;
use crate::{MemoryObjects, ObjectError, Operation};

const PFX: &str = "nginx.ingress.kubernetes.io";

struct Mesh {
    objects: Arc<MemoryObjects>,
    router: Nginx,
    route: RouteSpec,
}

impl Mesh {
    fn new() -> Self {
        Self::with_prefix(Nginx::PREFIX)
    }

    fn with_prefix(prefix: &str) -> Self {
        let objects = Arc::new(MemoryObjects::new());
        objects.insert(&Ingresses::kind(), source());
        let mut route = RouteSpec::new("test", "podinfo", "podinfo");
        route.ingress = Some("podinfo".into());
        route.owner = Some(Owner {
            api_version: "flagger.app/v1beta1".into(),
            kind: "Canary".into(),
            name: "podinfo".into(),
            uid: "1234".into(),
        });
        Self { router: Nginx::new(objects.clone(), prefix), objects, route }
    }

    async fn reconciled(self) -> Self {
        self.router.reconcile(&self.route).await.unwrap();
        self
    }

    fn testing(mut self, headers: &[(&str, StringMatch)]) -> Self {
        let headers = headers.iter().map(|(name, text)| ((*name).to_owned(), text.clone())).collect();
        self.route.conditions = vec![HttpMatch { headers, ..HttpMatch::default() }];
        self
    }

    async fn set(&self, percent: i64) {
        self.router.set_weights(&self.route, canary(percent)).await.unwrap();
    }

    async fn weights(&self) -> Weights {
        self.router.weights(&self.route).await.unwrap().unwrap()
    }

    fn read(&self, name: &str) -> Option<Value> {
        self.objects.read(&Ingresses::kind(), "test", name)
    }

    fn stored(&self) -> Value {
        self.read("podinfo-canary").unwrap()
    }

    fn edit(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut object = self.read(name).unwrap();
        change(&mut object);
        self.objects.insert(&Ingresses::kind(), object);
    }

    /// The copy's annotations that begin with `PFX/canary`, without it.
    fn canary_annotations(&self) -> BTreeMap<String, String> {
        let all: BTreeMap<String, String> =
            serde_json::from_value(self.stored()["metadata"]["annotations"].clone()).unwrap();
        let ours = all.into_iter().filter_map(|(key, value)| {
            let key = key.strip_prefix(&format!("{PFX}/canary"))?.to_owned();
            Some((key, value))
        });
        ours.collect()
    }
}

fn canary(percent: i64) -> Weights {
    Weights::canary(Weight::new(percent).unwrap())
}

fn exact(text: &str) -> StringMatch {
    StringMatch { exact: Some(text.into()), ..StringMatch::default() }
}

fn path(path: &str, service: &str) -> Value {
    let backend = json!({"service": {"name": service, "port": {"number": 80}}});
    json!({"path": path, "pathType": "Prefix", "backend": backend})
}

fn spec(service: &str) -> Value {
    json!({
        "ingressClassName": "nginx",
        "rules": [{
            "host": "app.example.com",
            "http": {"paths": [path("/", service), path("/other", "other")]},
        }],
        "tls": [{"hosts": ["app.example.com"], "secretName": "tls"}],
    })
}

fn source() -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {
            "name": "podinfo",
            "namespace": "test",
            "labels": {"app": "podinfo"},
            "annotations": {
                "example.com/note": "kept",
                "kubectl.kubernetes.io/last-applied-configuration": "{}",
                "nginx.ingress.kubernetes.io/canary-by-header": "mine",
                "nginx.ingress.kubernetes.io/rewrite-target": "/",
            },
        },
        "spec": spec("podinfo"),
    })
}

/// The copy as Flagger writes it at that weight.
fn golden(weight: &str) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {
            "name": "podinfo-canary",
            "namespace": "test",
            "labels": {"app": "podinfo"},
            "annotations": {
                "example.com/note": "kept",
                "helm.toolkit.fluxcd.io/driftDetection": "disabled",
                "kustomize.toolkit.fluxcd.io/reconcile": "disabled",
                "nginx.ingress.kubernetes.io/canary": "true",
                "nginx.ingress.kubernetes.io/canary-weight": weight,
                "nginx.ingress.kubernetes.io/rewrite-target": "/",
            },
            "ownerReferences": [{
                "apiVersion": "flagger.app/v1beta1",
                "kind": "Canary",
                "name": "podinfo",
                "uid": "1234",
                "controller": true,
                "blockOwnerDeletion": true,
            }],
        },
        "spec": spec("podinfo-canary"),
    })
}

/// Without what the server adds.
fn written(mut object: Value) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for field in ["resourceVersion", "uid", "creationTimestamp", "generation"] {
            metadata.remove(field);
        }
    }
    object
}

#[tokio::test]
async fn the_copy_leads_to_the_canary_and_the_users_ingress_stays_as_it_is() {
    let mesh = Mesh::new();
    assert_eq!(mesh.router.weights(&mesh.route).await.unwrap(), None);
    let before = mesh.read("podinfo");
    let mesh = mesh.reconciled().await;
    assert_eq!(written(mesh.stored()), golden("0"));
    mesh.set(10).await;
    assert_eq!(written(mesh.stored()), golden("10"));
    mesh.set(0).await;
    assert_eq!(written(mesh.stored()), golden("0"));
    assert_eq!(mesh.read("podinfo"), before);
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
async fn a_repair_keeps_the_weight_and_what_others_added() {
    let mesh = Mesh::new().reconciled().await;
    mesh.set(50).await;
    mesh.edit("podinfo-canary", |copy| {
        copy["metadata"]["annotations"]["note"] = json!("mine");
        copy["metadata"]["labels"]["team"] = json!("web");
        copy["metadata"]["annotations"][format!("{PFX}/canary")] = json!("false");
        copy["spec"]["rules"] = json!([]);
        copy["spec"]["future"] = json!(true);
        copy["status"] = json!({"loadBalancer": {}});
    });
    mesh.router.reconcile(&mesh.route).await.unwrap();

    let mut expected = golden("50");
    expected["metadata"]["annotations"]["note"] = json!("mine");
    expected["metadata"]["labels"]["team"] = json!("web");
    expected["spec"]["future"] = json!(true);
    expected["status"] = json!({"loadBalancer": {}});
    assert_eq!(written(mesh.stored()), expected);
}

#[tokio::test]
async fn a_change_of_the_users_rules_arrives_without_moving_weights() {
    let mesh = Mesh::new().reconciled().await;
    mesh.set(10).await;
    mesh.edit("podinfo", |ingress| {
        ingress["spec"]["rules"][0]["host"] = json!("new.example.com");
        ingress["spec"].as_object_mut().unwrap().remove("tls");
    });
    mesh.router.reconcile(&mesh.route).await.unwrap();
    let spec = &mesh.stored()["spec"];
    assert_eq!((&spec["rules"][0]["host"], spec.get("tls")), (&json!("new.example.com"), None));
    assert_eq!(mesh.weights().await, canary(10));
}

#[tokio::test]
async fn a_weight_that_cannot_be_read_is_an_error_and_then_repaired_to_nothing() {
    let mesh = Mesh::new().reconciled().await;
    mesh.edit("podinfo-canary", |copy| {
        copy["metadata"]["annotations"][format!("{PFX}/canary-weight")] = json!("many");
    });
    let error = mesh.router.weights(&mesh.route).await.unwrap_err();
    assert!(error.to_string().starts_with("failed to convert many to int: "), "{error}");
    mesh.router.reconcile(&mesh.route).await.unwrap();
    assert_eq!(mesh.weights().await, Weights::PRIMARY);
}

#[tokio::test]
async fn an_ab_test_chooses_by_header_and_cookie_and_leaves_no_trace() {
    let regex = StringMatch { regex: Some("^(?!other).*".into()), ..StringMatch::default() };
    let mesh = Mesh::new().testing(&[("cookie", exact("canary")), ("x-user", regex)]).reconciled().await;
    mesh.set(100).await;
    let expected = [
        ("", "true"),
        ("-by-cookie", "canary"),
        ("-by-header", "x-user"),
        ("-by-header-pattern", "^(?!other).*"),
        ("-weight", "0"),
    ];
    assert_eq!(mesh.canary_annotations(), expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
    assert_eq!(mesh.weights().await, canary(100));
    let writes = mesh.objects.writes();
    mesh.router.reconcile(&mesh.route).await.unwrap();
    assert_eq!(mesh.objects.writes(), writes);

    let mesh = mesh.testing(&[("x-user", exact("tester"))]);
    mesh.set(100).await;
    let expected = [("", "true"), ("-by-header", "x-user"), ("-by-header-value", "tester"), ("-weight", "0")];
    assert_eq!(mesh.canary_annotations(), expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into());

    mesh.set(0).await;
    assert_eq!(written(mesh.stored()), golden("0"));
    assert_eq!(mesh.weights().await, Weights::PRIMARY);
}

#[tokio::test]
async fn a_share_replaces_the_conditions_of_an_earlier_test() {
    let mut mesh = Mesh::new().testing(&[("x-user", exact("tester"))]).reconciled().await;
    mesh.set(100).await;
    mesh.route.conditions.clear();
    mesh.set(10).await;
    assert_eq!(written(mesh.stored()), golden("10"));
}

#[tokio::test]
async fn conditions_that_nginx_does_not_know_are_refused_before_anything_is_written() {
    let prefix = StringMatch { prefix: Some("a".into()), ..StringMatch::default() };
    for (headers, what) in [
        (vec![("x-user", prefix)], "header x-user only by exact or regex"),
        (vec![("cookie", StringMatch::default())], "header cookie only by exact, which is the cookie's name"),
        (vec![], "NGINX needs a header"),
    ] {
        let mesh = Mesh::new().testing(&headers);
        let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
        assert_eq!(error.category(), "unsupported");
        assert!(error.to_string().contains(what), "{error}");
        assert_eq!(mesh.objects.writes(), 0);
    }
}

#[tokio::test]
async fn another_prefix_is_used_in_all_annotations() {
    let mesh = Mesh::with_prefix("acme.io").testing(&[("x-user", exact("tester"))]).reconciled().await;
    mesh.set(100).await;
    let annotations = &mesh.stored()["metadata"]["annotations"];
    assert_eq!(annotations["acme.io/canary"], "true");
    assert_eq!(annotations["acme.io/canary-by-header"], "x-user");
    assert_eq!(annotations["nginx.ingress.kubernetes.io/rewrite-target"], "/");
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let mut mesh = Mesh::new();
    mesh.edit("podinfo", |ingress| ingress["spec"]["rules"] = json!([{"host": "a"}]));
    let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
    assert_eq!(error.to_string(), "backend podinfo not found in ingress podinfo");

    let error = mesh.router.set_weights(&mesh.route, canary(10)).await.unwrap_err();
    let absent = r#"ingresses.networking.k8s.io "podinfo-canary" not found"#;
    assert_eq!(error.to_string(), format!("ingress podinfo-canary.test get query error: {absent}"));

    mesh.route.ingress = Some("none".into());
    let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
    let absent = r#"ingresses.networking.k8s.io "none" not found"#;
    assert_eq!(error.to_string(), format!("ingress none.test get query error: {absent}"));

    mesh.route.ingress = None;
    let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
    assert_eq!((error.to_string(), error.category()), ("ingress selector is empty".into(), "invalid"));
    assert!(mesh.router.finalize(&mesh.route).await.is_ok());
}

#[tokio::test]
async fn refusals_of_the_api_name_the_object_and_conflicts_may_be_tried_again() {
    let mesh = Mesh::new();
    mesh.objects.fail_next(Operation::Create, ObjectError::Forbidden("no".into()));
    let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
    let lacks = r#"(the role of the controller lacks "create" on ingresses.networking.k8s.io)"#;
    assert_eq!(error.to_string(), format!("ingress podinfo-canary.test create error: no {lacks}"));

    let mesh = mesh.reconciled().await;
    mesh.objects.fail_next(Operation::Replace, ObjectError::Conflict("modified".into()));
    let error = mesh.router.set_weights(&mesh.route, canary(10)).await.unwrap_err();
    assert_eq!(error.to_string(), "ingress podinfo-canary.test update error modified");
    assert_eq!(error.category(), "conflict");
    mesh.set(10).await;
    assert_eq!(mesh.weights().await, canary(10));
}

#[tokio::test]
async fn finalizing_removes_the_copy_only_and_may_be_repeated() {
    let mesh = Mesh::new().reconciled().await;
    mesh.set(50).await;
    for _ in 0..2 {
        mesh.router.finalize(&mesh.route).await.unwrap();
        assert_eq!((mesh.read("podinfo-canary"), mesh.read("podinfo").is_some()), (None, true));
    }
}
