//! Two canaries of one name in two namespaces, whose TrafficRoute would be the same object.

use super::*;

/// The Service of the primary in that namespace.
fn primary_in(mesh: &Mesh, namespace: &str) {
    let services = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Service"));
    let metadata = json!({"name": "podinfo-primary", "namespace": namespace});
    mesh.objects.insert(&services, json!({ "metadata": metadata }));
}

#[tokio::test]
async fn the_second_is_refused_by_the_name_of_the_first_which_is_not_disturbed() {
    let mesh = Mesh::new().reconciled().await;
    primary_in(&mesh, "test");
    mesh.set(canary(20)).await;
    let (before, writes) = (mesh.stored(), mesh.objects.writes());

    let mut second = RouteSpec::new("other", "podinfo", "podinfo");
    second.owner.clone_from(&mesh.route.owner);
    for error in [
        mesh.router.reconcile(&second).await.unwrap_err(),
        mesh.router.weights(&second).await.unwrap_err(),
        mesh.router.set_weights(&second, canary(50)).await.unwrap_err(),
    ] {
        let text = "TrafficRoute podinfo is that of the Service podinfo.test, and TrafficRoutes have no namespace: set \
                    another spec.service.name for the canary podinfo.other or that in test, or delete the TrafficRoute if \
                    nothing in test needs it any more";
        assert_eq!((error.to_string().as_str(), error.category()), (text, "invalid"));
    }
    mesh.router.finalize(&second).await.unwrap();
    assert_eq!((mesh.stored(), mesh.objects.writes()), (before, writes));
    mesh.reconcile().await;
    assert_eq!(mesh.weights().await, canary(20));
}

#[tokio::test]
async fn what_a_canary_left_behind_is_taken_over_once_its_primary_is_known_to_be_gone() {
    let mesh = Mesh::new().reconciled().await;
    let second =
        Mesh { objects: mesh.objects.clone(), router: mesh.router.clone(), route: mesh.route.clone() };
    let second = second.with(|route| route.namespace = "other".into());

    // Whether it is gone cannot be told: the API refuses, or the Services are in another cluster.
    let mut remote = second.route.clone();
    remote.owner = None;
    mesh.router.reconcile(&remote).await.unwrap_err();

    second.reconcile().await;
    assert_eq!(second.weights().await, Weights::PRIMARY);
    let service = second.stored()["spec"]["destinations"][0]["match"]["kuma.io/service"].clone();
    assert_eq!(service, "podinfo_other_svc_80");
    // Nobody wants it back.
    second.router.finalize(&second.route).await.unwrap();
    assert_eq!(second.find(), None);
}

#[tokio::test]
async fn a_route_that_a_user_wrote_for_another_namespace_is_not_taken_over() {
    let mesh = Mesh::new();
    let spec = json!({
        "destinations": [{"match": {"kuma.io/service": "podinfo_other_svc_80"}}],
        "conf": {"destination": {"kuma.io/service": "podinfo_other_svc_80"}},
    });
    mesh.objects.insert(&kind(), json!({"metadata": {"name": "podinfo"}, "spec": spec}));
    let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
    assert!(error.to_string().contains("that of the Service podinfo.other"), "{error}");
    assert_eq!((&mesh.stored()["spec"], mesh.objects.writes()), (&spec, 0));
}
