//! What is seen of Deployments.

use canary_core::{Instance, Readiness, RouteSpec, Timestamp, Workload as _, WorkloadError, WorkloadState};
use canary_routers::{ObjectError, Operation};
use serde_json::json;

use super::Fixture;
use crate::revision::is_own;
use crate::workload::ServedWorkload as _;
use crate::workload::source::Kind;

fn fixture() -> Fixture {
    Fixture::new(Kind::Deployment)
}

async fn observe(fixture: &Fixture) -> Result<WorkloadState, WorkloadError> {
    fixture.deployments().observe(&fixture.spec, Timestamp::UNIX_EPOCH).await
}

#[tokio::test]
async fn a_target_is_seen_with_its_revision_configs_and_pods() {
    let fixture = fixture();
    let state = observe(&fixture).await.unwrap();
    assert!(is_own(&state.target.revision));
    assert_eq!(state.target.instance, Instance::ready(2));
    let configs = state.target.configs.unwrap();
    assert_eq!(configs, [("configmap/settings".to_owned(), "241889ca0604e333".to_owned())].into());
    assert!(!state.target.matches_primary);
    assert_eq!(state.primary, None);
    assert_eq!(fixture.objects.writes(), 0);
}

#[tokio::test]
async fn the_primary_runs_the_target_until_the_target_changes() {
    let fixture = fixture();
    fixture.deployments().ensure_primary(&fixture.spec).await.unwrap();
    let primary = |id: &str| {
        let id = id.to_owned();
        move |object: &mut serde_json::Value| {
            object["spec"]["template"]["metadata"]["annotations"]["flagger-id"] = id.into();
        }
    };
    fixture.change("podinfo-primary", primary("drawn by Flagger"));
    assert!(observe(&fixture).await.unwrap().target.matches_primary);
    fixture.change("podinfo", |target| target["spec"]["replicas"] = 0.into());
    assert!(observe(&fixture).await.unwrap().target.matches_primary);
    fixture.put_config("blue");
    assert!(!observe(&fixture).await.unwrap().target.matches_primary);
    fixture.put_config("red");
    assert!(observe(&fixture).await.unwrap().target.matches_primary);
    fixture.change("podinfo", |target| target["spec"]["template"]["spec"]["hostNetwork"] = true.into());
    assert!(!observe(&fixture).await.unwrap().target.matches_primary);
}

#[tokio::test]
async fn unready_workloads_are_named() {
    let mut fixture = fixture();
    fixture.deployments().ensure_primary(&fixture.spec).await.unwrap();
    fixture.spec.target_ready_threshold = 50;
    fixture.change("podinfo", |target| target["status"]["availableReplicas"] = 0.into());
    fixture.change("podinfo-primary", |primary| {
        primary["status"] = json!({
            "observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 1,
            "conditions": [{"type": "Progressing", "reason": "ProgressDeadlineExceeded"}],
        });
    });
    let state = observe(&fixture).await.unwrap();
    assert_eq!(
        state.target.instance,
        Instance {
            readiness: Readiness::Waiting(
                "canary deployment podinfo.test not ready: waiting for rollout to finish: 0 of 1 (readyThreshold 50%) \
                 updated replicas are available"
                    .into()
            ),
            available: 0,
        }
    );
    assert_eq!(
        state.primary.unwrap(),
        Instance {
            readiness: Readiness::Stuck(
                "podinfo-primary.test not ready: deployment \"podinfo-primary\" exceeded its progress deadline".into()
            ),
            available: 1,
        }
    );
}

#[tokio::test]
async fn without_tracking_there_are_no_configs() {
    let mut fixture = fixture();
    fixture.settings.config_tracking = false;
    assert_eq!(observe(&fixture).await.unwrap().target.configs, None);
}

#[tokio::test]
async fn what_cannot_be_released_is_said_in_flaggers_words() {
    let fixture = fixture();
    fixture.change("podinfo", |target| target["spec"]["selector"]["matchLabels"] = json!({"run": "podinfo"}));
    assert_eq!(
        observe(&fixture).await.unwrap_err().to_string(),
        "getSelectorLabel failed: deployment podinfo.test spec.selector.matchLabels must contain one of [app name \
         app.kubernetes.io/name]"
    );
    let mut fixture = fixture;
    fixture.spec.target = "absent".into();
    let error = observe(&fixture).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "deployment absent.test get query error: deployments.apps \"absent\" not found"
    );
    assert_eq!(error.category(), "missing");
}

#[tokio::test]
async fn a_failure_to_read_is_an_error_and_not_an_absence() {
    let fixture = fixture();
    fixture.objects.fail_next(Operation::Get, ObjectError::Unavailable("down".into()));
    let error = observe(&fixture).await.unwrap_err();
    assert_eq!(
        (error.category(), error.to_string().as_str()),
        ("api", "deployment podinfo.test get query error: down")
    );
}

#[tokio::test]
async fn services_learn_selector_and_ports() {
    let fixture = fixture();
    let mut route = RouteSpec::new("test", "podinfo", "podinfo");
    route.port_discovery = true;
    let pods = fixture.deployments().pods(&fixture.spec, &route).await.unwrap();
    assert_eq!((pods.selector.key.as_str(), pods.selector.value.as_str()), ("app", "podinfo"));
    assert!(pods.ports.is_empty(), "its only port has the name of the route's own");
}
