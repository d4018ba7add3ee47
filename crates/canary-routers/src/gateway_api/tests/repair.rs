//! What is corrected on objects that exist, what is left alone, what is given back, and how refusals read.

use canary_core::RouterError;

use super::*;
use crate::{ObjectError, Operation};

#[tokio::test]
async fn calls_that_find_their_work_done_write_nothing() {
    let mesh = Mesh::new("v1").reconciled().await;
    for weights in [canary(10), Weights::MIRROR, Weights::CANARY, Weights::PRIMARY] {
        mesh.set(weights).await;
        let writes = mesh.objects.writes();
        mesh.set(weights).await;
        mesh.reconcile().await;
        assert_eq!(mesh.objects.writes(), writes, "{weights}");
    }
}

#[tokio::test]
async fn a_repair_keeps_the_weights_of_a_running_rollout() {
    let mesh = Mesh::new("v1").reconciled().await;
    mesh.set(canary(30)).await;
    let before = mesh.stored()["spec"].clone();
    mesh.edit(|object| {
        object["spec"]["hostnames"] = json!(["elsewhere.example.com"]);
        object["spec"]["parentRefs"] = json!([]);
        object["spec"]["rules"][0]["matches"] = json!([{"path": {"type": "Exact", "value": "/x"}}]);
        object["spec"]["rules"][0]["timeouts"] = json!({"request": "1s"});
        object["spec"]["rules"][0]["backendRefs"][0]["port"] = json!(1);
    });
    mesh.reconcile().await;
    assert_eq!(mesh.stored()["spec"], before);
    for broken in [json!([]), json!([{"backendRefs": split(0, 0)}])] {
        mesh.edit(|object| object["spec"]["rules"] = broken);
        mesh.reconcile().await;
        assert_eq!(mesh.rules()[0]["backendRefs"], split(100, 0));
    }
}

#[tokio::test]
async fn what_is_not_ours_survives() {
    let mesh = Mesh::new("v1").reconciled().await;
    let extension =
        json!({"type": "ExtensionRef", "extensionRef": {"group": "x", "kind": "Limit", "name": "l"}});
    mesh.edit(|object| {
        object["metadata"]["labels"] = json!({"team": "a"});
        object["metadata"]["annotations"]["note"] = json!("mine");
        object["spec"]["useDefaultGateways"] = json!("All");
        object["spec"]["rules"][0]["retry"] = json!({"attempts": 2});
        object["spec"]["rules"][0]["filters"] = json!([extension]);
        object["spec"]["rules"][0]["backendRefs"][1]["later"] = json!(true);
    });
    mesh.reconcile().await;
    mesh.set(canary(10)).await;
    let object = mesh.stored();
    assert_eq!(object["metadata"]["labels"], json!({"team": "a"}));
    assert_eq!(object["metadata"]["annotations"]["note"], "mine");
    assert_eq!(object["spec"]["useDefaultGateways"], "All");
    let rule = &object["spec"]["rules"][0];
    assert_eq!(rule["retry"], json!({"attempts": 2}));
    assert_eq!(rule["filters"], json!([extension]));
    assert_eq!(rule["backendRefs"][1]["later"], true);
    assert_eq!(rule["backendRefs"][1]["weight"], 10);
}

#[tokio::test]
async fn the_route_that_the_user_had_is_given_back() {
    let original =
        json!({"hostnames": ["old"], "rules": [{"backendRefs": [{"name": "podinfo", "port": 80}]}]});
    let mesh = Mesh::new("v1");
    let metadata = json!({"name": "podinfo", "namespace": "test"});
    mesh.objects.insert(&kind("v1"), json!({"metadata": metadata, "spec": original}));
    mesh.reconcile().await;
    mesh.set(canary(50)).await;
    assert_eq!(mesh.weights().await, canary(50));
    mesh.router.finalize(&mesh.route).await.unwrap();
    assert_eq!(mesh.stored()["spec"], original);

    let ours = Mesh::new("v1").reconciled().await;
    let before = ours.stored();
    ours.router.finalize(&ours.route).await.unwrap();
    assert_eq!(ours.stored(), before);
}

#[tokio::test]
async fn weights_count_once_the_gateway_has_accepted_them() {
    let parent = json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "gateway", "namespace": "infra"});
    let other = json!({"name": "other"});
    let cases = [
        (&parent, "True", 2, true),
        (&parent, "False", 2, false),
        (&parent, "True", 1, false),
        (&other, "False", 1, true),
    ];
    for (parent, status, observed, ready) in cases {
        for version in ["v1", "v1beta1"] {
            let mesh = Mesh::new(version).reconciled().await;
            mesh.edit(|object| {
                object["metadata"]["generation"] = json!(2);
                let condition = json!({"type": "Accepted", "status": status, "observedGeneration": observed});
                object["status"] = json!({"parents": [{"parentRef": parent, "conditions": [condition]}]});
            });
            let answer = mesh.router.weights(&mesh.route).await;
            if ready || version == "v1beta1" {
                assert_eq!(answer.unwrap(), Some(Weights::PRIMARY));
            } else {
                let expected = format!(
                    "HTTPRoute podinfo.test parent gateway is not ready (status: {status}, observed generation: \
                     {observed}, current generation: 2)"
                );
                assert_eq!(answer.unwrap_err().to_string(), expected);
            }
        }
    }
}

#[tokio::test]
async fn refusals_name_the_object_and_what_was_tried() {
    let mesh = Mesh::new("v1");
    assert_eq!(mesh.router.weights(&mesh.route).await.unwrap(), None);
    let absent = mesh.router.set_weights(&mesh.route, canary(10)).await.unwrap_err();
    let expected =
        r#"HTTPRoute podinfo.test get error: httproutes.gateway.networking.k8s.io "podinfo" not found"#;
    assert_eq!(absent.to_string(), expected);
    mesh.reconcile().await;

    mesh.objects.fail_next(Operation::Replace, ObjectError::Conflict("modified".into()));
    let error = mesh.router.set_weights(&mesh.route, canary(10)).await.unwrap_err();
    assert_eq!(error.to_string(), "HTTPRoute podinfo.test update error: modified while setting weights");
    assert!(matches!(error, RouterError::Api { conflict: true, .. }));

    mesh.edit(|object| object["spec"]["hostnames"] = json!([]));
    mesh.objects.fail_next(Operation::Replace, ObjectError::Forbidden("no".into()));
    let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
    let lacks = r#"(the role of the controller lacks "update" on httproutes.gateway.networking.k8s.io)"#;
    assert_eq!(
        error.to_string(),
        format!("HTTPRoute podinfo.test update error: no {lacks} while reconciling")
    );

    mesh.edit(|object| object["spec"]["rules"] = json!([]));
    let error = mesh.router.weights(&mesh.route).await.unwrap_err();
    assert_eq!(error.category(), "invalid");

    mesh.objects.uninstall(&kind("v1"));
    let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
    assert!(
        error.to_string().contains("the CRD httproutes.gateway.networking.k8s.io installed, with v1"),
        "{error}"
    );
    mesh.router.finalize(&mesh.route).await.unwrap();
}

#[tokio::test]
async fn a_route_attaches_to_every_listener_named_and_waits_for_each_that_reports() {
    let refs = [
        json!({"name": "public", "namespace": "infra", "sectionName": "https", "port": 443}),
        json!({"name": "public", "namespace": "infra", "sectionName": "http"}),
        json!({"name": "mesh", "group": "", "kind": "Service"}),
    ];
    let mesh = Mesh::new("v1").with(|route| route.gateway_refs = refs.to_vec()).reconciled().await;
    let parents = mesh.stored()["spec"]["parentRefs"].clone();
    let gateway = |mut parent: Value| {
        parent["group"] = json!("gateway.networking.k8s.io");
        parent["kind"] = json!("Gateway");
        parent
    };
    assert_eq!(parents, json!([gateway(refs[0].clone()), gateway(refs[1].clone()), refs[2]]));
    let report = |status: &str| {
        let reports = [(&parents[0], "True"), (&parents[1], status)].map(|(parent, status)| {
            let conditions = [
                json!({"type": "ResolvedRefs", "status": "False", "observedGeneration": 1}),
                json!({"type": "Accepted", "status": status, "observedGeneration": 1}),
            ];
            json!({"parentRef": parent, "conditions": conditions})
        });
        mesh.edit(|object| {
            object["metadata"]["generation"] = json!(1);
            object["status"] = json!({ "parents": reports });
        });
    };
    report("False");
    let error = mesh.router.weights(&mesh.route).await.unwrap_err();
    assert!(error.to_string().contains("parent public is not ready (status: False"), "{error}");
    assert!(error.is_retryable());
    report("True");
    assert_eq!(mesh.weights().await, Weights::PRIMARY);
}

#[tokio::test]
async fn what_the_api_server_fills_in_is_no_drift() {
    let mesh = Mesh::new("v1").with(|route| {
        route.matches = vec![header("x-a", exact("1"))];
        route.static_mirrors =
            vec![json!({"backendRef": {"name": "audit", "namespace": "logs", "port": 80}})];
        route.cors_policy = Some(canary_core::CorsPolicy {
            allow_origin: vec!["https://a.example.com".into()],
            ..canary_core::CorsPolicy::default()
        });
    });
    mesh.reconcile().await;
    mesh.set(canary(20)).await;
    mesh.edit(|object| {
        let rule = &mut object["spec"]["rules"][0];
        assert_eq!(rule["matches"][0]["path"], json!({"type": "PathPrefix", "value": "/"}));
        let mirror =
            json!({"group": "", "kind": "Service", "name": "audit", "namespace": "logs", "port": 80});
        assert_eq!(rule["filters"][0]["requestMirror"]["backendRef"], mirror);
        rule["filters"][1]["cors"]["maxAge"] = json!(5);
    });
    let writes = mesh.objects.writes();
    mesh.reconcile().await;
    mesh.set(canary(20)).await;
    assert_eq!((mesh.objects.writes(), mesh.weights().await), (writes, canary(20)));
}
