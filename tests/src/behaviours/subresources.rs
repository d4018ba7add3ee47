//! Status and scale.

use k8s_openapi::api::apps::v1::Deployment;
use kube::Client;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::{cases, refusal, version};

cases!(
    a_status_patch_changes_no_spec_and_no_labels,
    a_status_write_on_an_old_version_is_a_conflict,
    annotations_of_a_deployment_may_go_with_its_status,
    annotations_of_a_deployment_count_as_a_generation,
    the_scale_of_a_deployment_is_read_and_written,
    a_scale_on_an_old_version_is_a_conflict,
);

async fn deployed(client: Client, namespace: &str) -> Api<Deployment> {
    let api = Api::namespaced(client, namespace);
    let object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "labels": {"x": "1"}},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "a"}}, "template": {
            "metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "a", "image": "a:1"}]}}},
    });
    let _: Deployment =
        api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    api
}

fn value(object: &Deployment) -> Value {
    serde_json::to_value(object).unwrap()
}

async fn a_status_patch_changes_no_spec_and_no_labels(client: Client, namespace: String) {
    let api = deployed(client, &namespace).await;
    let patch = json!({"metadata": {"labels": {"x": "2"}}, "spec": {"replicas": 9}, "status": {"observedGeneration": 7}});
    let written = value(&api.patch_status("a", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap());
    assert_eq!((&written["spec"]["replicas"], &written["metadata"]["labels"]["x"]), (&json!(2), &json!("1")));
    assert_eq!(written["status"]["observedGeneration"], 7);
}

async fn a_status_write_on_an_old_version_is_a_conflict(client: Client, namespace: String) {
    let api = deployed(client, &namespace).await;
    let patch =
        Patch::Merge(json!({"metadata": {"resourceVersion": "1"}, "status": {"observedGeneration": 7}}));
    let status = refusal(api.patch_status("a", &PatchParams::default(), &patch).await);
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
}

async fn annotations_of_a_deployment_may_go_with_its_status(client: Client, namespace: String) {
    let api = deployed(client, &namespace).await;
    let patch = Patch::Merge(json!({"metadata": {"annotations": {"revision": "1"}}}));
    let written = value(&api.patch_status("a", &PatchParams::default(), &patch).await.unwrap());
    assert_eq!(written["metadata"]["annotations"]["revision"], "1");
    assert_eq!(written["metadata"]["generation"], 1);
}

async fn annotations_of_a_deployment_count_as_a_generation(client: Client, namespace: String) {
    let api = deployed(client, &namespace).await;
    let patch = Patch::Merge(json!({"metadata": {"annotations": {"note": "1"}}}));
    let written = api.patch("a", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(written.metadata.generation, Some(2));
}

async fn the_scale_of_a_deployment_is_read_and_written(client: Client, namespace: String) {
    let api = deployed(client, &namespace).await;
    let scale = serde_json::to_value(api.get_scale("a").await.unwrap()).unwrap();
    assert_eq!((&scale["spec"]["replicas"], &scale["status"]["selector"]), (&json!(2), &json!("app=a")));
    let patch = Patch::Merge(json!({"spec": {"replicas": 4}}));
    let scale =
        serde_json::to_value(api.patch_scale("a", &PatchParams::default(), &patch).await.unwrap()).unwrap();
    assert_eq!((&scale["kind"], &scale["spec"]["replicas"]), (&json!("Scale"), &json!(4)));
    let scaled = api.get("a").await.unwrap();
    assert_eq!((value(&scaled)["spec"]["replicas"].clone(), scaled.metadata.generation), (json!(4), Some(2)));
}

async fn a_scale_on_an_old_version_is_a_conflict(client: Client, namespace: String) {
    let api = deployed(client, &namespace).await;
    let mut scale = api.get_scale("a").await.unwrap();
    let patch = Patch::Merge(json!({"metadata": {"labels": {"y": "1"}}}));
    let newer = api.patch("a", &PatchParams::default(), &patch).await.unwrap();
    assert_ne!(version(&newer.metadata), version(&scale.metadata));
    scale.spec.as_mut().unwrap().replicas = Some(5);
    let status = refusal(api.replace_scale("a", &PostParams::default(), &scale).await);
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
}
