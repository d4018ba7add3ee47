//! Creating, reading and deleting.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Event, Secret, Service};
use kube::api::{Api, DeleteParams, DynamicObject, ObjectMeta, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, ResourceExt};
use serde_json::json;

use super::{cases, config, configs, refusal, version};

cases!(
    an_object_that_is_there_is_not_created_again,
    an_object_that_is_not_there_is_named_in_the_refusal,
    a_kind_that_is_not_served_is_told_from_an_absent_object,
    a_name_can_be_generated,
    a_dry_run_changes_nothing,
    a_finalizer_holds_an_object_until_it_is_taken_off,
    a_deletion_can_be_bound_to_one_object,
    a_deployment_gets_its_defaults,
    a_service_gets_its_defaults,
    text_of_a_secret_is_stored_as_data,
    an_event_is_stored_as_it_is_written,
);

async fn an_object_that_is_there_is_not_created_again(client: Client, namespace: String) {
    let api = configs(client, &namespace);
    let created = api.create(&PostParams::default(), &config("a", "1")).await.unwrap();
    assert!(
        created.uid().is_some()
            && created.creation_timestamp().is_some()
            && !version(&created.metadata).is_empty()
    );
    let status = refusal(api.create(&PostParams::default(), &config("a", "2")).await);
    assert_eq!((status.code, status.reason.as_str()), (409, "AlreadyExists"));
    assert_eq!(status.message, "configmaps \"a\" already exists");
}

async fn an_object_that_is_not_there_is_named_in_the_refusal(client: Client, namespace: String) {
    let status = refusal(Api::<Deployment>::namespaced(client.clone(), &namespace).get("a").await);
    assert_eq!((status.code, status.reason.as_str()), (404, "NotFound"));
    assert_eq!(status.message, "deployments.apps \"a\" not found");
    let status = refusal(configs(client, &namespace).delete("a", &DeleteParams::default()).await);
    assert_eq!(status.message, "configmaps \"a\" not found");
}

async fn a_kind_that_is_not_served_is_told_from_an_absent_object(client: Client, namespace: String) {
    let kind =
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("acme.example", "v1", "Route"), "routes");
    let api: Api<DynamicObject> = Api::namespaced_with(client, &namespace, &kind);
    for refused in [refusal(api.get("a").await), refusal(api.list(&kube::api::ListParams::default()).await)] {
        let error = canary_routers::ObjectError::from_kube(&kube::Error::Api(Box::new(refused)));
        assert_eq!(error.category(), "not-served", "{error}");
    }
}

async fn a_name_can_be_generated(client: Client, namespace: String) {
    let api = configs(client, &namespace);
    let mut object = config("", "1");
    object.metadata = ObjectMeta { generate_name: Some("made-".into()), ..ObjectMeta::default() };
    let (one, two) = (
        api.create(&PostParams::default(), &object).await.unwrap(),
        api.create(&PostParams::default(), &object).await.unwrap(),
    );
    assert!(one.name_any().starts_with("made-") && one.name_any() != two.name_any());
    assert_eq!(one.name_any().len(), "made-".len() + 5);
}

async fn a_dry_run_changes_nothing(client: Client, namespace: String) {
    let api = configs(client, &namespace);
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    assert_eq!(api.create(&dry, &config("a", "1")).await.unwrap().name_any(), "a");
    assert_eq!(refusal(api.get("a").await).code, 404);
}

async fn a_finalizer_holds_an_object_until_it_is_taken_off(client: Client, namespace: String) {
    let api = configs(client, &namespace);
    let mut object = config("a", "1");
    object.metadata.finalizers = Some(vec!["acme.example/hold".into()]);
    api.create(&PostParams::default(), &object).await.unwrap();
    api.delete("a", &DeleteParams::default()).await.unwrap();
    assert!(api.get("a").await.unwrap().metadata.deletion_timestamp.is_some());
    let patch = Patch::Merge(json!({"metadata": {"finalizers": []}}));
    api.patch("a", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(refusal(api.get("a").await).code, 404);
}

async fn a_deletion_can_be_bound_to_one_object(client: Client, namespace: String) {
    let api = configs(client, &namespace);
    api.create(&PostParams::default(), &config("a", "1")).await.unwrap();
    let other = DeleteParams {
        preconditions: Some(kube::api::Preconditions { uid: Some("another".into()), resource_version: None }),
        ..DeleteParams::default()
    };
    assert_eq!(refusal(api.delete("a", &other).await).code, 409);
    assert!(api.get("a").await.is_ok());
}

fn deployment(image: &str) -> Deployment {
    let object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"},
        "spec": {"selector": {"matchLabels": {"app": "a"}}, "template": {
            "metadata": {"labels": {"app": "a"}},
            "spec": {"containers": [{"name": "a", "image": image, "ports": [{"containerPort": 80}]}]}}},
    });
    serde_json::from_value(object).unwrap()
}

async fn a_deployment_gets_its_defaults(client: Client, namespace: String) {
    let api: Api<Deployment> = Api::namespaced(client, &namespace);
    let created =
        serde_json::to_value(api.create(&PostParams::default(), &deployment("a:1")).await.unwrap()).unwrap();
    let spec = &created["spec"];
    assert_eq!(
        (&spec["replicas"], &spec["revisionHistoryLimit"], &spec["progressDeadlineSeconds"]),
        (&json!(1), &json!(10), &json!(600))
    );
    assert_eq!(
        spec["strategy"],
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}})
    );
    assert_eq!(
        spec["template"]["spec"],
        json!({
            "containers": [{"name": "a", "image": "a:1", "imagePullPolicy": "IfNotPresent", "resources": {},
                "ports": [{"containerPort": 80, "protocol": "TCP"}],
                "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}],
            "dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "schedulerName": "default-scheduler",
            "securityContext": {}, "terminationGracePeriodSeconds": 30,
        })
    );
    assert_eq!(created["metadata"]["generation"], json!(1));
}

async fn a_service_gets_its_defaults(client: Client, namespace: String) {
    let api: Api<Service> = Api::namespaced(client, &namespace);
    let object = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"},
        "spec": {"selector": {"app": "a"}, "ports": [{"name": "http", "port": 80}]}});
    let created = api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    let spec = serde_json::to_value(created.spec).unwrap();
    assert_eq!(spec["ports"], json!([{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 80}]));
    assert_eq!((&spec["type"], &spec["sessionAffinity"]), (&json!("ClusterIP"), &json!("None")));
    assert_eq!(spec["internalTrafficPolicy"], json!("Cluster"));
    assert!(spec["clusterIP"].as_str().is_some_and(|ip| ip.starts_with("10.96.")), "{spec}");
    assert_eq!(spec["clusterIPs"], json!([spec["clusterIP"]]));
}

async fn text_of_a_secret_is_stored_as_data(client: Client, namespace: String) {
    let api: Api<Secret> = Api::namespaced(client, &namespace);
    let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "stringData": {"key": "text"}});
    api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    let stored = api.get("a").await.unwrap();
    assert_eq!(stored.type_.as_deref(), Some("Opaque"));
    assert_eq!((stored.data.unwrap()["key"].0.as_slice(), stored.string_data), (b"text".as_slice(), None));
}

async fn an_event_is_stored_as_it_is_written(client: Client, namespace: String) {
    let api: Api<Event> = Api::namespaced(client, &namespace);
    let object = json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "a.1"},
        "involvedObject": {"kind": "Canary", "namespace": namespace, "name": "a", "uid": "u"},
        "reason": "Synced", "message": "text", "type": "Normal", "source": {"component": "flagger"}, "count": 1});
    let event: Event = serde_json::from_value(object).unwrap();
    api.create(&PostParams::default(), &event).await.unwrap();
    assert_eq!(refusal(api.create(&PostParams::default(), &event).await).reason, "AlreadyExists");
    let patch = Patch::Merge(json!({"count": 2}));
    let stored = api.patch("a.1", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!((stored.count, stored.message.as_deref()), (Some(2), Some("text")));
}
