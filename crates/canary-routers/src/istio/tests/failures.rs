//! How refusals of the API read, and that a conflict is left to the caller.

use canary_core::RouterError;

use super::*;
use crate::{ObjectError, Operation};

#[tokio::test]
async fn a_conflict_surfaces_and_the_next_call_succeeds() {
    let mesh = Mesh::new().reconciled().await;
    let message = "the object has been modified";
    mesh.objects.fail_next(Operation::Replace, ObjectError::Conflict(message.into()));
    let error = mesh.router.set_weights(&mesh.route, canary(10)).await.unwrap_err();
    assert_eq!(error.to_string(), format!("VirtualService podinfo.test update failed: {message}"));
    assert!(matches!(error, RouterError::Api { conflict: true, .. }));
    assert_eq!(mesh.weights().await, Weights::PRIMARY);

    mesh.set(canary(10)).await;
    assert_eq!(mesh.weights().await, canary(10));
}

#[tokio::test]
async fn an_object_created_meanwhile_is_a_conflict() {
    let mesh = Mesh::new();
    mesh.objects.fail_next(Operation::Create, ObjectError::AlreadyExists("already there".into()));
    let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
    assert_eq!(error.category(), "conflict");
    mesh.reconcile().await;
}

#[tokio::test]
async fn refusals_name_the_object_and_what_was_tried() {
    let refused = || ObjectError::Unavailable("etcd is away".into());
    let first = "reconcileDestinationRule failed: DestinationRule podinfo-canary.test";
    let mesh = Mesh::new();
    for (operation, what) in [(Operation::Get, "get query error"), (Operation::Create, "create error")] {
        mesh.objects.fail_next(operation, refused());
        let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
        assert_eq!(error.to_string(), format!("{first} {what}: etcd is away"));
        assert!(error.is_retryable());
    }
    mesh.reconcile().await;

    mesh.edit(|object| object["spec"]["hosts"] = json!([]));
    mesh.objects.fail_next(Operation::Replace, refused());
    let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
    let expected = "reconcileVirtualService failed: VirtualService podinfo.test update error: etcd is away";
    assert_eq!(error.to_string(), expected);

    mesh.objects.fail_next(Operation::Get, refused());
    let error = mesh.router.weights(&mesh.route).await.unwrap_err();
    assert_eq!(error.to_string(), "VirtualService podinfo.test get query error etcd is away");

    mesh.objects.fail_next(Operation::Get, refused());
    let error = mesh.router.finalize(&mesh.route).await.unwrap_err();
    assert_eq!(error.to_string(), "VirtualService podinfo.test get query error: etcd is away");
}

#[tokio::test]
async fn a_mesh_that_is_not_installed_is_named_by_its_crd() {
    let mesh = Mesh::new();
    mesh.objects.uninstall(&kind("v1beta1", "DestinationRule", "destinationrules"));
    let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
    assert!(matches!(error, RouterError::NotInstalled { .. }));
    let text = error.to_string();
    assert!(text.contains("the CRD destinationrules.networking.istio.io installed, with v1beta1"), "{text}");
}

#[tokio::test]
async fn a_missing_right_is_named_unless_the_api_did_so() {
    let mesh = Mesh::new();
    mesh.objects.fail_next(Operation::Get, ObjectError::Forbidden("no".into()));
    let error = mesh.router.weights(&mesh.route).await.unwrap_err();
    let lacks = r#"(the role of the controller lacks "get" on virtualservices.networking.istio.io)"#;
    assert_eq!(error.to_string(), format!("VirtualService podinfo.test get query error no {lacks}"));

    let named = "virtualservices.networking.istio.io is forbidden";
    mesh.objects.fail_next(Operation::Get, ObjectError::Forbidden(named.into()));
    let error = mesh.router.weights(&mesh.route).await.unwrap_err();
    assert_eq!(error.to_string(), format!("VirtualService podinfo.test get query error {named}"));
}

#[tokio::test]
async fn an_object_of_another_form_is_not_overwritten() {
    let mesh = Mesh::new().reconciled().await;
    mesh.edit(|object| object["spec"]["http"] = json!("none"));
    let (before, error) = (mesh.stored(), mesh.router.reconcile(&mesh.route).await.unwrap_err());
    assert_eq!(error.category(), "invalid");
    assert!(error.to_string().contains("VirtualService podinfo.test cannot be decoded"), "{error}");
    assert_eq!(mesh.stored(), before);
}

#[tokio::test]
async fn routes_to_neither_service_have_no_weights() {
    let mesh = Mesh::new();
    assert_eq!(mesh.router.weights(&mesh.route).await.unwrap(), None);
    mesh.reconcile().await;
    for http in [json!([]), json!([{"route": [{"destination": {"host": "podinfo"}, "weight": 100}]}])] {
        mesh.edit(|object| object["spec"]["http"] = http);
        let error = mesh.router.weights(&mesh.route).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "VirtualService podinfo.test does not contain routes for podinfo-primary and podinfo-canary"
        );
    }
}

#[tokio::test]
async fn weights_of_a_service_that_is_gone_cannot_be_set() {
    let mesh = Mesh::new();
    let error = mesh.router.set_weights(&mesh.route, canary(10)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"VirtualService podinfo.test get query error virtualservices.networking.istio.io "podinfo" not found"#
    );
}

#[tokio::test]
async fn a_delegate_with_hosts_or_gateways_is_refused() {
    for (hosts, gateways) in [(vec!["*".to_owned()], vec![]), (vec![], vec!["gw".to_owned()])] {
        let mesh = Mesh::new().with(|route| {
            route.delegation = true;
            (route.hosts, route.gateways) = (hosts, gateways);
        });
        let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "reconcileVirtualService failed: VirtualService podinfo.test cannot have hosts and gateways when \
             delegation enabled"
        );
        assert_eq!(error.category(), "unsupported");
    }
}
