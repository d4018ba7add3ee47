use serde_json::json;

use super::*;

fn deployment() -> Value {
    json!({ "metadata": {}, "spec": {
        "selector": { "matchLabels": { "app": "x" } },
        "template": { "metadata": { "labels": { "app": "x" } }, "spec": { "containers": [{
            "name": "c", "image": "x", "ports": [{ "containerPort": 80 }], "env": [{ "name": "A", "value": "" }] }] } },
    } })
}

#[test]
fn a_deployment_gets_what_a_server_gives_it() {
    let object = apply(BuiltIn::Deployment, deployment(), None);
    let spec = &object["spec"];
    assert_eq!((&spec["replicas"], &spec["progressDeadlineSeconds"]), (&json!(1), &json!(600)));
    assert_eq!(spec["strategy"]["rollingUpdate"], json!({ "maxSurge": "25%", "maxUnavailable": "25%" }));
    let container = &spec["template"]["spec"]["containers"][0];
    assert_eq!(container["imagePullPolicy"], "Always");
    assert_eq!(container["env"], json!([{ "name": "A" }]));
    assert_eq!(container["ports"][0]["protocol"], "TCP");
    assert_eq!(faults(BuiltIn::Deployment, &object, None), []);
}

#[test]
fn defaults_are_not_added_twice() {
    for (kind, object) in [
        (BuiltIn::Deployment, deployment()),
        (BuiltIn::DaemonSet, deployment()),
        (BuiltIn::Service, json!({ "metadata": {}, "spec": { "ports": [{ "port": 80 }] } })),
        (BuiltIn::Autoscaler, json!({ "metadata": {}, "spec": { "maxReplicas": 2, "behavior": {} } })),
    ] {
        let once = apply(kind, object, None);
        assert_eq!(apply(kind, once.clone(), Some(&once)), once, "{kind:?}");
    }
}

#[test]
fn a_selector_stays_and_matches_the_template() {
    let old = apply(BuiltIn::Deployment, deployment(), None);
    let mut new = old.clone();
    new["spec"]["selector"]["matchLabels"]["tier"] = "web".into();
    assert_eq!(faults(BuiltIn::Deployment, &new, Some(&old)).len(), 2);
}

#[test]
fn an_address_once_given_stays() {
    let mut old =
        apply(BuiltIn::Service, json!({ "metadata": {}, "spec": { "ports": [{ "port": 80 }] } }), None);
    old["spec"]["clusterIP"] = "10.96.0.1".into();
    old["spec"]["clusterIPs"] = json!(["10.96.0.1"]);
    let new =
        apply(BuiltIn::Service, json!({ "metadata": {}, "spec": { "ports": [{ "port": 81 }] } }), Some(&old));
    assert_eq!(new["spec"]["clusterIP"], "10.96.0.1");
    let mut moved = new.clone();
    moved["spec"]["clusterIP"] = "10.96.0.2".into();
    assert_eq!(faults(BuiltIn::Service, &moved, Some(&old)).len(), 1);
}
