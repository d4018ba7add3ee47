//! The router on objects in memory: what it writes, what it leaves alone, how it fails.

use canary_core::{Owner, Weight};
use serde_json::json;

use super::*;
use crate::{MemoryObjects, ObjectError, Operation};

/// A router, its objects and the route that is tested.
struct Mesh {
    objects: Arc<MemoryObjects>,
    router: Skipper,
    route: RouteSpec,
}

impl Mesh {
    /// With the user's Ingress.
    fn new() -> Self {
        let objects = Arc::new(MemoryObjects::new());
        let mut route = RouteSpec::new("test", "podinfo", "podinfo");
        route.ingress = Some("web".into());
        route.owner = Some(Owner {
            api_version: "flagger.app/v1beta1".into(),
            kind: "Canary".into(),
            name: "podinfo".into(),
            uid: "1234".into(),
        });
        let metadata = json!({
            "name": "web",
            "namespace": "test",
            "labels": {"app": "podinfo"},
            "annotations": {
                "example.com/note": "kept",
                "kubectl.kubernetes.io/last-applied-configuration": "{}",
                "zalando.org/skipper-predicate": "Traffic(1)",
            },
            "finalizers": ["theirs"],
        });
        let spec = json!({
            "ingressClassName": "skipper",
            "tls": [{"hosts": ["app.example.com"], "secretName": "tls"}],
            "rules": [
                {"host": "static.example.com"},
                {"host": "app.example.com", "http": {"paths": [path("/", "podinfo"), path("/other", "other")]}},
            ],
        });
        objects.insert(&Ingresses::kind(), json!({"metadata": metadata, "spec": spec}));
        Self { router: Skipper::new(objects.clone()), objects, route }
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

    fn find(&self, name: &str) -> Option<Value> {
        self.objects.read(&Ingresses::kind(), "test", name)
    }

    fn copy(&self) -> Value {
        self.find("web-canary").unwrap()
    }

    /// Both annotations of ours.
    fn annotations(&self) -> (String, String) {
        let copy = self.copy();
        let text = |key: &str| copy["metadata"]["annotations"][key].as_str().unwrap_or_default().to_owned();
        (text("zalando.org/backend-weights"), text("zalando.org/skipper-predicate"))
    }

    /// Edits an Ingress behind the router's back.
    fn edit(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut object = self.find(name).unwrap();
        change(&mut object);
        self.objects.insert(&Ingresses::kind(), object);
    }
}

fn canary(percent: i64) -> Weights {
    Weights::canary(Weight::new(percent).unwrap())
}

fn path(path: &str, service: &str) -> Value {
    json!({"path": path, "pathType": "Prefix", "backend": {"service": {"name": service, "port": {"number": 80}}}})
}

#[tokio::test]
async fn the_copy_leads_to_both_versions_and_the_users_ingress_stays_as_it_is() {
    let mesh = Mesh::new();
    let before = mesh.find("web");
    mesh.reconcile().await;
    assert_eq!(mesh.find("web"), before);
    let mut copy = mesh.copy();
    copy["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    let paths = [path("/", "podinfo-primary"), path("/other", "other"), path("/", "podinfo-canary")];
    assert_eq!(
        copy,
        json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {
                "name": "web-canary",
                "namespace": "test",
                "labels": {"app": "podinfo"},
                "annotations": {
                    "example.com/note": "kept",
                    "zalando.org/backend-weights": r#"{"podinfo-canary":0,"podinfo-primary":100}"#,
                    "zalando.org/skipper-predicate": "Weight(100) && Traffic(1)",
                },
                "ownerReferences": [{
                    "apiVersion": "flagger.app/v1beta1", "kind": "Canary", "name": "podinfo", "uid": "1234",
                    "controller": true, "blockOwnerDeletion": true,
                }],
            },
            "spec": {
                "ingressClassName": "skipper",
                "tls": [{"hosts": ["app.example.com"], "secretName": "tls"}],
                "rules": [{"host": "static.example.com"}, {"host": "app.example.com", "http": {"paths": paths}}],
            },
        })
    );
}

#[tokio::test]
async fn weights_read_back_are_the_weights_written_and_a_repeated_call_writes_nothing() {
    let mesh = Mesh::reconciled().await;
    let before = mesh.copy();
    mesh.set(Weights::PRIMARY).await;
    assert_eq!(mesh.copy(), before);
    for percent in (1..=100).chain([0]) {
        mesh.set(canary(percent)).await;
        assert_eq!(mesh.weights().await, canary(percent));
        let shares = format!(r#"{{"podinfo-canary":{percent},"podinfo-primary":{}}}"#, 100 - percent);
        let lead = if percent == 0 { "False()" } else { "Weight(100)" };
        assert_eq!(mesh.annotations(), (shares, format!("{lead} && Traffic(1)")));
        let writes = mesh.objects.writes();
        mesh.set(canary(percent)).await;
        mesh.reconcile().await;
        assert_eq!(mesh.objects.writes(), writes);
    }
}

#[tokio::test]
async fn a_change_of_the_users_ingress_arrives_without_moving_weights() {
    let mesh = Mesh::reconciled().await;
    for percent in [30, 0] {
        mesh.set(canary(percent)).await;
        mesh.edit("web", |web| {
            web["spec"]["rules"][1]["http"]["paths"][0]["path"] = json!(format!("/{percent}"));
            web["metadata"]["annotations"]["zalando.org/skipper-filter"] = json!(format!("f({percent})"));
            web["metadata"]["annotations"]["zalando.org/skipper-predicate"] = json!(format!("P({percent})"));
        });
        mesh.edit("web-canary", |copy| copy["metadata"]["annotations"]["mine"] = json!("too"));
        mesh.reconcile().await;
        assert_eq!(mesh.weights().await, canary(percent));
        let lead = if percent == 0 { "False()" } else { "Weight(100)" };
        assert_eq!(mesh.annotations().1, format!("{lead} && P({percent})"));
        let copy = mesh.copy();
        assert_eq!(copy["metadata"]["annotations"]["zalando.org/skipper-filter"], format!("f({percent})"));
        assert_eq!(copy["metadata"]["annotations"]["mine"], "too");
        assert_eq!(copy["spec"]["rules"][1]["http"]["paths"][2]["path"], format!("/{percent}"));
    }
}

#[tokio::test]
async fn shares_set_by_hand_are_of_their_sum_and_a_copy_that_is_off_gets_nothing() {
    let mesh = Mesh::reconciled().await;
    let write = |shares: &str, predicate: &str| {
        mesh.edit("web-canary", |copy| {
            copy["metadata"]["annotations"]["zalando.org/backend-weights"] = json!(shares);
            copy["metadata"]["annotations"]["zalando.org/skipper-predicate"] = json!(predicate);
        });
    };
    let quarter = r#"{"podinfo-canary":1,"podinfo-primary":3}"#;
    for (predicate, percent) in [("Weight(100) && Traffic(1)", 25), ("", 25), ("Traffic(1) && False()", 0)] {
        write(quarter, predicate);
        assert_eq!(mesh.weights().await, canary(percent), "{predicate}");
        mesh.reconcile().await;
        assert_eq!((mesh.weights().await, mesh.annotations().0.as_str()), (canary(percent), quarter));
    }
    let broken = [
        ("", "get backendWeights error: "),
        ("{", "get backendWeights error: "),
        (r#"{"podinfo-canary":5}"#, "could not get weights[primarySvcName]"),
        (r#"{"podinfo-primary":5}"#, "could not get weights[canarySvcName]"),
        (r#"{"podinfo-canary":0,"podinfo-primary":0}"#, "get backendWeights error: nothing has a share in "),
    ];
    for (shares, text) in broken {
        write(shares, "Weight(100)");
        let error = mesh.router.weights(&mesh.route).await.unwrap_err().to_string();
        assert!(error.starts_with(&format!("ingress web-canary.test {text}")), "{error}");
        mesh.reconcile().await;
        assert_eq!(mesh.weights().await, Weights::PRIMARY);
    }
}

#[tokio::test]
async fn an_ingress_without_annotations_or_without_the_service_is_no_reason_to_fall() {
    let mesh = Mesh::new();
    mesh.edit("web", |web| drop(web["metadata"].as_object_mut().unwrap().remove("annotations")));
    mesh.reconcile().await;
    assert_eq!(mesh.annotations().1, "Weight(100)");
    mesh.edit("web-canary", |copy| drop(copy["metadata"].as_object_mut().unwrap().remove("annotations")));
    mesh.set(canary(10)).await;
    assert_eq!(mesh.weights().await, canary(10));

    let mesh = Mesh::new();
    mesh.edit("web", |web| web["spec"]["rules"][1]["http"]["paths"] = json!([path("/", "other")]));
    let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
    assert_eq!(error.to_string(), "backend podinfo not found in ingress web");
    assert_eq!(mesh.find("web-canary"), None);
}

#[tokio::test]
async fn finalizing_removes_the_copy_only_and_may_be_repeated() {
    let mesh = Mesh::reconciled().await;
    let before = mesh.find("web");
    for _ in 0..2 {
        mesh.router.finalize(&mesh.route).await.unwrap();
        assert_eq!((mesh.find("web-canary"), mesh.find("web")), (None, before.clone()));
    }
    mesh.router.finalize(&RouteSpec::new("test", "podinfo", "podinfo")).await.unwrap();
}

#[tokio::test]
async fn refusals_name_the_object_and_what_was_tried() {
    let mut mesh = Mesh::new();
    assert_eq!(mesh.router.weights(&mesh.route).await.unwrap(), None);
    let error = mesh.router.set_weights(&mesh.route, canary(10)).await.unwrap_err();
    let absent =
        r#"ingress web-canary.test get query error: ingresses.networking.k8s.io "web-canary" not found"#;
    assert_eq!(error.to_string(), absent);
    mesh.objects.fail_next(Operation::Create, ObjectError::Unavailable("etcd is away".into()));
    let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
    assert_eq!(error.to_string(), "ingress web-canary.test create error: etcd is away");
    mesh.reconcile().await;

    mesh.objects.fail_next(Operation::Replace, ObjectError::Conflict("modified".into()));
    let error = mesh.router.set_weights(&mesh.route, canary(10)).await.unwrap_err();
    assert_eq!(error.to_string(), "ingress web-canary.test update error modified");
    assert!(matches!(error, RouterError::Api { conflict: true, .. }));

    mesh.objects.fail_next(Operation::Delete, ObjectError::Unavailable("etcd is away".into()));
    let error = mesh.router.finalize(&mesh.route).await.unwrap_err();
    assert_eq!(error.to_string(), "ingress web-canary.test unable to remove canary ingress: etcd is away");

    mesh.route.ingress = Some("absent".into());
    let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
    let absent = r#"apexIngress absent.test get query error: ingresses.networking.k8s.io "absent" not found"#;
    assert_eq!(error.to_string(), absent);
    mesh.route.ingress = None;
    let error = mesh.router.weights(&mesh.route).await.unwrap_err();
    assert_eq!(error.to_string(), "ingress selector is empty");
    assert_eq!(mesh.router.capabilities(), canary_core::Capabilities::default());
}
