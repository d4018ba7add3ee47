//! Kinds that a CustomResourceDefinition adds: the Canary, with its own.

use canary_api::Canary;
use kube::api::{Api, DynamicObject, PostParams};
use kube::core::ApiResource;
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use super::{cases, refusal};

cases!(
    fields_that_a_schema_does_not_name_are_dropped,
    defaults_of_a_schema_are_filled_in,
    what_a_schema_forbids_is_refused_with_its_field,
    the_status_of_a_canary_is_written_by_itself,
    a_canary_marked_for_deletion_gets_a_new_generation,
);

fn canaries(client: Client, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client, namespace, &ApiResource::erase::<Canary>(&()))
}

fn canary(analysis: Value) -> DynamicObject {
    let object = json!({
        "apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": {"name": "a"},
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a"},
            "service": {"port": 80}, "analysis": analysis,
        },
    });
    serde_json::from_value(object).unwrap()
}

fn good() -> Value {
    json!({"interval": "1m", "threshold": 5, "stepWeight": 10})
}

async fn fields_that_a_schema_does_not_name_are_dropped(client: Client, namespace: String) {
    let api = canaries(client, &namespace);
    let mut object = canary(good());
    object.data["spec"]["surprise"] = json!(true);
    object.data["spec"]["service"]["trafficPolicy"] = json!({"tls": {"mode": "DISABLE", "surprise": 1}});
    let stored = api.create(&PostParams::default(), &object).await.unwrap();
    assert_eq!(stored.data["spec"].get("surprise"), None);
    assert_eq!(stored.data["spec"]["service"]["trafficPolicy"], json!({"tls": {"mode": "DISABLE"}}));
}

async fn defaults_of_a_schema_are_filled_in(client: Client, namespace: String) {
    let api = canaries(client, &namespace);
    let mut analysis = good();
    analysis["sessionAffinity"] = json!({"cookieName": "c"});
    let stored = api.create(&PostParams::default(), &canary(analysis)).await.unwrap();
    assert_eq!(
        stored.data["spec"]["analysis"]["sessionAffinity"],
        json!({"cookieName": "c", "maxAge": 86400})
    );
}

async fn what_a_schema_forbids_is_refused_with_its_field(client: Client, namespace: String) {
    let api = canaries(client, &namespace);
    let with = |key: &str, value: Value| {
        let mut analysis = good();
        analysis[key] = value;
        canary(analysis)
    };
    for (object, field) in [
        (with("interval", json!("soon")), "spec.analysis.interval"),
        (with("stepWeight", json!("ten")), "spec.analysis.stepWeight"),
        (with("webhooks", json!([{"url": "http://a/"}])), "spec.analysis.webhooks[0].name"),
        (
            with("webhooks", json!([{"name": "a", "url": "http://a/", "type": "never"}])),
            "spec.analysis.webhooks[0].type",
        ),
        (with("iterations", json!(3)), "spec.analysis"),
    ] {
        let status = refusal(api.create(&PostParams::default(), &object).await);
        assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"), "{field}");
        assert!(status.message.contains(field), "{field}: {}", status.message);
        assert!(status.message.starts_with("Canary.flagger.app \"a\" is invalid: "), "{}", status.message);
    }
    // A fraction is a number.
    api.create(&PostParams::default(), &with("stepWeight", json!(2.5))).await.unwrap();
}

async fn the_status_of_a_canary_is_written_by_itself(client: Client, namespace: String) {
    let api = canaries(client, &namespace);
    let mut object = canary(good());
    object.data["status"] = json!({"phase": "Failed", "failedChecks": 0, "canaryWeight": 0, "iterations": 0});
    let mut stored = api.create(&PostParams::default(), &object).await.unwrap();
    assert_eq!(stored.data.get("status"), None, "a creation writes no status");
    let generation = stored.metadata.generation;
    stored.data["status"] = object.data["status"].clone();
    stored.data["status"]["surprise"] = json!(1);
    stored.data["spec"]["suspend"] = json!(true);
    let stored = api.replace_status("a", &PostParams::default(), &stored).await.unwrap();
    assert_eq!(stored.data["status"], object.data["status"]);
    assert_eq!((stored.data["spec"].get("suspend"), stored.metadata.generation), (None, generation));
    // And the object without its status.
    let mut object = stored.clone();
    object.data["status"] =
        json!({"phase": "Succeeded", "failedChecks": 1, "canaryWeight": 1, "iterations": 1});
    object.data["spec"]["suspend"] = json!(true);
    let replaced = api.replace("a", &PostParams::default(), &object).await.unwrap();
    assert_eq!(replaced.data["status"], stored.data["status"]);
    assert_eq!(replaced.data["spec"]["suspend"], json!(true));
}

async fn a_canary_marked_for_deletion_gets_a_new_generation(client: Client, namespace: String) {
    let api = canaries(client, &namespace);
    let mut object = canary(good());
    object.metadata.finalizers = Some(vec!["finalizer.flagger.app".into()]);
    let stored = api.create(&PostParams::default(), &object).await.unwrap();
    assert_eq!(stored.metadata.generation, Some(1));
    api.delete("a", &kube::api::DeleteParams::default()).await.unwrap();
    let mut marked = api.get("a").await.unwrap();
    assert_eq!(marked.metadata.generation, Some(2));
    marked.finalizers_mut().clear();
    api.replace("a", &PostParams::default(), &marked).await.unwrap();
    assert_eq!(refusal(api.get("a").await).code, 404);
}
