//! The router on a Knative Service in memory, whose status says what the test wants it to say.

use std::sync::Arc;

use canary_core::{RouteSpec, Router, Weight, Weights};
use serde_json::{Value, json};

use super::{Knative, KnativeService};
use crate::{MemoryObjects, ObjectError, Operation};

/// A router, the object and its route.
struct Mesh {
    objects: Arc<MemoryObjects>,
    router: Knative,
    route: RouteSpec,
}

impl Mesh {
    /// With a Service of one revision that no rollout has touched.
    fn new() -> Self {
        let objects = Arc::new(MemoryObjects::new());
        objects.insert(
            &KnativeService::kind(),
            json!({
                "apiVersion": "serving.knative.dev/v1", "kind": "Service",
                "metadata": {"name": "podinfo", "namespace": "test", "annotations": {"theirs": "1"}},
                "spec": {"template": {"spec": {"containers": [{"image": "podinfo:1"}]}}},
                "status": {
                    "latestCreatedRevisionName": "podinfo-00001",
                    "traffic": [{"latestRevision": true, "revisionName": "podinfo-00001", "percent": 100}],
                    "url": "http://podinfo",
                },
            }),
        );
        let route = RouteSpec::new("test", "podinfo", "podinfo");
        Self { router: Knative::new(objects.clone()), objects, route }
    }

    /// With the first revision as the primary.
    async fn released(self) -> Self {
        self.router.reconcile(&self.route).await.unwrap();
        self
    }

    fn stored(&self) -> Value {
        self.objects.read(&KnativeService::kind(), "test", "podinfo").unwrap()
    }

    fn traffic(&self) -> Value {
        self.stored()["spec"]["traffic"].clone()
    }

    fn primary(&self) -> Value {
        self.stored()["metadata"]["annotations"]["flagger.app/primary-revision"].clone()
    }

    fn edit(&self, change: impl FnOnce(&mut Value)) {
        let mut object = self.stored();
        change(&mut object);
        self.objects.insert(&KnativeService::kind(), object);
    }

    async fn set(&self, percent: i64) {
        let weights = Weights::canary(Weight::new(percent).unwrap());
        self.router.set_weights(&self.route, weights).await.unwrap();
    }

    async fn weights(&self) -> Result<Option<String>, String> {
        let weights = self.router.weights(&self.route).await;
        weights.map(|w| w.map(|w| w.to_string())).map_err(|e| e.to_string())
    }
}

fn split(canary: i64, revision: &str) -> Value {
    json!([
        {"latestRevision": true, "percent": canary},
        {"revisionName": revision, "percent": 100 - canary},
    ])
}

#[tokio::test]
async fn the_first_revision_becomes_the_primary_and_is_held() {
    let mesh = Mesh::new();
    assert_eq!(mesh.weights().await, Ok(None));
    let mesh = mesh.released().await;
    assert_eq!(mesh.primary(), "podinfo-00001");
    assert_eq!(mesh.traffic(), split(0, "podinfo-00001"));
    let stored = mesh.stored();
    assert_eq!(stored["metadata"]["annotations"]["theirs"], "1");
    assert_eq!(stored["spec"]["template"]["spec"]["containers"][0]["image"], "podinfo:1");
    assert_eq!(stored["status"]["url"], "http://podinfo");

    let mesh = mesh.released().await;
    assert_eq!(mesh.objects.writes(), 1, "nothing was left to do");
}

#[tokio::test]
async fn weights_are_written_with_their_zeroes_and_only_once() {
    let mesh = Mesh::new().released().await;
    mesh.set(30).await;
    assert_eq!(mesh.traffic(), split(30, "podinfo-00001"));
    mesh.set(30).await;
    assert_eq!(mesh.objects.writes(), 2);
    mesh.set(100).await;
    assert_eq!(mesh.traffic(), split(100, "podinfo-00001"));
}

#[tokio::test]
async fn what_knative_does_counts_and_not_what_it_was_told() {
    let mesh = Mesh::new().released().await;
    assert_eq!(mesh.weights().await, Err("Knative Service podinfo.test traffic spec invalid".into()));
    for (traffic, expected) in [
        (split(0, "podinfo-00001"), "primary 100 canary 0"),
        (split(30, "podinfo-00001"), "primary 70 canary 30"),
        // Promoted, and not yet moved: the held revision is the old primary.
        (
            json!([
                {"latestRevision": true, "revisionName": "podinfo-00002", "percent": 50},
                {"revisionName": "podinfo-00000", "percent": 50},
            ]),
            "primary 50 canary 50",
        ),
        // A percentage that is left out is none, and an address has none.
        (
            json!([
                {"latestRevision": true},
                {"revisionName": "podinfo-00001", "percent": 100},
                {"revisionName": "podinfo-00000", "tag": "old"},
            ]),
            "primary 100 canary 0",
        ),
    ] {
        mesh.edit(|service| service["status"]["traffic"] = traffic.clone());
        assert_eq!(mesh.weights().await, Ok(Some(expected.into())), "{traffic}");
    }
    for traffic in [
        json!([]),
        json!([{"latestRevision": true, "percent": 100}, {"revisionName": "podinfo-00000", "tag": "old"}]),
        json!([{"revisionName": "podinfo-00001", "percent": 100}]),
        json!([{"latestRevision": true, "percent": 0}, {"revisionName": "podinfo-00001", "percent": 0}]),
    ] {
        mesh.edit(|service| service["status"]["traffic"] = traffic.clone());
        assert!(mesh.weights().await.is_err(), "{traffic}");
    }
}

#[tokio::test]
async fn an_annotation_that_vanished_is_restored_from_the_traffic_and_not_from_the_latest_revision() {
    let mesh = Mesh::new().released().await;
    mesh.set(20).await;
    mesh.edit(|service| {
        service["status"]["latestCreatedRevisionName"] = "podinfo-00002".into();
        service["metadata"]["annotations"] = json!({});
    });
    mesh.set(30).await;
    assert_eq!(mesh.traffic(), split(30, "podinfo-00001"));
    let mesh = mesh.released().await;
    assert_eq!((mesh.primary(), mesh.traffic()), ("podinfo-00001".into(), split(30, "podinfo-00001")));
}

#[tokio::test]
async fn traffic_that_somebody_reset_goes_to_the_primary() {
    let mesh = Mesh::new().released().await;
    mesh.edit(|service| service["spec"]["traffic"] = json!([{"latestRevision": true, "percent": 100}]));
    let mesh = mesh.released().await;
    assert_eq!(mesh.traffic(), split(0, "podinfo-00001"));
}

#[tokio::test]
async fn addresses_of_revisions_stay_and_get_no_traffic() {
    let mesh = Mesh::new();
    let future = json!({"latestRevision": true, "tag": "next", "futureField": {"kept": []}});
    let old = json!({"revisionName": "podinfo-00000", "tag": "old", "percent": 100});
    mesh.edit(|service| service["spec"]["traffic"] = json!([future, old]));
    let mesh = mesh.released().await;
    // Traffic was held on that revision, so it is the primary; and it keeps its address.
    let mut expected = split(0, "podinfo-00000");
    expected
        .as_array_mut()
        .unwrap()
        .extend([future.clone(), json!({"revisionName": "podinfo-00000", "tag": "old"})]);
    mesh.set(0).await;
    assert_eq!(mesh.traffic(), expected);
    mesh.set(40).await;
    assert_eq!(mesh.traffic()[0]["percent"], 40);
    assert_eq!(mesh.traffic()[2], future);
}

#[tokio::test]
async fn giving_back_lets_traffic_follow_the_latest_revision_where_it_serves_anyway() {
    let mesh = Mesh::new().released().await;
    mesh.router.finalize(&mesh.route).await.unwrap();
    assert_eq!(mesh.stored()["metadata"]["annotations"], json!({"theirs": "1"}));
    assert_eq!(mesh.traffic(), json!([{"latestRevision": true, "percent": 100}]));
    let writes = mesh.objects.writes();
    mesh.router.finalize(&mesh.route).await.unwrap();
    assert_eq!(mesh.objects.writes(), writes);
}

#[tokio::test]
async fn giving_back_sends_nothing_to_a_revision_that_nobody_found_good() {
    let mesh = Mesh::new().released().await;
    mesh.edit(|service| service["status"]["latestCreatedRevisionName"] = "podinfo-00002".into());
    mesh.router.finalize(&mesh.route).await.unwrap();
    assert_eq!(mesh.primary(), Value::Null);
    assert_eq!(mesh.traffic(), split(0, "podinfo-00001"));
}

#[tokio::test]
async fn what_is_gone_needs_no_giving_back() {
    let mut mesh = Mesh::new();
    mesh.route.target = "absent".into();
    mesh.router.finalize(&mesh.route).await.unwrap();
    mesh.objects.uninstall(&KnativeService::kind());
    mesh.router.finalize(&mesh.route).await.unwrap();
    assert_eq!(mesh.objects.writes(), 0);
}

#[tokio::test]
async fn failures_have_flaggers_words() {
    let mesh = Mesh::new();
    let set = || mesh.router.set_weights(&mesh.route, Weights::PRIMARY);
    let error = set().await.unwrap_err();
    assert_eq!(error.to_string(), "Knative Service podinfo.test annotation not found");

    let fail = |operation| mesh.objects.fail_next(operation, ObjectError::Unavailable("down".into()));
    fail(Operation::Get);
    let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
    assert_eq!(error.to_string(), "Knative Service podinfo.test get query error: down");
    fail(Operation::Get);
    let error = mesh.router.weights(&mesh.route).await.unwrap_err();
    assert_eq!(error.to_string(), "service podinfo.test get query error: down");
    fail(Operation::Replace);
    let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
    assert_eq!(error.to_string(), "Knative Service podinfo.test update query error: down");

    mesh.router.reconcile(&mesh.route).await.unwrap();
    mesh.edit(|service| service["spec"]["traffic"] = json!([]));
    fail(Operation::Replace);
    assert_eq!(set().await.unwrap_err().to_string(), "Knative Service podinfo.test update query error down");

    let mut route = mesh.route.clone();
    route.target = "absent".into();
    let error = mesh.router.set_weights(&route, Weights::PRIMARY).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"Knative Service absent.test get query error: services.serving.knative.dev "absent" not found"#
    );
}

#[tokio::test]
async fn a_service_without_revisions_cannot_be_routed_yet() {
    let mesh = Mesh::new();
    mesh.edit(|service| drop(service.as_object_mut().unwrap().remove("status")));
    assert_eq!(mesh.weights().await, Ok(None));
    let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
    assert_eq!(error.to_string(), "Knative Service podinfo.test annotation not found");
    assert_eq!(mesh.objects.writes(), 0);
}
