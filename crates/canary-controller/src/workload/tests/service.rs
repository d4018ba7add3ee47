//! Core Services as targets.

use std::sync::Arc;

use canary_core::{Instance, Timestamp, Workload as _, WorkloadSpec, WorkloadState};
use canary_routers::{MemoryObjects, ObjectError, Operation};
use k8s_openapi::api::core::v1::Service;
use kube::core::ApiResource;
use serde_json::{Value, json};

use super::owner;
use crate::revision::is_own;
use crate::workload::ServiceTargets;

struct Fixture {
    objects: Arc<MemoryObjects>,
    spec: WorkloadSpec,
    distribution: Option<String>,
}

fn kind() -> ApiResource {
    ApiResource::erase::<Service>(&())
}

impl Fixture {
    /// With a Service as the API server stores it.
    fn new() -> Self {
        let objects = Arc::new(MemoryObjects::new());
        objects.insert(
            &kind(),
            json!({
                "apiVersion": "v1", "kind": "Service",
                "metadata": {
                    "name": "podinfo", "namespace": "test", "finalizers": ["service.kubernetes.io/load-balancer-cleanup"],
                    "labels": {"app": "podinfo", "kustomize.toolkit.fluxcd.io/name": "apps"},
                    "annotations": {"note": "mine", "kubectl.kubernetes.io/last-applied-configuration": "{}"},
                },
                "spec": {
                    "type": "NodePort", "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "externalIPs": ["1.2.3.4"],
                    "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "sessionAffinity": "None",
                    "selector": {"app": "podinfo", "version": "1"},
                    "ports": [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 9898, "nodePort": 30001}],
                },
                "status": {"loadBalancer": {}},
            }),
        );
        Self { objects, spec: WorkloadSpec::new("test", owner(), "podinfo"), distribution: None }
    }

    fn services(&self) -> ServiceTargets {
        ServiceTargets::new(self.objects.clone(), self.distribution.clone())
    }

    fn read(&self, name: &str) -> Value {
        self.objects.read(&kind(), "test", name).unwrap()
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut object = self.read(name);
        change(&mut object);
        self.objects.insert(&kind(), object);
    }

    /// Gives a copy its addresses, as the API server does.
    fn allocate(&self, name: &str, number: u32) {
        self.change(name, |copy| {
            copy["spec"]["clusterIP"] = format!("10.0.0.{number}").into();
            copy["spec"]["clusterIPs"] = json!([format!("10.0.0.{number}")]);
            copy["spec"]["ports"][0]["nodePort"] = (30_000 + number).into();
        });
    }

    async fn ensure(&self) {
        self.services().ensure_primary(&self.spec).await.unwrap();
    }

    /// With both copies, which have addresses of their own.
    async fn copied(self) -> Self {
        self.ensure().await;
        self.allocate("podinfo-canary", 2);
        self.allocate("podinfo-primary", 3);
        self
    }

    async fn observe(&self) -> WorkloadState {
        self.services().observe(&self.spec, Timestamp::UNIX_EPOCH).await.unwrap()
    }

    async fn promote(&self) {
        let revision = self.observe().await.target.revision;
        self.services().promote(&self.spec, &revision).await.unwrap();
    }
}

#[tokio::test]
async fn copies_take_the_target_over_but_not_its_addresses() {
    let fixture = Fixture::new();
    fixture.ensure().await;
    for name in ["podinfo-canary", "podinfo-primary"] {
        let mut copy = fixture.read(name);
        copy["metadata"].as_object_mut().unwrap().remove("resourceVersion");
        let expected = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {
                "name": name, "namespace": "test", "labels": {"app": "podinfo"}, "annotations": {"note": "mine"},
                "ownerReferences": [{
                    "apiVersion": "flagger.app/v1beta1", "kind": "Canary", "name": "podinfo", "uid": "uid-1",
                    "controller": true, "blockOwnerDeletion": true,
                }],
            },
            "spec": {
                "type": "NodePort", "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "sessionAffinity": "None",
                "selector": {"app": "podinfo", "version": "1"},
                "ports": [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 9898}],
            },
        });
        assert_eq!(copy, expected);
    }
}

#[tokio::test]
async fn copies_that_are_as_they_should_be_are_not_written() {
    let fixture = Fixture::new().copied().await;
    let writes = fixture.objects.writes();
    fixture.ensure().await;
    fixture.promote().await;
    assert_eq!(fixture.objects.writes(), writes);
}

#[tokio::test]
async fn the_canary_follows_the_target_and_the_primary_waits_for_its_promotion() {
    let fixture = Fixture::new().copied().await;
    let before = fixture.observe().await.target;
    assert!(is_own(&before.revision) && before.matches_primary);
    assert_eq!(before.configs, None);

    fixture.change("podinfo", |target| {
        target["spec"]["selector"]["version"] = "2".into();
        target["spec"]["ports"][0]["targetPort"] = 9999.into();
    });
    fixture.ensure().await;
    let after = fixture.observe().await.target;
    assert!(after.revision != before.revision && !after.matches_primary);
    assert_eq!(fixture.read("podinfo-canary")["spec"]["selector"]["version"], "2");
    assert_eq!(fixture.read("podinfo-canary")["spec"]["clusterIP"], "10.0.0.2");
    assert_eq!(fixture.read("podinfo-primary")["spec"]["selector"]["version"], "1");

    fixture.promote().await;
    let primary = fixture.read("podinfo-primary");
    assert_eq!(primary["spec"]["selector"], json!({"app": "podinfo", "version": "2"}));
    assert_eq!(primary["spec"]["clusterIP"], "10.0.0.3");
    let ports =
        json!([{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 9999, "nodePort": 30003}]);
    assert_eq!(primary["spec"]["ports"], ports);
    assert!(fixture.observe().await.target.matches_primary);
}

#[tokio::test]
async fn a_promotion_leaves_the_primary_its_owner_and_what_others_put_there() {
    let fixture = Fixture::new().copied().await;
    let owners = fixture.read("podinfo-primary")["metadata"]["ownerReferences"].clone();
    fixture.change("podinfo-primary", |copy| copy["metadata"]["labels"]["theirs"] = "1".into());
    fixture.change("podinfo", |target| {
        target["spec"]["selector"]["version"] = "2".into();
        target["metadata"]["labels"]["app"] = "renamed".into();
    });
    fixture.promote().await;
    let primary = fixture.read("podinfo-primary");
    assert_eq!(primary["metadata"]["ownerReferences"], owners);
    assert_eq!(primary["metadata"]["labels"], json!({"app": "renamed", "theirs": "1"}));
    assert_eq!(primary["metadata"]["annotations"], json!({"note": "mine"}));
}

#[tokio::test]
async fn what_only_one_service_can_have_is_no_revision() {
    let fixture = Fixture::new().copied().await;
    let revision = fixture.observe().await.target.revision;
    fixture.change("podinfo", |target| {
        target["spec"]["externalIPs"] = json!(["5.6.7.8"]);
        target["spec"]["ports"][0]["nodePort"] = 30009.into();
        target["spec"]["clusterIP"] = "10.0.0.9".into();
        target["spec"]["internalTrafficPolicy"] = "Cluster".into();
        target["metadata"]["labels"]["more"] = "labels".into();
    });
    assert_eq!(fixture.observe().await.target.revision, revision);
}

#[tokio::test]
async fn revisions_do_not_move_between_releases() {
    assert_eq!(Fixture::new().observe().await.target.revision, "v1-6ff9451db48c6c01");
}

#[tokio::test]
async fn a_service_may_become_an_alias_and_a_service_again() {
    let fixture = Fixture::new().copied().await;
    let original = fixture.read("podinfo")["spec"].clone();
    let alias = json!({"type": "ExternalName", "externalName": "one.example.com", "sessionAffinity": "None"});
    fixture.change("podinfo", |target| target["spec"] = alias.clone());
    fixture.ensure().await;
    fixture.promote().await;
    assert_eq!(fixture.read("podinfo-canary")["spec"], alias);
    assert_eq!(fixture.read("podinfo-primary")["spec"], alias);

    fixture.change("podinfo", |target| target["spec"] = original.clone());
    fixture.promote().await;
    let primary = fixture.read("podinfo-primary");
    assert_eq!(primary["spec"]["clusterIP"], Value::Null, "the API server gives it one");
    assert_eq!(primary["spec"]["selector"], original["selector"]);
}

#[tokio::test]
async fn copies_of_a_headless_service_are_headless() {
    let fixture = Fixture::new();
    fixture.change("podinfo", |target| {
        target["spec"]["type"] = "ClusterIP".into();
        target["spec"]["clusterIP"] = "None".into();
        target["spec"]["clusterIPs"] = json!(["None"]);
    });
    fixture.ensure().await;
    assert_eq!(fixture.read("podinfo-primary")["spec"]["clusterIP"], "None");
}

#[tokio::test]
async fn ports_for_health_checks_stay_with_their_load_balancer() {
    let fixture = Fixture::new();
    fixture.change("podinfo", |target| {
        target["spec"]["type"] = "LoadBalancer".into();
        target["spec"]["externalTrafficPolicy"] = "Local".into();
        target["spec"]["healthCheckNodePort"] = 31000.into();
    });
    fixture.ensure().await;
    assert_eq!(fixture.read("podinfo-primary")["spec"]["healthCheckNodePort"], Value::Null);
    fixture.change("podinfo-primary", |copy| copy["spec"]["healthCheckNodePort"] = 31001.into());
    fixture.change("podinfo", |target| target["spec"]["selector"]["version"] = "2".into());
    fixture.promote().await;
    assert_eq!(fixture.read("podinfo-primary")["spec"]["healthCheckNodePort"], 31001);
    fixture.change("podinfo", |target| target["spec"]["externalTrafficPolicy"] = "Cluster".into());
    fixture.promote().await;
    assert_eq!(fixture.read("podinfo-primary")["spec"]["healthCheckNodePort"], Value::Null);
}

#[tokio::test]
async fn the_canarys_traffic_distribution_wins() {
    let mut fixture = Fixture::new();
    fixture.change("podinfo", |target| target["spec"]["trafficDistribution"] = "PreferSameZone".into());
    fixture.distribution = Some("PreferSameNode".into());
    fixture.ensure().await;
    assert_eq!(fixture.read("podinfo-primary")["spec"]["trafficDistribution"], "PreferSameNode");
    assert!(fixture.observe().await.target.matches_primary);
}

#[tokio::test]
async fn a_revision_that_was_not_analysed_is_not_promoted() {
    let fixture = Fixture::new().copied().await;
    let writes = fixture.objects.writes();
    let error = fixture.services().promote(&fixture.spec, "v1-other").await.unwrap_err();
    assert_eq!(error.category(), "moved-on");
    assert_eq!(fixture.objects.writes(), writes);
}

#[tokio::test]
async fn a_primary_counts_as_ready_before_it_is_made() {
    let fixture = Fixture::new();
    assert_eq!(fixture.observe().await.primary, Some(Instance::ready(1)));
    assert!(fixture.observe().await.target.matches_primary, "it will be made of the target");
}

#[tokio::test]
async fn failures_have_flaggers_words() {
    let mut fixture = Fixture::new();
    let fail =
        |objects: &MemoryObjects, operation| objects.fail_next(operation, ObjectError::Invalid("odd".into()));
    fail(&fixture.objects, Operation::Create);
    let error = fixture.services().ensure_primary(&fixture.spec).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "reconcileCanaryService failed: creating service podinfo-canary.test query error: odd"
    );
    fixture.ensure().await;
    fixture.change("podinfo", |target| target["spec"]["selector"] = json!({}));
    fail(&fixture.objects, Operation::Replace);
    let error = fixture.services().ensure_primary(&fixture.spec).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "reconcileCanaryService failed: updating service podinfo-canary.test failed: odd"
    );
    fail(&fixture.objects, Operation::Replace);
    let revision = fixture.observe().await.target.revision;
    let error = fixture.services().promote(&fixture.spec, &revision).await.unwrap_err();
    assert_eq!(error.to_string(), "updating service podinfo-primary.test spec failed: odd");

    fixture.spec.target = "absent".into();
    let error = fixture.services().observe(&fixture.spec, Timestamp::UNIX_EPOCH).await.unwrap_err();
    assert_eq!(error.to_string(), r#"service absent.test get query error: services "absent" not found"#);
    assert_eq!(error.category(), "missing");
}
