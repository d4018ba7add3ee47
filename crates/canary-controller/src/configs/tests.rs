//! What is found in a pod template, its checksums, and the copies.

use canary_routers::{MemoryObjects, Operation};
use serde_json::json;

use super::*;

fn owner() -> Owner {
    Owner {
        api_version: "flagger.app/v1beta1".into(),
        kind: "Canary".into(),
        name: "podinfo".into(),
        uid: "uid-1".into(),
    }
}

fn put(objects: &MemoryObjects, kind: ConfigKind, name: &str, mut object: Value) {
    let metadata = object.as_object_mut().unwrap().entry("metadata").or_insert_with(|| json!({}));
    metadata["name"] = name.into();
    metadata["namespace"] = "test".into();
    objects.insert(&kind.resource(), object);
}

/// The objects of a canary that uses configs in every way.
fn cluster() -> MemoryObjects {
    let objects = MemoryObjects::new();
    put(
        &objects,
        ConfigKind::ConfigMap,
        "settings",
        json!({"data": {"color": "red"}, "metadata": {"labels": {"app": "podinfo"}, "annotations": {"note": "kept"}}}),
    );
    put(
        &objects,
        ConfigKind::ConfigMap,
        "files",
        json!({"data": {"a.txt": "one", "b.txt": "<&>"}, "binaryData": {"c": "AA=="}}),
    );
    put(
        &objects,
        ConfigKind::ConfigMap,
        "untracked",
        json!({"data": {"x": "1"}, "metadata": {"annotations": {"flagger.app/config-tracking": "disabled"}}}),
    );
    put(&objects, ConfigKind::Secret, "token", json!({"type": "Opaque", "data": {"apiKey": "dGVzdA=="}}));
    put(&objects, ConfigKind::Secret, "env", json!({"type": "Opaque"}));
    put(&objects, ConfigKind::Secret, "issued", json!({"type": "example.com/cert", "data": {"a": "AA=="}}));
    objects
}

fn template(suffix: &str) -> Value {
    let own = |name: &str| format!("{name}{suffix}");
    json!({"spec": {
        "containers": [{
            "name": "podinfod",
            "env": [
                {"name": "PLAIN", "value": "settings"},
                {"name": "COLOR", "valueFrom": {"configMapKeyRef": {"key": "color", "name": own("settings")}}},
                {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"key": "value", "name": own("token")}}},
                {"name": "MAYBE", "valueFrom": {"configMapKeyRef": {"key": "x", "name": "absent", "optional": true}}},
            ],
            "envFrom": [{"secretRef": {"name": own("env")}}, {"configMapRef": {"name": "untracked"}}],
        }],
        "initContainers": [{"name": "i", "envFrom": [{"secretRef": {"name": "issued"}}, {"configMapRef": {"name": own("files")}}]}],
        "volumes": [
            {"name": "files", "configMap": {"defaultMode": 420, "name": own("files")}},
            {"name": "token", "secret": {"secretName": own("token")}},
            {"name": "all", "projected": {"sources": [
                {"configMap": {"name": own("settings")}}, {"secret": {"name": own("token")}},
            ]}},
        ],
        "imagePullSecrets": [{"name": "token"}],
    }})
}

async fn collected(objects: &MemoryObjects) -> Configs {
    Configs::collect(objects, "test", &template("")).await.unwrap()
}

#[tokio::test]
async fn what_a_template_uses_is_found_with_the_checksums_of_flagger() {
    let checksums = collected(&cluster()).await.checksums();
    let expected = [
        ("configmap/files", canonical::digest(&json!({"a.txt": "one", "b.txt": "<&>"}))),
        ("configmap/settings", "241889ca0604e333".to_owned()),
        ("secret/env", "74234e98afe7498f".to_owned()),
        ("secret/token", "3930f0692c2295eb".to_owned()),
    ];
    assert_eq!(checksums, expected.map(|(key, sum)| (key.to_owned(), sum)).into());
}

#[tokio::test]
async fn the_primary_uses_copies_of_what_is_tracked() {
    let configs = collected(&cluster()).await;
    let mut spec = template("")["spec"].clone();
    configs.rename(&mut spec);
    assert_eq!(spec, template("-primary")["spec"]);
}

#[tokio::test]
async fn a_required_object_that_is_missing_is_named_in_flaggers_words() {
    let objects = cluster();
    objects.delete(&ConfigKind::ConfigMap.resource(), "test", "files").await.unwrap();
    let error = Configs::collect(&objects, "test", &template("")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "GetTargetConfigs failed: configmap files.test get query error: configmap files.test get query error: \
         configmaps \"files\" not found"
    );
    assert_eq!(error.category(), "missing");
}

#[tokio::test]
async fn an_optional_object_that_cannot_be_read_is_an_error_and_no_change() {
    let objects = cluster();
    let template = json!({"spec": {"volumes": [{"configMap": {"name": "settings", "optional": true}}]}});
    objects.fail_next(Operation::Get, ObjectError::Unavailable("the server is down".into()));
    assert!(Configs::collect(&objects, "test", &template).await.unwrap_err().is_retryable());
}

#[test]
fn the_last_mention_says_whether_an_object_is_required() {
    let template = json!({"spec": {
        "volumes": [{"configMap": {"name": "a", "optional": true}}, {"configMap": {"name": "b"}}],
        "containers": [{"envFrom": [{"configMapRef": {"name": "b", "optional": true}}, {"configMapRef": {"name": "a"}}]}],
    }});
    let expected = [("a", true), ("b", false)];
    assert_eq!(references::used(&template), expected.map(|(n, r)| (ConfigKind::ConfigMap, n.to_owned(), r)));
}

#[tokio::test]
async fn copies_have_content_chosen_labels_and_the_owner_and_are_written_once() {
    let objects = cluster();
    let configs = collected(&objects).await;
    let before = objects.writes();
    configs.write_copies(&objects, &owner(), &["app".to_owned()]).await.unwrap();
    assert_eq!(objects.writes() - before, 4);
    configs.write_copies(&objects, &owner(), &["app".to_owned()]).await.unwrap();
    assert_eq!(objects.writes() - before, 4, "nothing changed");

    let copy = |kind: ConfigKind, name: &str| {
        let mut object = objects.read(&kind.resource(), "test", name).unwrap();
        object["metadata"].as_object_mut().unwrap().remove("resourceVersion");
        object
    };
    let owners = json!([{
        "apiVersion": "flagger.app/v1beta1", "kind": "Canary", "name": "podinfo", "uid": "uid-1",
        "controller": true, "blockOwnerDeletion": true,
    }]);
    assert_eq!(
        copy(ConfigKind::ConfigMap, "settings-primary"),
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "data": {"color": "red"},
            "metadata": {
                "name": "settings-primary", "namespace": "test", "labels": {"app": "podinfo"}, "ownerReferences": owners,
            },
        })
    );
    assert_eq!(copy(ConfigKind::ConfigMap, "files-primary")["binaryData"], json!({"c": "AA=="}));
    assert_eq!(
        copy(ConfigKind::Secret, "token-primary"),
        json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": {"apiKey": "dGVzdA=="},
            "metadata": {"name": "token-primary", "namespace": "test", "ownerReferences": owners},
        })
    );
}

#[tokio::test]
async fn a_copy_follows_its_source_and_keeps_its_other_owners() {
    let objects = cluster();
    let other = json!({"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "name": "other", "uid": "2", "controller": true});
    put(
        &objects,
        ConfigKind::ConfigMap,
        "settings-primary",
        json!({
            "data": {"color": "blue", "gone": "x"},
            "metadata": {"labels": {"old": "1"}, "annotations": {"of": "others"}, "ownerReferences": [other]},
        }),
    );
    collected(&objects).await.write_copies(&objects, &owner(), &[]).await.unwrap();
    let copy = objects.read(&ConfigKind::ConfigMap.resource(), "test", "settings-primary").unwrap();
    assert_eq!(copy["data"], json!({"color": "red"}));
    assert_eq!(copy["metadata"]["labels"], Value::Null);
    assert_eq!(copy["metadata"]["annotations"], json!({"of": "others"}));
    let owners: Vec<_> =
        list(&copy).map(|owner| (text_at(owner, "/name").unwrap(), &owner["controller"])).collect();
    assert_eq!(owners, [("podinfo", &json!(true)), ("other", &json!(false))]);
}

fn list(object: &Value) -> impl Iterator<Item = &Value> {
    object["metadata"]["ownerReferences"].as_array().unwrap().iter()
}

#[tokio::test]
async fn a_secret_whose_type_changed_gets_a_new_copy() {
    let objects = cluster();
    put(&objects, ConfigKind::Secret, "token-primary", json!({"type": "kubernetes.io/tls", "data": {}}));
    collected(&objects).await.write_copies(&objects, &owner(), &[]).await.unwrap();
    let copy = objects.read(&ConfigKind::Secret.resource(), "test", "token-primary").unwrap();
    assert_eq!((&copy["type"], &copy["data"]), (&json!("Opaque"), &json!({"apiKey": "dGVzdA=="})));
}

#[tokio::test]
async fn a_copy_that_somebody_else_changed_meanwhile_is_decided_again() {
    let objects = cluster();
    put(&objects, ConfigKind::ConfigMap, "files-primary", json!({"data": {}}));
    let configs = collected(&objects).await;
    objects.fail_next(Operation::Replace, ObjectError::Conflict("the object has been modified".into()));
    let error = configs.write_copies(&objects, &owner(), &[]).await.unwrap_err();
    assert_eq!(error.category(), "conflict");
    assert_eq!(
        error.to_string(),
        "CreatePrimaryConfigs failed: updating configmap files-primary.test failed: the object has been modified"
    );
}

#[tokio::test]
async fn copies_are_compared_by_what_their_checksums_are_made_of() {
    let objects = cluster();
    let configs = collected(&objects).await;
    assert!(!configs.are_copied(&objects).await.unwrap(), "there are none");
    configs.write_copies(&objects, &owner(), &[]).await.unwrap();
    assert!(configs.are_copied(&objects).await.unwrap());
    // Flagger leaves that behind, and a take-over is no change.
    put(&objects, ConfigKind::ConfigMap, "files-primary", json!({"data": {"a.txt": "one", "b.txt": "<&>"}}));
    assert!(configs.are_copied(&objects).await.unwrap());
    put(&objects, ConfigKind::ConfigMap, "settings", json!({"data": {"color": "blue"}}));
    assert!(!collected(&objects).await.are_copied(&objects).await.unwrap());
}

#[tokio::test]
async fn a_copy_that_somebody_deleted_comes_back_if_the_primary_uses_it_and_no_other_is_touched() {
    let objects = cluster();
    let configs = collected(&objects).await;
    configs.write_copies(&objects, &owner(), &[]).await.unwrap();
    put(&objects, ConfigKind::ConfigMap, "settings", json!({"data": {"color": "blue"}}));
    let changed = collected(&objects).await;
    for name in ["files-primary", "settings-primary"] {
        let kept = objects.get(&ConfigKind::ConfigMap.resource(), "test", name).await.unwrap();
        objects.delete(&ConfigKind::Secret.resource(), "test", "token-primary").await.unwrap();
        let writes = objects.writes();
        changed.restore_copies(&objects, &template(""), &owner(), &[]).await.unwrap();
        assert_eq!(objects.writes(), writes, "that template uses no copies");
        changed.restore_copies(&objects, &template("-primary"), &owner(), &[]).await.unwrap();
        let token = objects.get(&ConfigKind::Secret.resource(), "test", "token-primary").await.unwrap();
        assert_eq!(token.unwrap()["data"], json!({"apiKey": "dGVzdA=="}));
        let found = objects.get(&ConfigKind::ConfigMap.resource(), "test", name).await.unwrap();
        assert_eq!(found, kept, "what is there waits for its promotion");
    }
}
