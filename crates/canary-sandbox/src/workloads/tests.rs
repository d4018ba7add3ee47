//! What the simulated controllers make of workloads, seen as a test sees them.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{PodFate, Sandbox};

fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn template(image: &str, labels: &Value) -> Value {
    json!({ "metadata": { "labels": labels }, "spec": { "containers": [{ "name": "c", "image": image }] } })
}

fn deployment(image: &str, replicas: u64) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "d", "namespace": "test" },
        "spec": { "replicas": replicas, "selector": { "matchLabels": { "app": "d" } },
            "template": template(image, &json!({ "app": "d" })) },
    })
}

struct World {
    sandbox: Sandbox,
    passed: i64,
}

impl World {
    fn new() -> Self {
        Self { sandbox: Sandbox::new(start()), passed: 0 }
    }

    fn put(&self, object: Value) {
        self.sandbox.put_object(object).unwrap();
    }

    fn pass(&mut self, seconds: i64) -> Value {
        self.passed += seconds;
        self.sandbox.advance(start() + SignedDuration::from_secs(self.passed));
        self.sandbox.get("deployments.apps", "test", "d").unwrap_or_default()["status"].clone()
    }

    fn patch(&self, patch: &Value) {
        self.sandbox.patch_object("deployments.apps", "test", "d", patch).unwrap();
    }
}

fn condition<'a>(status: &'a Value, kind: &str) -> (&'a str, &'a str) {
    let list = status["conditions"].as_array().unwrap();
    let found = list.iter().find(|c| c["type"] == kind).unwrap();
    (found["status"].as_str().unwrap(), found["reason"].as_str().unwrap())
}

#[test]
fn a_new_deployment_becomes_available_when_its_pods_are_ready() {
    let mut world = World::new();
    world.put(deployment("x:1", 2));
    let status = world.pass(0);
    assert_eq!(
        (&status["replicas"], &status["readyReplicas"], &status["observedGeneration"]),
        (&json!(2), &Value::Null, &json!(1))
    );
    assert_eq!(condition(&status, "Available"), ("False", "MinimumReplicasUnavailable"));
    assert_eq!(condition(&status, "Progressing"), ("True", "ReplicaSetUpdated"));
    let status = world.pass(1);
    assert_eq!((&status["readyReplicas"], &status["unavailableReplicas"]), (&json!(2), &Value::Null));
    assert_eq!(condition(&status, "Available"), ("True", "MinimumReplicasAvailable"));
    assert_eq!(condition(&status, "Progressing"), ("True", "NewReplicaSetAvailable"));
    assert_eq!(world.sandbox.next_due(), None);
}

#[test]
fn a_rolling_update_keeps_its_bounds_and_ends_with_new_pods_only() {
    let mut world = World::new();
    world.put(deployment("x:1", 4));
    world.pass(1);
    world.put(deployment("x:2", 4));
    let mut seen = Vec::new();
    for _ in 0..20 {
        let status = world.pass(1);
        let count = |key: &str| status[key].as_u64().unwrap_or(0);
        assert!(count("replicas") <= 5, "surge of one: {status}");
        assert!(count("availableReplicas") >= 3, "one may be missing: {status}");
        seen.push(count("updatedReplicas"));
        if condition(&status, "Progressing").1 == "NewReplicaSetAvailable" && count("replicas") == 4 {
            break;
        }
    }
    assert!(seen.is_sorted() && seen.last() == Some(&4), "{seen:?}");
}

#[test]
fn an_update_that_never_gets_ready_exceeds_its_deadline() {
    let mut world = World::new();
    world.put(deployment("x:1", 2));
    world.pass(1);
    world.sandbox.set_pod_rule(|pod| pod.images().any(|i| i == "x:2").then(PodFate::never_ready));
    world.patch(&json!({ "spec": { "progressDeadlineSeconds": 60, "template": { "spec": { "containers": [
        { "name": "c", "image": "x:2" }] } } } }));
    let status = world.pass(60);
    assert_eq!(condition(&status, "Progressing"), ("True", "ReplicaSetUpdated"));
    let status = world.pass(2);
    assert_eq!(condition(&status, "Progressing"), ("False", "ProgressDeadlineExceeded"));
    assert_eq!(condition(&status, "Available"), ("True", "MinimumReplicasAvailable"), "old pods still serve");
}

#[test]
fn scaling_up_from_zero_never_exceeds_the_deadline() {
    let mut world = World::new();
    world.put(deployment("x:1", 0));
    assert_eq!(condition(&world.pass(1), "Progressing"), ("True", "NewReplicaSetAvailable"));
    world.sandbox.set_pod_rule(|_| Some(PodFate::never_ready()));
    world.patch(&json!({ "spec": { "replicas": 2 } }));
    let status = world.pass(3_600);
    assert_eq!(condition(&status, "Progressing"), ("True", "NewReplicaSetAvailable"));
    assert_eq!(condition(&status, "Available"), ("False", "MinimumReplicasUnavailable"));
    world.patch(&json!({ "spec": { "replicas": 0 } }));
    let status = world.pass(1);
    assert_eq!((&status["replicas"], condition(&status, "Available").0), (&Value::Null, "True"));
}

#[test]
fn a_crash_looping_pod_is_ready_for_a_while() {
    let mut world = World::new();
    let (second, ten) = (Duration::from_secs(1), Duration::from_secs(10));
    world.sandbox.set_pod_rule(move |_| Some(PodFate::crash_loop(second, ten)));
    world.put(deployment("x:1", 1));
    assert_eq!(world.pass(5)["readyReplicas"], 1);
    assert_eq!(world.pass(5)["readyReplicas"], Value::Null);
    world.sandbox.set_pod_rule(|_| None);
    world.sandbox.reconsider_pods();
    assert_eq!(world.pass(0)["readyReplicas"], 1);
}

#[test]
fn available_is_later_than_ready_with_min_ready_seconds() {
    let mut world = World::new();
    let mut object = deployment("x:1", 1);
    object["spec"]["minReadySeconds"] = 10.into();
    world.put(object);
    let status = world.pass(1);
    assert_eq!((&status["readyReplicas"], &status["availableReplicas"]), (&json!(1), &Value::Null));
    assert_eq!(world.pass(10)["availableReplicas"], 1);
}

#[test]
fn an_autoscaler_keeps_replicas_between_its_bounds_and_rests_at_zero() {
    let mut world = World::new();
    world.put(deployment("x:1", 1));
    world.put(json!({ "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": { "name": "d", "namespace": "test" },
        "spec": { "minReplicas": 2, "maxReplicas": 4,
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "d" } } }));
    assert_eq!(world.pass(1)["replicas"], 2);
    for (asked, given) in [(9, json!(4)), (0, Value::Null)] {
        world.patch(&json!({ "spec": { "replicas": asked } }));
        assert_eq!(world.pass(1)["replicas"], given);
    }
}

#[test]
fn a_daemon_set_follows_its_node_selector() {
    let mut world = World::new();
    let set = |image: &str| {
        json!({ "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": { "name": "s", "namespace": "test" },
            "spec": { "selector": { "matchLabels": { "app": "s" } }, "template": template(image, &json!({ "app": "s" })) } })
    };
    world.put(json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "second" } }));
    world.put(set("x:1"));
    let status = |world: &World| world.sandbox.get("daemonsets.apps", "test", "s").unwrap()["status"].clone();
    world.pass(1);
    assert_eq!(
        (&status(&world)["numberReady"], &status(&world)["updatedNumberScheduled"]),
        (&json!(2), &json!(2))
    );
    world.put(set("x:2"));
    world.pass(0);
    assert_eq!(
        (&status(&world)["numberReady"], &status(&world)["updatedNumberScheduled"]),
        (&json!(1), &json!(1))
    );
    world.pass(2);
    assert_eq!(
        (&status(&world)["numberReady"], &status(&world)["updatedNumberScheduled"]),
        (&json!(2), &json!(2))
    );
    let away = json!({ "spec": { "template": { "spec": { "nodeSelector": { "no": "where" } } } } });
    world.sandbox.patch_object("daemonsets.apps", "test", "s", &away).unwrap();
    world.pass(1);
    assert_eq!(
        (&status(&world)["desiredNumberScheduled"], &status(&world)["numberReady"]),
        (&json!(0), &json!(0))
    );
}

#[test]
fn what_an_owner_owned_goes_with_it() {
    let mut world = World::new();
    let uid = world.sandbox.put_object(deployment("x:1", 1)).unwrap()["metadata"]["uid"].clone();
    let reference = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "d", "uid": uid });
    world.put(json!({ "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "owned", "namespace": "test", "ownerReferences": [reference] } }));
    world.pass(1);
    assert!(world.sandbox.get("configmaps", "test", "owned").is_some());
    world.sandbox.delete_object("deployments.apps", "test", "d").unwrap();
    world.pass(0);
    assert!(world.sandbox.get("configmaps", "test", "owned").is_none());
    let labels = json!({ "app": "d" });
    assert_eq!(world.sandbox.pods("test", labels.as_object().unwrap()).total, 0);
}

#[test]
fn a_deleted_namespace_takes_everything_with_it() {
    let mut world = World::new();
    world.put(deployment("x:1", 1));
    world.pass(1);
    world.sandbox.delete_object("namespaces", "", "test").unwrap();
    let late = world.sandbox.put_object(deployment("x:2", 1));
    assert!(late.is_ok(), "an existing object can still be changed");
    world.pass(0);
    assert!(world.sandbox.get("namespaces", "", "test").is_none());
    assert!(world.sandbox.list("deployments.apps", "test").is_empty());
}

#[test]
fn the_templates_that_a_deployment_had_stay_as_replica_sets_until_its_history_is_full() {
    let mut world = World::new();
    let mut object = deployment("x:1", 2);
    object["spec"]["revisionHistoryLimit"] = 1.into();
    world.put(object);
    let images = |world: &World| {
        let sets = world.sandbox.list("replicasets.apps", "test");
        let image = |set: &Value| set["spec"]["template"]["spec"]["containers"][0]["image"].clone();
        let mut images: Vec<_> =
            sets.iter().map(|set| (image(set), set["spec"]["replicas"].clone())).collect();
        images.sort_by_key(|(image, _)| image.to_string());
        json!(images)
    };
    for image in ["x:2", "x:3"] {
        world.pass(60);
        world.patch(&json!({"spec": {"template": template(image, &json!({"app": "d"}))}}));
    }
    world.pass(60);
    assert_eq!(images(&world), json!([["x:2", 0], ["x:3", 2]]));
    let set = world.sandbox.list("replicasets.apps", "test").remove(0);
    assert_eq!(set["metadata"]["ownerReferences"][0]["name"], "d");
    assert!(set["spec"]["template"]["metadata"]["labels"]["pod-template-hash"].is_string());
}
