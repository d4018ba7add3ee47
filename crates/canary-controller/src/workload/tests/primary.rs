//! Creating and promoting primaries.

use canary_core::{Workload as _, WorkloadError};
use canary_routers::{ObjectError, Operation};
use serde_json::{Value, json};

use super::Fixture;
use crate::revision::revision;
use crate::workload::source::Kind;

fn fixture() -> Fixture {
    Fixture::new(Kind::Deployment)
}

/// The primary that Flagger makes of the target, but for the id of its pods.
fn expected(image: &str, config: &str) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "podinfo-primary", "namespace": "test",
            "annotations": {"owner": "web"},
            "labels": {"app": "podinfo-primary"},
            "ownerReferences": [{
                "apiVersion": "flagger.app/v1beta1", "kind": "Canary", "name": "podinfo", "uid": "uid-1",
                "controller": true, "blockOwnerDeletion": true,
            }],
        },
        "spec": {
            "minReadySeconds": 1, "progressDeadlineSeconds": 60, "replicas": 2, "revisionHistoryLimit": 5,
            "selector": {"matchLabels": {"app": "podinfo-primary"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}},
            "template": {
                "metadata": {"annotations": {"prometheus.io/scrape": "true"}, "labels": {"app": "podinfo-primary"}},
                "spec": {
                    "containers": [{
                        "name": "podinfod", "image": image,
                        "envFrom": [{"configMapRef": {"name": config}}],
                        "ports": [{"name": "http", "containerPort": 9898, "protocol": "TCP"}],
                    }],
                    "restartPolicy": "Always",
                },
            },
        },
    })
}

/// The primary and the id of its pods.
fn primary(fixture: &Fixture) -> (Value, String) {
    let mut object = fixture.read("podinfo-primary");
    let annotations = object["spec"]["template"]["metadata"]["annotations"].as_object_mut().unwrap();
    let id = annotations.remove("flagger-id").unwrap();
    (object, id.as_str().unwrap().to_owned())
}

fn image_of(fixture: &Fixture, tag: &str) -> String {
    let image = format!("ghcr.io/stefanprodan/podinfo:{tag}");
    fixture.change("podinfo", |target| {
        target["spec"]["template"]["spec"]["containers"][0]["image"] = image.as_str().into();
    });
    image
}

fn revision_of(fixture: &Fixture) -> String {
    revision(&fixture.read("podinfo")["spec"]["template"])
}

async fn promote(fixture: &Fixture) -> Result<(), WorkloadError> {
    fixture.deployments().promote(&fixture.spec, &revision_of(fixture)).await
}

#[tokio::test]
async fn a_primary_is_made_as_flagger_makes_it_and_once() {
    let fixture = fixture();
    let deployments = fixture.deployments();
    let (result, writes) = fixture.writes_of(deployments.ensure_primary(&fixture.spec)).await;
    result.unwrap();
    assert_eq!(writes, 2, "the config and the workload");
    let (object, id) = primary(&fixture);
    assert_eq!(object, expected("ghcr.io/stefanprodan/podinfo:6.0.0", "settings-primary"));
    assert_eq!(id.len(), 36);
    assert_eq!(fixture.config_copy(), json!({"color": "red"}));
    let (_, writes) = fixture.writes_of(deployments.ensure_primary(&fixture.spec)).await;
    assert_eq!(writes, 0);
}

#[tokio::test]
async fn flags_choose_the_selector_the_labels_and_whether_configs_are_copied() {
    let mut fixture = fixture();
    fixture.settings.selector_labels = vec!["team".into(), "app".into()];
    fixture.settings.include_label_prefix = vec!["team".into(), "example.com/".into()];
    fixture.settings.config_tracking = false;
    fixture.change("podinfo", |target| {
        target["metadata"]["labels"] =
            json!({"app": "podinfo", "example.com/a": "1", "other": "x", "team": "web"});
        target["metadata"]["annotations"] = json!({"example.com/b": "2", "other": "y", "team": "web"});
        target["spec"]["selector"]["matchLabels"]["team"] = "web".into();
        target["spec"]["template"]["metadata"]["labels"]["team"] = "web".into();
    });
    fixture.deployments().ensure_primary(&fixture.spec).await.unwrap();
    let (created, _) = primary(&fixture);
    assert_eq!(created["metadata"]["labels"], json!({"example.com/a": "1", "team": "web-primary"}));
    assert_eq!(
        created["metadata"]["annotations"],
        json!({"example.com/b": "2", "other": "y", "team": "web"})
    );
    assert_eq!(created["spec"]["selector"], json!({"matchLabels": {"team": "web-primary"}}));
    let pods = &created["spec"]["template"];
    assert_eq!(pods["metadata"]["labels"], json!({"app": "podinfo", "team": "web-primary"}));
    assert_eq!(pods["spec"]["containers"][0]["envFrom"][0]["configMapRef"]["name"], "settings");

    promote(&fixture).await.unwrap();
    let (promoted, _) = primary(&fixture);
    assert_eq!(promoted["metadata"]["labels"], json!({"example.com/a": "1", "team": "web-primary"}));
    assert_eq!(promoted["metadata"]["annotations"], json!({"example.com/b": "2", "team": "web"}));
}

#[tokio::test]
async fn a_primary_that_cannot_be_read_is_not_taken_for_one_that_exists() {
    let fixture = fixture();
    fixture.objects.fail_next(Operation::Get, ObjectError::Unavailable("down".into()));
    let error = fixture.deployments().ensure_primary(&fixture.spec).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "createPrimaryDeployment failed: deployment podinfo-primary.test get query error: down"
    );
}

#[tokio::test]
async fn a_target_at_rest_is_copied_with_one_pod() {
    let fixture = fixture();
    fixture.change("podinfo", |target| target["spec"]["replicas"] = 0.into());
    fixture.deployments().ensure_primary(&fixture.spec).await.unwrap();
    assert_eq!(primary(&fixture).0["spec"]["replicas"], 1);
}

#[tokio::test]
async fn a_promotion_copies_template_and_size_and_wipes_annotations_as_flagger_does() {
    let fixture = fixture();
    fixture.deployments().ensure_primary(&fixture.spec).await.unwrap();
    fixture.change("podinfo-primary", |primary| {
        primary["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "1".into();
        primary["metadata"]["labels"]["theirs"] = "1".into();
        primary["futureField"] = json!({"kept": true});
    });
    let image = image_of(&fixture, "6.0.1");
    fixture.change("podinfo", |target| {
        target["spec"]["replicas"] = 5.into();
        target["spec"]["minReadySeconds"] = 9.into();
        target["spec"].as_object_mut().unwrap().remove("revisionHistoryLimit");
    });
    let before = primary(&fixture).1;
    promote(&fixture).await.unwrap();
    let (promoted, after) = primary(&fixture);
    let mut wanted = expected(&image, "settings-primary");
    wanted["metadata"]["annotations"] = json!({"deployment.kubernetes.io/revision": "1"});
    wanted["futureField"] = json!({"kept": true});
    wanted["spec"]["replicas"] = 5.into();
    wanted["spec"]["minReadySeconds"] = 9.into();
    wanted["spec"].as_object_mut().unwrap().remove("revisionHistoryLimit");
    assert_eq!(promoted, wanted);
    assert_ne!(before, after);
}

#[tokio::test]
async fn a_promotion_that_is_done_again_writes_nothing() {
    let fixture = fixture();
    fixture.deployments().ensure_primary(&fixture.spec).await.unwrap();
    image_of(&fixture, "6.0.1");
    promote(&fixture).await.unwrap();
    // As the API server and the Deployment controller leave it.
    fixture.change("podinfo-primary", |primary| {
        primary["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "2".into();
        primary["spec"]["template"]["metadata"]["creationTimestamp"] = Value::Null;
        primary["spec"]["template"]["spec"]["dnsPolicy"] = "ClusterFirst".into();
        primary["status"] = json!({"observedGeneration": 2});
    });
    let (result, writes) = fixture.writes_of(promote(&fixture)).await;
    result.unwrap();
    assert_eq!(writes, 0);
}

#[tokio::test]
async fn a_changed_config_restarts_the_primary_although_its_template_is_the_same() {
    let fixture = fixture();
    fixture.deployments().ensure_primary(&fixture.spec).await.unwrap();
    let before = primary(&fixture).1;
    fixture.put_config("green");
    promote(&fixture).await.unwrap();
    assert_eq!(fixture.config_copy(), json!({"color": "green"}));
    assert_ne!(primary(&fixture).1, before);
}

#[tokio::test]
async fn the_size_of_the_primary_is_its_autoscalers_if_it_has_one() {
    let fixture = fixture().with_autoscaler("HorizontalPodAutoscaler");
    fixture.deployments().ensure_primary(&fixture.spec).await.unwrap();
    fixture.change("podinfo", |target| target["spec"]["replicas"] = 5.into());
    image_of(&fixture, "6.0.1");
    promote(&fixture).await.unwrap();
    assert_eq!(primary(&fixture).0["spec"]["replicas"], 2);
}

#[tokio::test]
async fn a_target_at_rest_does_not_take_the_primary_down() {
    let fixture = fixture();
    fixture.deployments().ensure_primary(&fixture.spec).await.unwrap();
    fixture.change("podinfo", |target| target["spec"]["replicas"] = 0.into());
    image_of(&fixture, "6.0.1");
    promote(&fixture).await.unwrap();
    assert_eq!(primary(&fixture).0["spec"]["replicas"], 2);
}

#[tokio::test]
async fn another_revision_than_the_analysed_one_is_not_promoted() {
    let fixture = fixture();
    fixture.deployments().ensure_primary(&fixture.spec).await.unwrap();
    let analysed = revision_of(&fixture);
    image_of(&fixture, "6.0.2");
    fixture.put_config("green");
    let deployments = fixture.deployments();
    let (result, writes) = fixture.writes_of(deployments.promote(&fixture.spec, &analysed)).await;
    assert_eq!(result.unwrap_err().category(), "moved-on");
    assert_eq!(writes, 0, "nor are its configs");
}

#[tokio::test]
async fn conflicts_are_the_callers_to_decide_again() {
    let fixture = fixture();
    fixture.deployments().ensure_primary(&fixture.spec).await.unwrap();
    image_of(&fixture, "6.0.1");
    fixture.objects.fail_next(Operation::Replace, ObjectError::Conflict("modified".into()));
    let error = promote(&fixture).await.unwrap_err();
    assert_eq!(error.category(), "conflict");
    assert_eq!(error.to_string(), "updating deployment podinfo-primary.test template spec failed: modified");
}

#[tokio::test]
async fn a_promotion_does_not_create_a_primary() {
    let error = promote(&fixture()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "updating deployment podinfo-primary.test template spec failed: deployment podinfo-primary.test get query \
         error: deployments.apps \"podinfo-primary\" not found"
    );
}
