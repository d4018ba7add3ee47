//! Changing what is there: versions, generations, conflicts and patches.

use k8s_openapi::api::apps::v1::Deployment;
use kube::Client;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::{cases, config, configs, refusal, version};

cases!(
    a_write_on_an_old_version_is_a_conflict,
    a_write_without_a_version_overwrites,
    a_write_that_changes_nothing_is_none,
    a_generation_counts_changes_of_the_spec_only,
    a_merge_patch_may_be_bound_to_a_version,
    a_json_patch_checks_what_it_tests,
    a_strategic_patch_finds_containers_by_name,
    a_selector_cannot_be_changed,
    a_selector_must_match_the_template,
);

async fn a_write_on_an_old_version_is_a_conflict(client: Client, namespace: String) {
    let api = configs(client, &namespace);
    let old = api.create(&PostParams::default(), &config("a", "1")).await.unwrap();
    let mut new = old.clone();
    new.data = config("a", "2").data;
    let new = api.replace("a", &PostParams::default(), &new).await.unwrap();
    assert_ne!(version(&old.metadata), version(&new.metadata));
    let mut late = old;
    late.data = config("a", "3").data;
    let status = refusal(api.replace("a", &PostParams::default(), &late).await);
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    let text = "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; \
                please apply your changes to the latest version and try again";
    assert_eq!(status.message, text);
}

async fn a_write_without_a_version_overwrites(client: Client, namespace: String) {
    let api = configs(client, &namespace);
    api.create(&PostParams::default(), &config("a", "1")).await.unwrap();
    let replaced = api.replace("a", &PostParams::default(), &config("a", "2")).await.unwrap();
    assert_eq!(replaced.data.unwrap()["key"], "2");
}

async fn a_write_that_changes_nothing_is_none(client: Client, namespace: String) {
    let api = configs(client, &namespace);
    let created = api.create(&PostParams::default(), &config("a", "1")).await.unwrap();
    let again = api.replace("a", &PostParams::default(), &created).await.unwrap();
    assert_eq!(version(&created.metadata), version(&again.metadata));
    let patch = Patch::Merge(json!({"data": {"key": "1"}}));
    let patched = api.patch("a", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(version(&created.metadata), version(&patched.metadata));
}

/// A Deployment, created.
async fn deployed(api: &Api<Deployment>) -> Deployment {
    let object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"},
        "spec": {"selector": {"matchLabels": {"app": "a"}}, "template": {
            "metadata": {"labels": {"app": "a"}},
            "spec": {"containers": [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}]}}},
    });
    api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap()
}

async fn merge(api: &Api<Deployment>, patch: Value) -> Result<Deployment, kube::Error> {
    api.patch("a", &PatchParams::default(), &Patch::Merge(patch)).await
}

async fn a_generation_counts_changes_of_the_spec_only(client: Client, namespace: String) {
    let api = Api::namespaced(client, &namespace);
    deployed(&api).await;
    let labelled = merge(&api, json!({"metadata": {"labels": {"x": "y"}}})).await.unwrap();
    assert_eq!(labelled.metadata.generation, Some(1));
    let scaled = merge(&api, json!({"spec": {"replicas": 3}})).await.unwrap();
    assert_eq!(scaled.metadata.generation, Some(2));
    let status = Patch::Merge(json!({"status": {"observedGeneration": 2}}));
    let reported = api.patch_status("a", &PatchParams::default(), &status).await.unwrap();
    assert_eq!(reported.metadata.generation, Some(2));
}

async fn a_merge_patch_may_be_bound_to_a_version(client: Client, namespace: String) {
    let api = configs(client, &namespace);
    let old =
        version(&api.create(&PostParams::default(), &config("a", "1")).await.unwrap().metadata).to_owned();
    let patch =
        |value: &str| Patch::Merge(json!({"metadata": {"resourceVersion": old}, "data": {"key": value}}));
    api.patch("a", &PatchParams::default(), &patch("2")).await.unwrap();
    let status = refusal(api.patch("a", &PatchParams::default(), &patch("3")).await);
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
}

async fn a_json_patch_checks_what_it_tests(client: Client, namespace: String) {
    let api = Api::namespaced(client, &namespace);
    deployed(&api).await;
    let patch = |expected: i64| {
        let steps = json!([{"op": "test", "path": "/spec/replicas", "value": expected},
                           {"op": "replace", "path": "/spec/replicas", "value": 5}]);
        Patch::<Deployment>::Json(serde_json::from_value(steps).unwrap())
    };
    assert_eq!(refusal(api.patch("a", &PatchParams::default(), &patch(2)).await).code, 422);
    api.patch("a", &PatchParams::default(), &patch(1)).await.unwrap();
}

async fn a_strategic_patch_finds_containers_by_name(client: Client, namespace: String) {
    let api = Api::namespaced(client, &namespace);
    deployed(&api).await;
    let patch = json!({"spec": {"template": {"spec": {"containers": [{"name": "b", "image": "b:2"}]}}}});
    let patched = api.patch("a", &PatchParams::default(), &Patch::Strategic(patch)).await.unwrap();
    let spec = serde_json::to_value(patched.spec).unwrap();
    let images: Vec<_> = spec["template"]["spec"]["containers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["image"].clone())
        .collect();
    let mut sorted: Vec<_> = images.iter().filter_map(Value::as_str).collect();
    sorted.sort_unstable();
    assert_eq!(sorted, ["a:1", "b:2"]);
}

async fn a_selector_cannot_be_changed(client: Client, namespace: String) {
    let api = Api::namespaced(client, &namespace);
    deployed(&api).await;
    let patch = json!({"spec": {"selector": {"matchLabels": {"app": "b"}}, "template": {"metadata": {"labels": {"app": "b"}}}}});
    let status = refusal(merge(&api, patch).await);
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    assert!(status.message.contains("field is immutable"), "{}", status.message);
}

async fn a_selector_must_match_the_template(client: Client, namespace: String) {
    let api = Api::namespaced(client, &namespace);
    deployed(&api).await;
    let status =
        refusal(merge(&api, json!({"spec": {"template": {"metadata": {"labels": {"app": "b"}}}}})).await);
    assert_eq!(status.code, 422);
    assert!(status.message.contains("`selector` does not match template `labels`"), "{}", status.message);
}
