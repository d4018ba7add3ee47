//! How refusals of the API read, and that a conflict is left to the caller.

use canary_core::RouterError;

use super::super::view::TrafficSplitSpec;
use super::*;
use crate::{ObjectError, Operation};

fn refused() -> ObjectError {
    ObjectError::Unavailable("etcd is away".into())
}

#[tokio::test]
async fn a_conflict_surfaces_and_the_next_call_succeeds() {
    let mesh = Mesh::new("v1alpha2").reconciled().await;
    mesh.objects.fail_next(Operation::Replace, ObjectError::Conflict("modified".into()));
    let error = mesh.router.set_weights(&mesh.route, canary(10)).await.unwrap_err();
    assert_eq!(error.to_string(), "TrafficSplit podinfo.test update error modified");
    assert!(matches!(error, RouterError::Api { conflict: true, .. }));
    assert_eq!(mesh.weights().await, Weights::PRIMARY);
    mesh.set(canary(10)).await;
    assert_eq!(mesh.weights().await, canary(10));
}

#[tokio::test]
async fn writes_are_conditional_on_what_was_read() {
    let mesh = Mesh::new("v1alpha2").reconciled().await;
    let place = mesh.router.place(&mesh.route);
    let live = place.existing::<TrafficSplitSpec>("").await.unwrap();
    mesh.objects.touch(&kind("v1alpha2"), "test", "podinfo");
    let error =
        mesh.router.write(&mesh.route, &live, TrafficSplitSpec::default(), "update: ").await.unwrap_err();
    assert_eq!(error.category(), "conflict");
}

#[tokio::test]
async fn refusals_name_the_object_and_what_was_tried() {
    let title = "TrafficSplit podinfo.test";
    let mesh = Mesh::new("v1alpha2");
    for (operation, what) in [(Operation::Get, "get query error"), (Operation::Create, "create error")] {
        mesh.objects.fail_next(operation, refused());
        let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
        assert_eq!(error.to_string(), format!("{title} {what}: etcd is away"));
        assert!(error.is_retryable());
    }
    mesh.reconcile().await;

    mesh.edit(|object| object["spec"]["service"] = json!("elsewhere"));
    mesh.objects.fail_next(Operation::Replace, refused());
    let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
    assert_eq!(error.to_string(), format!("{title} update error: etcd is away"));

    mesh.objects.fail_next(Operation::Get, refused());
    let error = mesh.router.weights(&mesh.route).await.unwrap_err();
    assert_eq!(error.to_string(), format!("{title} get query error etcd is away"));
}

#[tokio::test]
async fn a_mesh_that_is_not_installed_is_named_by_its_crd() {
    let mesh = Mesh::new("v1alpha2");
    mesh.objects.uninstall(&kind("v1alpha2"));
    let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
    assert!(matches!(error, RouterError::NotInstalled { .. }));
    let text = error.to_string();
    assert!(text.contains("the CRD trafficsplits.split.smi-spec.io installed, with v1alpha2"), "{text}");
    mesh.router.finalize(&mesh.route).await.unwrap();
}

#[tokio::test]
async fn a_missing_right_is_named() {
    let mesh = Mesh::new("v1alpha2").reconciled().await;
    mesh.objects.fail_next(Operation::Replace, ObjectError::Forbidden("no".into()));
    let error = mesh.router.set_weights(&mesh.route, canary(10)).await.unwrap_err();
    let lacks = r#"(the role of the controller lacks "update" on trafficsplits.split.smi-spec.io)"#;
    assert_eq!(error.to_string(), format!("TrafficSplit podinfo.test update error no {lacks}"));
}

#[tokio::test]
async fn a_split_without_weights_says_so_and_one_that_is_gone_cannot_be_set() {
    let mesh = Mesh::new("v1alpha2");
    assert_eq!(mesh.router.weights(&mesh.route).await.unwrap(), None);
    let error = mesh.router.set_weights(&mesh.route, canary(10)).await.unwrap_err();
    let absent =
        r#"TrafficSplit podinfo.test get query error trafficsplits.split.smi-spec.io "podinfo" not found"#;
    assert_eq!(error.to_string(), absent);

    mesh.reconcile().await;
    mesh.edit(|object| object["spec"] = spec(0, 0));
    let error = mesh.router.weights(&mesh.route).await.unwrap_err();
    let text = "TrafficSplit podinfo.test does not contain routes for podinfo-primary and podinfo-canary";
    assert_eq!(error.to_string(), text);
}

#[tokio::test]
async fn objects_of_another_form_are_not_overwritten() {
    let mesh = Mesh::new("v1alpha2").reconciled().await;
    mesh.edit(|object| object["spec"]["backends"] = json!("none"));
    let (before, error) = (mesh.stored(), mesh.router.reconcile(&mesh.route).await.unwrap_err());
    assert!(error.to_string().contains("TrafficSplit podinfo.test cannot be decoded"), "{error}");
    assert_eq!(error.category(), "invalid");
    assert_eq!(mesh.stored(), before);

    let mesh = Mesh::new("v1alpha2").found(&json!({"backends": []})).reconciled().await;
    mesh.edit(|object| object["metadata"]["annotations"][crate::takeover::ORIGINAL] = json!("{"));
    let error = mesh.router.finalize(&mesh.route).await.unwrap_err();
    assert_eq!(error.category(), "invalid");
}
