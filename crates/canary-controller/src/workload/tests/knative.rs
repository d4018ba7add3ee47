//! Knative Services as targets.

use std::sync::Arc;

use canary_core::{
    Instance, Readiness, Scale, Timestamp, Workload as _, WorkloadError, WorkloadSpec, WorkloadState,
};
use canary_routers::{KnativeService, MemoryObjects, ObjectError, Operation};
use serde_json::{Value, json};

use super::owner;
use crate::workload::KnativeServices;

struct Fixture {
    objects: Arc<MemoryObjects>,
    spec: WorkloadSpec,
    initializing: bool,
}

impl Fixture {
    /// With a Service of one ready revision, and a canary that is new.
    fn new() -> Self {
        let objects = Arc::new(MemoryObjects::new());
        objects.insert(
            &KnativeService::kind(),
            json!({
                "metadata": {"name": "podinfo", "namespace": "test"},
                "spec": {"template": {"spec": {}}},
                "status": {"latestCreatedRevisionName": "podinfo-00001"},
            }),
        );
        let fixture =
            Self { objects, spec: WorkloadSpec::new("test", owner(), "podinfo"), initializing: true };
        fixture.put_revision("podinfo-00001", "True");
        fixture
    }

    /// With the first revision as the primary.
    async fn initialized(mut self) -> Self {
        self.knative().ensure_primary(&self.spec).await.unwrap();
        self.initializing = false;
        self
    }

    fn knative(&self) -> KnativeServices {
        KnativeServices::new(self.objects.clone(), self.initializing)
    }

    fn put_revision(&self, name: &str, ready: &str) {
        self.objects.insert(
            &KnativeService::revision_kind(),
            json!({
                "metadata": {"name": name, "namespace": "test", "generation": 1},
                "status": {"observedGeneration": 1, "conditions": [{"type": "Ready", "status": ready}]},
            }),
        );
    }

    /// Somebody applied another template, and Knative made a revision of it.
    fn latest(&self, name: &str) {
        let mut service = self.service();
        service["status"]["latestCreatedRevisionName"] = name.into();
        self.objects.insert(&KnativeService::kind(), service);
    }

    fn service(&self) -> Value {
        self.objects.read(&KnativeService::kind(), "test", "podinfo").unwrap()
    }

    fn primary(&self) -> Value {
        self.service()["metadata"]["annotations"]["flagger.app/primary-revision"].clone()
    }

    async fn observe(&self) -> Result<WorkloadState, WorkloadError> {
        self.knative().observe(&self.spec, Timestamp::UNIX_EPOCH).await
    }
}

fn waiting(text: &str) -> Instance {
    Instance { readiness: Readiness::Waiting(text.into()), available: 0 }
}

#[tokio::test]
async fn the_latest_revision_becomes_the_first_primary_and_gets_all_traffic() {
    let fixture = Fixture::new().initialized().await;
    assert_eq!(fixture.primary(), "podinfo-00001");
    assert_eq!(
        fixture.service()["spec"]["traffic"],
        json!([{"latestRevision": true, "percent": 0}, {"revisionName": "podinfo-00001", "percent": 100}])
    );
    let state = fixture.observe().await.unwrap();
    assert_eq!(state.target.revision, "5498f4fcd6", "Flagger's hash of that name");
    assert_eq!((state.target.configs, state.target.matches_primary), (None, true));
    assert_eq!((state.target.instance, state.primary), (Instance::ready(1), Some(Instance::ready(1))));
}

#[tokio::test]
async fn a_revision_that_is_not_ready_gets_no_traffic_at_first() {
    let fixture = Fixture::new();
    fixture.put_revision("podinfo-00001", "Unknown");
    fixture.knative().ensure_primary(&fixture.spec).await.unwrap();
    assert_eq!(fixture.objects.writes(), 0);
    let primary = fixture.observe().await.unwrap().primary.unwrap();
    assert_eq!(primary, waiting("Knative Revision podinfo-00001.test is not ready"));
}

#[tokio::test]
async fn the_annotation_of_an_earlier_canary_does_not_count_while_initializing() {
    let mut fixture = Fixture::new().initialized().await;
    fixture.put_revision("podinfo-00002", "True");
    fixture.latest("podinfo-00002");
    fixture.initializing = true;
    assert!(fixture.observe().await.unwrap().target.matches_primary);
    let fixture = fixture.initialized().await;
    assert_eq!(fixture.primary(), "podinfo-00002");
}

#[tokio::test]
async fn a_new_revision_is_the_canary_until_it_is_promoted() {
    let fixture = Fixture::new().initialized().await;
    fixture.latest("podinfo-00002");
    let state = fixture.observe().await.unwrap();
    assert!(!state.target.matches_primary);
    assert_eq!(state.primary, Some(Instance::ready(1)));
    let absent = "Knative Revision podinfo-00002.test get query error: revisions.serving.knative.dev \
                  \"podinfo-00002\" not found";
    assert_eq!(state.target.instance, waiting(absent));

    fixture.put_revision("podinfo-00002", "True");
    let state = fixture.observe().await.unwrap();
    assert_eq!(state.target.instance, Instance::ready(1));
    let traffic = fixture.service()["spec"]["traffic"].clone();
    fixture.knative().ensure_primary(&fixture.spec).await.unwrap();
    assert_eq!(fixture.primary(), "podinfo-00001");
    fixture.knative().promote(&fixture.spec, &state.target.revision).await.unwrap();
    assert_eq!(fixture.primary(), "podinfo-00002");
    assert_eq!(fixture.service()["spec"]["traffic"], traffic, "it is the router's");

    let writes = fixture.objects.writes();
    fixture.knative().promote(&fixture.spec, &state.target.revision).await.unwrap();
    fixture.knative().scale_target(&fixture.spec, Scale::Zero).await.unwrap();
    assert_eq!(fixture.objects.writes(), writes);
}

#[tokio::test]
async fn a_revision_that_was_not_analysed_is_not_promoted() {
    let fixture = Fixture::new().initialized().await;
    fixture.latest("podinfo-00003");
    let error = fixture.knative().promote(&fixture.spec, "5498f4fcd6").await.unwrap_err();
    assert_eq!(error.category(), "moved-on");
    assert_eq!(fixture.primary(), "podinfo-00001");
}

#[tokio::test]
async fn a_revision_counts_once_its_present_state_was_looked_at() {
    let fixture = Fixture::new();
    let mut revision =
        fixture.objects.read(&KnativeService::revision_kind(), "test", "podinfo-00001").unwrap();
    revision["metadata"]["generation"] = 2.into();
    fixture.objects.insert(&KnativeService::revision_kind(), revision);
    let state = fixture.observe().await.unwrap();
    assert_eq!(state.target.instance, waiting("Knative Revision podinfo-00001.test is not ready"));
}

#[tokio::test]
async fn failures_have_flaggers_words() {
    let mut fixture = Fixture::new();
    fixture.objects.fail_next(Operation::Get, ObjectError::Unavailable("down".into()));
    let error = fixture.observe().await.unwrap_err();
    assert_eq!(error.to_string(), "Knative Service podinfo.test get query error: down");
    fixture.objects.fail_next(Operation::Replace, ObjectError::Conflict("changed".into()));
    let error = fixture.knative().ensure_primary(&fixture.spec).await.unwrap_err();
    assert_eq!(error.to_string(), "Knative Service podinfo.test update query error: changed");
    assert_eq!(error.category(), "conflict");

    fixture.latest("");
    let error = fixture.observe().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Knative Service podinfo.test has no revision yet: status.latestCreatedRevisionName is empty"
    );
    fixture.spec.target = "absent".into();
    assert_eq!(fixture.observe().await.unwrap_err().category(), "missing");
}
