//! How refusals read, and that a conflict is left to the caller.

use super::*;

#[tokio::test]
async fn refusals_name_the_object_and_what_was_tried() {
    let mesh = Mesh::new("");
    assert_eq!(mesh.router.weights(&mesh.route).await.unwrap(), None);
    let error = mesh.router.set_weights(&mesh.route, canary(10)).await.unwrap_err();
    let absent = r#"HTTPProxy podinfo.test query error: httpproxies.projectcontour.io "podinfo" not found"#;
    assert_eq!(error.to_string(), absent);
    mesh.objects.fail_next(Operation::Create, ObjectError::Invalid("no such field".into()));
    let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
    assert_eq!(error.to_string(), "HTTPProxy podinfo.test create error: no such field");
    mesh.reconcile().await;

    mesh.objects.fail_next(Operation::Replace, ObjectError::Conflict("modified".into()));
    let error = mesh.router.set_weights(&mesh.route, canary(10)).await.unwrap_err();
    assert_eq!(error.to_string(), "HTTPProxy podinfo.test update error: modified");
    assert!(matches!(error, RouterError::Api { conflict: true, .. }));

    mesh.objects.fail_next(Operation::Get, ObjectError::Unavailable("etcd is away".into()));
    let error = mesh.router.weights(&mesh.route).await.unwrap_err();
    assert_eq!(error.to_string(), "HTTPProxy podinfo.test get query error etcd is away");

    mesh.objects.fail_next(Operation::Get, ObjectError::Forbidden("no".into()));
    let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
    let lacks = r#"(the role of the controller lacks "get" on httpproxies.projectcontour.io)"#;
    assert_eq!(error.to_string(), format!("HTTPProxy podinfo.test get query error: no {lacks}"));

    mesh.objects.uninstall(&kind());
    let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
    assert!(
        error.to_string().contains("the CRD httpproxies.projectcontour.io installed, with v1"),
        "{error}"
    );
    mesh.router.finalize(&mesh.route).await.unwrap();
}
