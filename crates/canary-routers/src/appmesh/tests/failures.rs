//! How refusals of the API read, and that a conflict is left to the caller.

use canary_core::RouterError;

use super::*;
use crate::{ObjectError, Operation};

fn refused() -> ObjectError {
    ObjectError::Unavailable("etcd is away".into())
}

#[tokio::test]
async fn a_conflict_surfaces_and_the_next_call_succeeds() {
    for version in BOTH {
        let mesh = Mesh::new(version).reconciled().await;
        mesh.objects.fail_next(Operation::Replace, ObjectError::Conflict("modified".into()));
        let error = mesh.router.set_weights(&mesh.route, canary(10)).await.unwrap_err();
        let (of, name) = mesh.apex();
        assert_eq!(error.to_string(), format!("{of} {name} update error: modified"));
        assert!(matches!(error, RouterError::Api { conflict: true, .. }));
        mesh.set(canary(10)).await;
        assert_eq!(mesh.weights().await, canary(10));
    }
}

#[tokio::test]
async fn refusals_name_the_object_and_what_was_tried() {
    let mesh = Mesh::new("v1beta1").with(|route| route.owner = None); // the first read is the node's
    for (operation, text) in [
        (Operation::Get, "VirtualNode podinfo get query error etcd is away"),
        (Operation::Create, "VirtualNode podinfo.test create error etcd is away"),
    ] {
        mesh.objects.fail_next(operation, refused());
        let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
        assert_eq!(error.to_string(), format!("reconcileVirtualNode failed: {text}"));
        assert!(error.is_retryable());
    }
    mesh.reconcile().await;
    for (name, version) in
        [("podinfo", "v1beta2"), ("podinfo-canary", "v1beta2"), ("podinfo.test", "v1beta1")]
    {
        let mesh = Mesh::new(version).reconciled().await;
        let (of, _) = mesh.apex();
        mesh.edit(of, name, |object| object["spec"]["routes"] = json!([]));
        mesh.objects.fail_next(Operation::Replace, refused());
        let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
        let what =
            if name == "podinfo-canary" { "reconcileVirtualRouter" } else { "reconcileVirtualService" };
        assert_eq!(error.to_string(), format!("{what} failed: {of} {name} update error: etcd is away"));
    }
}

#[tokio::test]
async fn a_mesh_that_is_not_installed_is_named_by_its_crd() {
    for (version, missing, crd) in [
        ("v1beta1", "VirtualNode", "virtualnodes.appmesh.k8s.aws"),
        ("v1beta2", "VirtualRouter", "virtualrouters.appmesh.k8s.aws"),
    ] {
        let mesh = Mesh::new(version);
        mesh.objects.uninstall(&kind(version, missing));
        let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
        assert!(matches!(error, RouterError::NotInstalled { .. }));
        assert!(error.to_string().contains(&format!("the CRD {crd} installed, with {version}")), "{error}");
        mesh.router.finalize(&mesh.route).await.unwrap();
    }
}

#[tokio::test]
async fn a_missing_right_is_named() {
    let mesh = Mesh::new("v1beta2").reconciled().await;
    mesh.objects.fail_next(Operation::Get, ObjectError::Forbidden("no".into()));
    let error = mesh.router.weights(&mesh.route).await.unwrap_err();
    let lacks = r#"(the role of the controller lacks "get" on virtualrouters.appmesh.k8s.aws)"#;
    assert_eq!(error.to_string(), format!("VirtualRouter podinfo get query error: no {lacks}"));
}

#[tokio::test]
async fn routes_to_neither_node_have_no_weights() {
    for (version, object) in [("v1beta1", "VirtualService"), ("v1beta2", "VirtualRouter")] {
        let mesh = Mesh::new(version);
        assert_eq!(mesh.router.weights(&mesh.route).await.unwrap(), None);
        assert!(mesh.router.set_weights(&mesh.route, canary(10)).await.is_err());
        mesh.reconcile().await;
        let (of, name) = mesh.apex();
        mesh.edit(of, name, |object| object["spec"]["routes"] = json!([]));
        let error = mesh.router.weights(&mesh.route).await.unwrap_err();
        assert_eq!(error.to_string(), format!("{object} routes {name} not found"));
    }
}

#[tokio::test]
async fn what_a_node_needs_is_asked_for() {
    for name in [None, Some(String::new())] {
        let mesh = Mesh::new("v1beta1").with(|route| route.mesh_name = name);
        let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
        assert_eq!(error.to_string(), "mesh name cannot be empty");
    }
    let mesh = Mesh::new("v1beta2").with(|route| route.selector = None);
    let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
    let text = "VirtualNode podinfo-primary cannot select pods: their label is not known";
    assert_eq!(error.to_string(), format!("reconcileVirtualNode failed: {text}"));
}
