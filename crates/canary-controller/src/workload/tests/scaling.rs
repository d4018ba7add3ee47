//! Taking a target down and bringing it up.

use canary_core::{Scale, Workload as _};
use canary_routers::{ObjectError, Operation};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::json;

use super::Fixture;
use crate::workload::source::Kind;

fn fixture() -> Fixture {
    Fixture::new(Kind::Deployment)
}

fn put_scaler(fixture: &Fixture, kind: &str, minimum: i64) {
    let metadata = json!({"name": "podinfo", "namespace": "test"});
    if kind == "ScaledObject" {
        let kind = GroupVersionKind::gvk("keda.sh", "v1alpha1", kind);
        let object = json!({"metadata": metadata, "spec": {"minReplicaCount": minimum}});
        fixture.objects.insert(&ApiResource::from_gvk_with_plural(&kind, "scaledobjects"), object);
    } else {
        let object = json!({"metadata": metadata, "spec": {"minReplicas": minimum}});
        fixture.objects.insert(&ApiResource::erase::<HorizontalPodAutoscaler>(&()), object);
    }
}

#[tokio::test]
async fn a_target_goes_down_once() {
    let fixture = fixture();
    let deployments = fixture.deployments();
    for expected in [1, 0] {
        let (result, writes) = fixture.writes_of(deployments.scale_target(&fixture.spec, Scale::Zero)).await;
        result.unwrap();
        assert_eq!((writes, &fixture.read("podinfo")["spec"]["replicas"]), (expected, &json!(0)));
    }
}

#[tokio::test]
async fn a_target_that_is_up_stays_as_it_is() {
    let fixture = fixture();
    let deployments = fixture.deployments();
    let (result, writes) = fixture.writes_of(deployments.scale_target(&fixture.spec, Scale::Up)).await;
    result.unwrap();
    assert_eq!(writes, 0);
}

#[tokio::test]
async fn a_target_comes_up_with_the_size_of_its_primary_or_of_its_autoscalers_minimum() {
    for (scaler, minimum, expected) in [
        (None, None, 4),
        (Some("HorizontalPodAutoscaler"), Some(3), 3),
        (Some("HorizontalPodAutoscaler"), Some(0), 1),
        (Some("HorizontalPodAutoscaler"), None, 1),
        (Some("ScaledObject"), Some(2), 2),
        (Some("ScaledObject"), None, 1),
        (Some("Other"), None, 1),
    ] {
        let mut fixture = fixture();
        fixture.deployments().ensure_primary(&fixture.spec).await.unwrap();
        fixture.change("podinfo-primary", |primary| primary["spec"]["replicas"] = 4.into());
        fixture.change("podinfo", |target| target["spec"]["replicas"] = 0.into());
        if let Some(kind) = scaler {
            fixture = fixture.with_autoscaler(kind);
            if let Some(minimum) = minimum {
                put_scaler(&fixture, kind, minimum);
            }
        }
        fixture.deployments().scale_target(&fixture.spec, Scale::Up).await.unwrap();
        assert_eq!(fixture.read("podinfo")["spec"]["replicas"], expected, "{scaler:?} {minimum:?}");
    }
}

#[tokio::test]
async fn a_target_without_primary_and_size_cannot_come_up() {
    let fixture = fixture();
    fixture.change("podinfo", |target| target["spec"]["replicas"] = 0.into());
    let error = fixture.deployments().scale_target(&fixture.spec, Scale::Up).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "deployment podinfo-primary.test get query error: deployments.apps \"podinfo-primary\" not found"
    );
}

#[tokio::test]
async fn a_target_that_changed_meanwhile_is_not_scaled() {
    let fixture = fixture();
    fixture.objects.fail_next(Operation::Merge, ObjectError::Conflict("modified".into()));
    let error = fixture.deployments().scale_target(&fixture.spec, Scale::Zero).await.unwrap_err();
    assert_eq!(
        (error.category(), error.to_string().as_str()),
        ("conflict", "deployment podinfo.test patch query error: modified")
    );
}
