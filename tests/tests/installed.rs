//! What the chart installs on a real API server is enough for a whole rollout, and no more than that; and what it leaves
//! when it is uninstalled serves on.
//!
//! Needs `KUBEBUILDER_ASSETS`, `HELM` and `CANARYD`.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[path = "installation/access.rs"]
mod access;
#[path = "installation/cluster.rs"]
mod cluster;
#[path = "installation/objects.rs"]
mod objects;

use std::time::Duration;

use canary_tests::{
    ApiServer, Stub, daemons_become_ready, fetch, installed, open_definition, pods_become_ready, tool,
};
use cluster::Installation;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::runtime::wait::await_condition;
use serde_json::{Value, json};

/// How long a phase may take to come, on a slow machine.
const PATIENCE: Duration = Duration::from_secs(180);

async fn until(installation: &Installation, canary: &str, phase: &str) {
    let api = installation.api("Canary");
    let reached = await_condition(api, canary, |object: Option<&DynamicObject>| {
        object.is_some_and(|o| o.data["status"]["phase"] == phase)
    });
    let waited = tokio::time::timeout(PATIENCE, reached).await;
    assert!(waited.is_ok(), "{canary} is not {phase}; the controller wrote:\n{}", installation.log());
}

async fn change(installation: &Installation, kind: &str, name: &str, patch: Value) {
    let api = installation.api(kind);
    api.patch(name, &PatchParams::default(), &Patch::Strategic(patch)).await.unwrap();
}

/// Another image of the first container, which all targets call the same.
fn image(image: &str) -> Value {
    let containers = json!([{"name": "podinfod", "image": image}]);
    json!({"spec": {"template": {"spec": {"containers": containers}}}})
}

/// Deletes a primary and waits for its successor.
async fn made_anew(installation: &Installation, kind: &str, name: &str) {
    let api = installation.api(kind);
    let gone = api.get(name).await.unwrap().metadata.uid;
    installation.delete(kind, name).await.unwrap();
    let back = await_condition(api, name, |object: Option<&DynamicObject>| {
        object.is_some_and(|object| object.metadata.uid != gone)
    });
    let waited = tokio::time::timeout(PATIENCE, back).await;
    assert!(waited.is_ok(), "{name} did not come back; the controller wrote:\n{}", installation.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_charts_rights_are_enough_for_a_rollout_and_none_is_spare() {
    let (Some(assets), Some(helm), Some(canaryd)) = (installed(), tool("HELM"), tool("CANARYD")) else {
        return;
    };
    let mut server = ApiServer::start_strict(&assets).await.unwrap();
    let controllers = "deployment-controller,replicaset-controller,garbage-collector-controller";
    assert!(server.start_controllers(&assets, controllers).unwrap());
    let prometheus = Stub::prometheus(100.0).await.unwrap();
    let chat = Stub::start("200 OK", r#"{"ok":true}"#).await.unwrap();
    let mut installation = Installation::new(&server, &assets, helm, canaryd).await.unwrap();
    installation.install(prometheus.address()).unwrap();
    let kubelets = [cluster::NAMESPACE, cluster::TESTS]
        .map(|namespace| pods_become_ready(server.client().unwrap(), namespace));
    installation.run().await.unwrap();

    // The namespace takes only pods that the Pod Security Standard `restricted` allows.
    let pods = installation.pods(cluster::NAMESPACE, "app.kubernetes.io/name=flagger");
    let admitted = tokio::time::timeout(PATIENCE, pods).await.expect("no pod of the controller was admitted");
    assert_eq!(admitted["spec"]["containers"][0]["name"], "flagger");
    let metrics = fetch(installation.port(), "/metrics").await.unwrap();
    assert!(metrics.contains("flagger_info{mesh_provider=\"kubernetes\""), "{metrics}");

    let keda = open_definition("keda.sh", "v1alpha1", "ScaledObject", "scaledobjects");
    installation.define(keda).await.unwrap();
    let daemons = daemons_become_ready(server.client().unwrap(), cluster::TESTS);
    for object in objects::objects(prometheus.address(), chat.address()) {
        installation.create(object).await.unwrap();
    }
    until(&installation, "podinfo", "Initialized").await;
    until(&installation, "reverted", "Initialized").await;
    until(&installation, "agent", "Initialized").await;
    until(&installation, "scaled", "Initialized").await;
    // Another limit follows to the primary's.
    let limit = Patch::Merge(json!({"spec": {"maxReplicaCount": 7}}));
    let scaler = installation.api("ScaledObject");
    scaler.patch("scaled", &PatchParams::default(), &limit).await.unwrap();

    // A new revision, with new configs and another limit.
    change(&installation, "ConfigMap", "podinfo", json!({"data": {"color": "green"}})).await;
    change(&installation, "Secret", "podinfo", json!({"stringData": {"token": "two"}})).await;
    change(&installation, "HorizontalPodAutoscaler", "podinfo", json!({"spec": {"maxReplicas": 5}})).await;
    change(&installation, "Deployment", "podinfo", image("podinfo:2")).await;
    until(&installation, "podinfo", "Progressing").await;
    // A controller that is started anew looks for the event that its predecessor may not have sent.
    installation.stop().await.unwrap();
    installation.run().await.unwrap();
    until(&installation, "podinfo", "Succeeded").await;
    // A primary that somebody deletes while nobody has judged the next revision yet is what was promoted.
    change(&installation, "Deployment", "podinfo", image("podinfo:3")).await;
    change(&installation, "DaemonSet", "agent", image("agent:2")).await;
    for (canary, kind) in [("podinfo", "Deployment"), ("agent", "DaemonSet")] {
        until(&installation, canary, "Progressing").await;
        made_anew(&installation, kind, &format!("{canary}-primary")).await;
    }
    let primary = installation.api("Deployment").get("podinfo-primary").await.unwrap();
    assert_eq!(primary.data["spec"]["template"]["spec"]["containers"][0]["image"], "podinfo:2");
    until(&installation, "podinfo", "Succeeded").await;
    installation.delete("Canary", "reverted").await.unwrap();
    let followed = await_condition(
        installation.api("ScaledObject"),
        "scaled-primary",
        |object: Option<&DynamicObject>| object.is_some_and(|o| o.data["spec"]["maxReplicaCount"] == 7),
    );
    tokio::time::timeout(PATIENCE, followed).await.expect("the limit does not follow").unwrap();
    assert!(!chat.requests().is_empty(), "nobody was told");

    // Before its rights are taken away.
    let user = format!("system:serviceaccount:{}:flagger", cluster::NAMESPACE);
    access::judge(&server.requests_of(&user).unwrap(), installation.granted());

    installation.uninstall().await.unwrap();
    let service = installation.api("Service").get("podinfo").await.unwrap();
    assert_eq!(service.data["spec"]["selector"]["app"], "podinfo-primary");
    let primary = installation.api("Deployment").get("podinfo-primary").await.unwrap();
    assert!(primary.data["status"]["readyReplicas"].as_i64() >= Some(1), "{}", primary.data);
    assert_eq!(primary.data["spec"]["template"]["spec"]["containers"][0]["image"], "podinfo:3");
    assert!(
        installation.api("Canary").get("podinfo").await.is_ok(),
        "the definitions went, and all canaries"
    );

    daemons.abort();
    kubelets.iter().for_each(tokio::task::JoinHandle::abort);
}
