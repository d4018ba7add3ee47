//! Primaries that somebody deleted.

use canary_core::Workload as _;
use canary_routers::{ObjectError, Objects as _, Operation};
use kube::core::ApiResource;
use serde_json::{Value, json};

use super::Fixture;
use crate::revision::revision;
use crate::workload::source::{Kind, SCALE_TO_ZERO, template_of};

const GOOD: &str = "ghcr.io/stefanprodan/podinfo:6.0.0";
const REJECTED: &str = "ghcr.io/stefanprodan/podinfo:6.0.1";

/// A target whose new image and config were rejected, and whose primary, with the good one, is gone. The config's copy is there.
async fn rejected(kind: Kind) -> Fixture {
    let mut fixture = Fixture::new(kind);
    fixture.change("podinfo", |target| target["metadata"]["uid"] = "target".into());
    ensure(&fixture).await.unwrap();
    let good = fixture.read("podinfo");
    fixture.spec.promoted = Some(revision(&good["spec"]["template"]));
    let kept = kept(kind, good["spec"]["template"].clone());
    fixture.objects.insert(&kind.past(), kept);
    gone(&fixture, &kind.resource(), "podinfo-primary").await;
    fixture.change("podinfo", |target| {
        target["spec"]["template"]["spec"]["containers"][0]["image"] = REJECTED.into();
        match kind {
            Kind::Deployment => target["spec"]["replicas"] = 0.into(),
            Kind::DaemonSet => {
                target["spec"]["template"]["spec"]["nodeSelector"] = json!({SCALE_TO_ZERO: "true"});
            }
        }
    });
    fixture.put_config("blue");
    fixture
}

/// What the target's controller keeps of that template.
fn kept(kind: Kind, mut template: Value) -> Value {
    let owners = json!([{"apiVersion": "apps/v1", "kind": "Any", "name": "podinfo", "uid": "target", "controller": true}]);
    let metadata = json!({"name": "podinfo-1", "namespace": "test", "ownerReferences": owners});
    match kind {
        Kind::Deployment => {
            template["metadata"]["labels"]["pod-template-hash"] = "5b4c".into();
            json!({"metadata": metadata, "spec": {"replicas": 0, "template": template}})
        }
        Kind::DaemonSet => {
            template["$patch"] = "replace".into();
            template["spec"]["nodeSelector"] = json!({SCALE_TO_ZERO: "true"});
            json!({"metadata": metadata, "revision": 1, "data": {"spec": {"template": template}}})
        }
    }
}

async fn gone(fixture: &Fixture, kind: &ApiResource, name: &str) {
    fixture.objects.delete(kind, "test", name).await.unwrap();
}

async fn ensure(fixture: &Fixture) -> Result<(), String> {
    let made = match fixture.kind {
        Kind::Deployment => fixture.deployments().ensure_primary(&fixture.spec).await,
        Kind::DaemonSet => fixture.daemon_sets().ensure_primary(&fixture.spec).await,
    };
    made.map_err(|error| error.to_string())
}

fn image(fixture: &Fixture) -> Value {
    fixture.read("podinfo-primary")["spec"]["template"]["spec"]["containers"][0]["image"].clone()
}

#[tokio::test]
async fn a_primary_that_somebody_deleted_gets_the_promoted_template_and_config_again() {
    for kind in [Kind::Deployment, Kind::DaemonSet] {
        let fixture = rejected(kind).await;
        ensure(&fixture).await.unwrap();
        assert_eq!(image(&fixture), GOOD, "{kind:?}");
        let primary = fixture.read("podinfo-primary");
        assert_eq!(
            primary["spec"]["template"]["metadata"]["labels"],
            json!({"app": "podinfo-primary"}),
            "{kind:?}"
        );
        assert_eq!(template_of(kind, &primary)["spec"]["nodeSelector"], Value::Null, "{kind:?}");
        assert_eq!(fixture.config_copy(), json!({"color": "red"}), "{kind:?}");
    }
}

#[tokio::test]
async fn a_config_of_the_promoted_template_is_copied_again_where_its_copy_is_gone_too() {
    let fixture = rejected(Kind::Deployment).await;
    gone(&fixture, &super::config_kind(), "settings-primary").await;
    ensure(&fixture).await.unwrap();
    assert_eq!(fixture.config_copy(), json!({"color": "blue"}));
}

#[tokio::test]
async fn a_primary_whose_template_is_kept_nowhere_is_made_of_what_the_target_is() {
    let fixture = rejected(Kind::Deployment).await;
    gone(&fixture, &Kind::Deployment.past(), "podinfo-1").await;
    ensure(&fixture).await.unwrap();
    assert_eq!(image(&fixture), REJECTED);
}

#[tokio::test]
async fn templates_of_others_are_not_taken() {
    let fixture = rejected(Kind::Deployment).await;
    let mut other = fixture.objects.read(&Kind::Deployment.past(), "test", "podinfo-1").unwrap();
    other["metadata"]["ownerReferences"][0]["uid"] = "another".into();
    fixture.objects.insert(&Kind::Deployment.past(), other);
    ensure(&fixture).await.unwrap();
    assert_eq!(image(&fixture), REJECTED);
}

#[tokio::test]
async fn a_role_without_the_right_to_look_back_does_not_keep_a_primary_away_and_a_failure_does() {
    let fixture = rejected(Kind::Deployment).await;
    fixture.objects.fail_next(Operation::List, ObjectError::Unavailable("etcd is away".into()));
    assert_eq!(
        ensure(&fixture).await.unwrap_err(),
        "createPrimaryDeployment failed: replicasets list query error: etcd is away"
    );
    fixture.objects.fail_next(Operation::List, ObjectError::Forbidden("no".into()));
    ensure(&fixture).await.unwrap();
    assert_eq!(image(&fixture), REJECTED);
}

#[tokio::test]
async fn a_target_that_is_what_was_promoted_is_not_looked_for_elsewhere() {
    let mut fixture = Fixture::new(Kind::Deployment);
    fixture.spec.promoted = Some(revision(&fixture.read("podinfo")["spec"]["template"]));
    fixture.objects.fail_next(Operation::List, ObjectError::Unavailable("must not be asked".into()));
    ensure(&fixture).await.unwrap();
}
