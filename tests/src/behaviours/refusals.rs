//! The words, reasons and causes of refusals.

use http::Request;
use kube::Client;
use kube::core::Status;
use serde_json::{Value, json};

use super::{cases, refusal};

cases!(
    a_fault_is_named_with_its_field_and_reason,
    several_faults_are_listed,
    a_name_has_a_form,
    a_body_has_to_fit_its_path,
    a_namespace_has_to_exist,
    a_server_chooses_the_first_version,
    patches_of_unknown_types_are_refused,
    a_strategic_patch_is_for_built_in_kinds,
    a_patch_that_does_not_apply_changes_nothing,
    a_custom_object_is_replaced_with_its_version_only,
    the_identity_of_an_object_is_a_precondition,
    finalizers_are_not_added_to_what_goes,
    a_service_keeps_its_address,
    an_event_of_the_newer_group_is_complete,
    unknown_paths_and_resources_are_told_apart,
);

const MERGE: &str = "application/merge-patch+json";

/// Sends a request as it stands.
async fn send(
    client: &Client,
    method: &str,
    path: String,
    kind: &str,
    body: Value,
) -> Result<Value, kube::Error> {
    let request = Request::builder().method(method).uri(path).header("content-type", kind);
    client.request(request.body(serde_json::to_vec(&body).unwrap()).unwrap()).await
}

async fn post(client: &Client, path: String, body: Value) -> Result<Value, kube::Error> {
    send(client, "POST", path, "application/json", body).await
}

async fn put(client: &Client, path: String, body: Value) -> Result<Value, kube::Error> {
    send(client, "PUT", path, "application/json", body).await
}

fn configs(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/configmaps")
}

fn deployments(namespace: &str) -> String {
    format!("/apis/apps/v1/namespaces/{namespace}/deployments")
}

fn services(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/services")
}

fn canaries(namespace: &str) -> String {
    format!("/apis/flagger.app/v1beta1/namespaces/{namespace}/canaries")
}

fn canary() -> Value {
    json!({
        "apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": {"name": "a"},
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a"}, "service": {"port": 80},
            "analysis": {"interval": "1m", "threshold": 5, "stepWeight": 10},
        },
    })
}

fn deployment(containers: Value) -> Value {
    json!({"metadata": {"name": "a"}, "spec": {"selector": {"matchLabels": {"app": "a"}},
        "template": {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": containers}}}})
}

/// Field and reason of each cause.
fn causes(status: &Status) -> Vec<(String, String)> {
    let details = status.details.as_ref().unwrap();
    let mut causes: Vec<_> = details.causes.iter().map(|c| (c.field.clone(), c.reason.clone())).collect();
    causes.dedup(); // a real server checks metadata twice
    causes
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

async fn a_fault_is_named_with_its_field_and_reason(client: Client, namespace: String) {
    let mut object = deployment(json!([{"name": "a", "image": "a"}]));
    object["spec"]["replicas"] = json!(-1);
    let status = refusal(post(&client, deployments(&namespace), object).await);
    let text = "Deployment.apps \"a\" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0";
    assert_eq!((status.code, status.reason.as_str(), status.message.as_str()), (422, "Invalid", text));
    assert_eq!(causes(&status), pairs(&[("spec.replicas", "FieldValueInvalid")]));
    let details = status.details.unwrap();
    assert_eq!(
        (details.name.as_str(), details.group.as_str(), details.kind.as_str()),
        ("a", "apps", "Deployment")
    );
}

async fn several_faults_are_listed(client: Client, namespace: String) {
    let object = deployment(json!([{"name": "x"}, {"image": "y"}]));
    let status = refusal(post(&client, deployments(&namespace), object).await);
    let text = "Deployment.apps \"a\" is invalid: [spec.template.spec.containers[0].image: Required value, \
                spec.template.spec.containers[1].name: Required value]";
    assert_eq!(status.message, text);
    let ports = json!([{"port": 80}, {"port": 0}]);
    let object = json!({"metadata": {"name": "a"}, "spec": {"selector": {"a": "b"}, "ports": ports}});
    let status = refusal(post(&client, services(&namespace), object).await);
    let expected = [
        ("spec.ports[0].name", "FieldValueRequired"),
        ("spec.ports[1].name", "FieldValueRequired"),
        ("spec.ports[1].port", "FieldValueInvalid"),
        ("spec.ports[1].targetPort", "FieldValueInvalid"),
    ];
    assert_eq!(causes(&status), pairs(&expected), "{}", status.message);
}

async fn a_name_has_a_form(client: Client, namespace: String) {
    let status = refusal(post(&client, configs(&namespace), json!({"metadata": {"name": "Upper"}})).await);
    assert!(
        status
            .message
            .starts_with("ConfigMap \"Upper\" is invalid: metadata.name: Invalid value: \"Upper\": ")
    );
    let status = refusal(post(&client, configs(&namespace), json!({"metadata": {}})).await);
    let text = "ConfigMap \"\" is invalid: metadata.name: Required value: name or generateName is required";
    assert_eq!((status.code, status.message.as_str()), (422, text));
    let labelled = json!({"metadata": {"name": "a", "labels": {"app": "not a label!"}}});
    let status = refusal(post(&client, configs(&namespace), labelled).await);
    assert_eq!(causes(&status), pairs(&[("metadata.labels", "FieldValueInvalid")]));
}

async fn a_body_has_to_fit_its_path(client: Client, namespace: String) {
    post(&client, configs(&namespace), json!({"metadata": {"name": "a"}})).await.unwrap();
    let other = json!({"metadata": {"name": "b", "namespace": "elsewhere"}});
    let status = refusal(post(&client, configs(&namespace), other).await);
    let text = "the namespace of the provided object does not match the namespace sent on the request";
    assert_eq!((status.code, status.reason.as_str(), status.message.as_str()), (400, "BadRequest", text));
    let path = format!("{}/a", configs(&namespace));
    let status = refusal(put(&client, path, json!({"metadata": {"name": "b"}})).await);
    let text = "the name of the object (b) does not match the name on the URL (a)";
    assert_eq!((status.code, status.message.as_str()), (400, text));
    for wrong in [
        json!({"metadata": {"name": "b"}, "data": 3}),
        json!({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "b"}}),
    ] {
        let status = refusal(post(&client, configs(&namespace), wrong).await);
        assert_eq!((status.code, status.reason.as_str()), (400, "BadRequest"), "{}", status.message);
        assert!(status.message.contains("cannot be handled as a ConfigMap: "), "{}", status.message);
    }
}

async fn a_namespace_has_to_exist(client: Client, namespace: String) {
    let path = configs(&format!("no-{namespace}"));
    let status = refusal(post(&client, path, json!({"metadata": {"name": "a"}})).await);
    assert_eq!(status.message, format!("namespaces \"no-{namespace}\" not found"));
    assert_eq!((status.code, status.reason.as_str()), (404, "NotFound"));
}

async fn a_server_chooses_the_first_version(client: Client, namespace: String) {
    let object = json!({"metadata": {"name": "a", "resourceVersion": "5"}});
    let status = refusal(post(&client, configs(&namespace), object).await);
    assert_eq!(status.message, "resourceVersion should not be set on objects to be created");
}

async fn patches_of_unknown_types_are_refused(client: Client, namespace: String) {
    post(&client, configs(&namespace), json!({"metadata": {"name": "a"}})).await.unwrap();
    let path = format!("{}/a", configs(&namespace));
    let status = refusal(send(&client, "PATCH", path, "text/plain", json!({})).await);
    assert_eq!((status.code, status.reason.as_str()), (415, "UnsupportedMediaType"));
}

async fn a_strategic_patch_is_for_built_in_kinds(client: Client, namespace: String) {
    post(&client, canaries(&namespace), canary()).await.unwrap();
    let path = format!("{}/a", canaries(&namespace));
    let kind = "application/strategic-merge-patch+json";
    let status = refusal(send(&client, "PATCH", path, kind, json!({})).await);
    assert_eq!((status.code, status.reason.as_str()), (415, "UnsupportedMediaType"));
}

async fn a_patch_that_does_not_apply_changes_nothing(client: Client, namespace: String) {
    let object = json!({"metadata": {"name": "a"}, "data": {"key": "1"}});
    post(&client, configs(&namespace), object).await.unwrap();
    let path = || format!("{}/a", configs(&namespace));
    let steps =
        json!([{"op": "replace", "path": "/data/key", "value": "2"}, {"op": "remove", "path": "/data/none"}]);
    let status = refusal(send(&client, "PATCH", path(), "application/json-patch+json", steps).await);
    let text = "the server rejected our request due to an error in our request";
    assert_eq!((status.code, status.reason.as_str(), status.message.as_str()), (422, "Invalid", text));
    let renamed = json!({"metadata": {"name": "b"}});
    assert_eq!(refusal(send(&client, "PATCH", path(), MERGE, renamed).await).code, 400);
    let absent = format!("{}/none", configs(&namespace));
    let status = refusal(send(&client, "PATCH", absent, MERGE, json!({"data": {}})).await);
    assert_eq!(status.message, "configmaps \"none\" not found");
    let stored = send(&client, "GET", path(), MERGE, Value::Null).await.unwrap();
    assert_eq!(stored["data"]["key"], "1");
}

async fn a_custom_object_is_replaced_with_its_version_only(client: Client, namespace: String) {
    post(&client, canaries(&namespace), canary()).await.unwrap();
    let status = refusal(put(&client, format!("{}/a", canaries(&namespace)), canary()).await);
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    assert!(status.message.ends_with("must be specified for an update"), "{}", status.message);
    assert_eq!(causes(&status), pairs(&[("metadata.resourceVersion", "FieldValueInvalid")]));
}

async fn the_identity_of_an_object_is_a_precondition(client: Client, namespace: String) {
    post(&client, configs(&namespace), json!({"metadata": {"name": "a"}})).await.unwrap();
    let path = || format!("{}/a", configs(&namespace));
    let status = refusal(put(&client, path(), json!({"metadata": {"name": "a", "uid": "another"}})).await);
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    assert!(
        status.message.contains("Precondition failed: UID in precondition: another, UID in object meta: ")
    );
    for (key, word) in [("uid", "UID"), ("resourceVersion", "ResourceVersion")] {
        let mut options = json!({"preconditions": {}});
        options["preconditions"][key] = "1".into();
        let status = refusal(send(&client, "DELETE", path(), "application/json", options).await);
        let text = format!("the {word} in the precondition (1) does not match the {word} in record (");
        assert!(status.code == 409 && status.message.contains(&text), "{}", status.message);
    }
}

async fn finalizers_are_not_added_to_what_goes(client: Client, namespace: String) {
    let object = json!({"metadata": {"name": "a", "finalizers": ["acme.example/one"]}});
    post(&client, configs(&namespace), object).await.unwrap();
    let path = || format!("{}/a", configs(&namespace));
    let marked = send(&client, "DELETE", path(), "application/json", json!({})).await.unwrap();
    assert_eq!(
        (&marked["kind"], &marked["metadata"]["deletionGracePeriodSeconds"]),
        (&json!("ConfigMap"), &json!(0))
    );
    let more = json!({"metadata": {"finalizers": ["acme.example/one", "acme.example/two"]}});
    let status = refusal(send(&client, "PATCH", path(), MERGE, more).await);
    assert_eq!(causes(&status), pairs(&[("metadata.finalizers", "FieldValueForbidden")]));
    let changed =
        send(&client, "PATCH", path(), MERGE, json!({"data": {"still": "writable"}})).await.unwrap();
    assert_eq!(changed["metadata"]["deletionTimestamp"], marked["metadata"]["deletionTimestamp"]);
}

async fn a_service_keeps_its_address(client: Client, namespace: String) {
    let object = |port: u16| json!({"metadata": {"name": "a"}, "spec": {"selector": {"a": "b"}, "ports": [{"port": port}]}});
    let created = post(&client, services(&namespace), object(80)).await.unwrap();
    let path = || format!("{}/a", services(&namespace));
    let replaced = put(&client, path(), object(81)).await.unwrap();
    assert_eq!(replaced["spec"]["clusterIP"], created["spec"]["clusterIP"]);
    assert_eq!(replaced["spec"]["ports"], json!([{"port": 81, "protocol": "TCP", "targetPort": 81}]));
    let moved = json!({"spec": {"clusterIP": "10.96.7.7"}});
    let status = refusal(send(&client, "PATCH", path(), MERGE, moved).await);
    let text = "Service \"a\" is invalid: spec.clusterIPs[0]: Invalid value: [\"10.96.7.7\"]: may not change once set";
    assert_eq!(status.message, text);
}

async fn an_event_of_the_newer_group_is_complete(client: Client, namespace: String) {
    let path = || format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events");
    let event = json!({
        "metadata": {"generateName": "a-"}, "eventTime": "2026-01-01T00:00:00.000000Z", "type": "Normal",
        "reason": "Synced", "action": "Synced", "reportingController": "flagger", "reportingInstance": "a-0",
        "note": "text", "regarding": {"kind": "Canary", "namespace": namespace, "name": "a"},
    });
    let stored = post(&client, path(), event.clone()).await.unwrap();
    assert_eq!((&stored["note"], &stored["apiVersion"]), (&json!("text"), &json!("events.k8s.io/v1")));
    let name = stored["metadata"]["name"].as_str().unwrap();
    let old = format!("/api/v1/namespaces/{namespace}/events/{name}");
    let old = send(&client, "GET", old, MERGE, Value::Null).await.unwrap();
    assert_eq!((&old["message"], &old["involvedObject"]["name"]), (&json!("text"), &json!("a")));
    for (key, value) in [("reason", json!("")), ("note", json!("x".repeat(1025))), ("type", json!("Odd"))] {
        let mut wrong = event.clone();
        wrong[key] = value;
        assert_eq!(refusal(post(&client, path(), wrong).await).code, 422, "{key}");
    }
}

async fn unknown_paths_and_resources_are_told_apart(client: Client, namespace: String) {
    let get = async |path: String| refusal(send(&client, "GET", path, MERGE, Value::Null).await);
    let group = get(format!("/apis/acme.example/v1/namespaces/{namespace}/routes")).await;
    assert_eq!(
        (group.code, group.message.as_str(), group.details.is_none()),
        (404, "404 page not found", true)
    );
    let resource = get(format!("/apis/apps/v1/namespaces/{namespace}/routes")).await;
    let text = "the server could not find the requested resource";
    assert_eq!((resource.code, resource.reason.as_str(), resource.message.as_str()), (404, "NotFound", text));
    let version = get(format!("/apis/apps/v9/namespaces/{namespace}/deployments")).await;
    assert_eq!((version.code, version.message.as_str()), (404, text));
}
