//! Objects that were there before us: taken over, and given back.

use super::*;

const ORIGINAL: &str = "flagger.kubernetes.io/original-configuration";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

fn users_spec() -> Value {
    json!({
        "hosts": ["app.example.com"],
        "gateways": ["mesh"],
        "exportTo": ["."],
        "http": [{"name": "all", "fault": {"delay": {}}, "route": [{"destination": {"host": "podinfo", "subset": "v1"}}]}],
    })
}

/// A mesh in which the user has a VirtualService of his own.
fn with_users_service() -> Mesh {
    let mesh = Mesh::new();
    let metadata = json!({"name": "podinfo", "namespace": "test", "labels": {"mine": "yes"}, "annotations": {"note": "x"}});
    let object = json!({
        "apiVersion": "networking.istio.io/v1beta1", "kind": "VirtualService", "metadata": metadata, "spec": users_spec(),
    });
    mesh.objects.insert(&virtual_services(), object);
    mesh
}

#[tokio::test]
async fn a_service_that_was_there_is_taken_over_and_given_back_as_it_was() {
    let mesh = with_users_service().reconciled().await;
    assert_eq!(mesh.http(), json!([{"route": split(100, 0)}]));
    assert_eq!(mesh.stored()["metadata"]["labels"], json!({"mine": "yes"}));
    assert!(mesh.stored()["metadata"].get("ownerReferences").is_none());

    mesh.set(canary(30)).await;
    mesh.router.finalize(&mesh.route).await.unwrap();
    assert_eq!(mesh.spec(), users_spec());
    assert!(mesh.stored()["metadata"]["annotations"].get(ORIGINAL).is_none());

    let writes = mesh.objects.writes();
    mesh.router.finalize(&mesh.route).await.unwrap();
    assert_eq!((mesh.spec(), mesh.objects.writes()), (users_spec(), writes));
}

#[tokio::test]
async fn the_first_spec_is_kept_however_often_it_is_corrected() {
    let mesh = with_users_service().reconciled().await;
    let saved = mesh.stored()["metadata"]["annotations"][ORIGINAL].clone();
    for host in ["a.example.com", "b.example.com"] {
        mesh.edit(|object| object["spec"] = json!({"hosts": [host]}));
        mesh.reconcile().await;
        assert_eq!(mesh.stored()["metadata"]["annotations"][ORIGINAL], saved);
    }
}

#[tokio::test]
async fn a_second_take_over_saves_what_it_finds_then() {
    let mesh = with_users_service().reconciled().await;
    mesh.router.finalize(&mesh.route).await.unwrap();
    mesh.edit(|object| object["spec"]["hosts"] = json!(["new.example.com"]));
    let spec = mesh.spec();
    mesh.reconcile().await;
    mesh.router.finalize(&mesh.route).await.unwrap();
    assert_eq!(mesh.spec(), spec);
}

#[tokio::test]
async fn what_kubectl_applied_is_given_back_and_not_saved_again() {
    let mesh = with_users_service();
    let applied = json!({"kind": "VirtualService", "spec": users_spec()}).to_string();
    mesh.edit(|object| object["metadata"]["annotations"] = json!({LAST_APPLIED: applied}));
    mesh.reconcile().await;
    assert!(mesh.stored()["metadata"]["annotations"].get(ORIGINAL).is_none());
    mesh.router.finalize(&mesh.route).await.unwrap();
    assert_eq!(mesh.spec(), users_spec());
    assert_eq!(mesh.stored()["metadata"]["annotations"][LAST_APPLIED], applied);
}

#[tokio::test]
async fn drift_of_an_object_of_ours_is_not_saved_as_the_users() {
    for remote in [false, true] {
        let mesh =
            Mesh::new().with(|route| route.owner = route.owner.take().filter(|_| !remote)).reconciled().await;
        mesh.edit(|object| object["spec"]["hosts"] = json!(["drifted"]));
        mesh.reconcile().await;
        assert_eq!(mesh.spec()["hosts"], json!(["*"]));
        assert!(mesh.stored()["metadata"]["annotations"].get(ORIGINAL).is_none());
    }
}

#[tokio::test]
async fn nothing_to_give_back_is_no_error() {
    let mesh = Mesh::new().reconciled().await;
    let before = mesh.stored();
    mesh.router.finalize(&mesh.route).await.unwrap();
    assert_eq!(mesh.stored(), before);

    let mesh = Mesh::new();
    mesh.router.finalize(&mesh.route).await.unwrap();
    mesh.objects.uninstall(&virtual_services());
    mesh.router.finalize(&mesh.route).await.unwrap();
}

#[tokio::test]
async fn an_annotation_that_cannot_be_read_is_named_and_the_object_left_alone() {
    for key in [ORIGINAL, LAST_APPLIED] {
        let mesh = with_users_service();
        mesh.edit(|object| object["metadata"]["annotations"] = json!({key: "{"}));
        let (before, error) = (mesh.stored(), mesh.router.finalize(&mesh.route).await.unwrap_err());
        let expected = format!("VirtualService podinfo.test failed to unMarshal annotation {key}");
        assert_eq!((error.to_string(), error.category()), (expected, "invalid"));
        assert_eq!(mesh.stored(), before);
    }
}
