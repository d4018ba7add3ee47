//! What is corrected on objects that exist, what is left alone, and what is given back.

use super::*;

#[tokio::test]
async fn calls_that_find_their_work_done_write_nothing() {
    for version in BOTH {
        let mesh = Mesh::recorded(version).reconciled().await;
        for weights in [canary(10), Weights::CANARY, Weights::PRIMARY] {
            mesh.set(weights).await;
            let writes = mesh.objects.writes();
            mesh.set(weights).await;
            mesh.reconcile().await;
            assert_eq!(mesh.objects.writes(), writes, "{version} {weights}");
        }
    }
}

#[tokio::test]
async fn a_repair_keeps_the_weights_of_a_running_rollout() {
    for version in BOTH {
        let mesh = Mesh::recorded(version).reconciled().await;
        mesh.set(canary(30)).await;
        let (of, name) = mesh.apex();
        let before = (mesh.spec(of, name), mesh.spec("VirtualNode", "podinfo-canary"));
        mesh.edit(of, name, |object| {
            let field = if version == "v1beta1" { "http" } else { "httpRoute" };
            let rule = &mut object["spec"]["routes"][0][field];
            rule["match"]["prefix"] = json!("/elsewhere");
            rule["action"]["weightedTargets"].as_array_mut().unwrap().reverse();
        });
        mesh.edit("VirtualNode", "podinfo-canary", |object| {
            object["spec"]["listeners"][0]["portMapping"]["port"] = json!(1);
            object["spec"]["serviceDiscovery"] = json!({"awsCloudMap": {"serviceName": "x"}});
        });
        mesh.reconcile().await;
        assert_eq!((mesh.spec(of, name), mesh.spec("VirtualNode", "podinfo-canary")), before);
        assert_eq!(mesh.weights().await, canary(30));
    }
}

#[tokio::test]
async fn a_change_of_the_canary_in_the_middle_keeps_the_weights() {
    for version in BOTH {
        let mesh = Mesh::recorded(version).reconciled().await;
        mesh.set(canary(40)).await;
        let mesh =
            mesh.with(|route| route.conditions = vec![headers(&[("x", exact("y"))])]).reconciled().await;
        assert_eq!((mesh.rules().len(), mesh.weights().await), (2, canary(40)));
        let mesh = mesh
            .with(|route| {
                route.conditions.clear();
                route.retries = None;
                route.timeout = None;
            })
            .reconciled()
            .await;
        assert_eq!(mesh.rules(), [json!({"match": {"prefix": "/"}, "action": mesh.action(60, 40)})]);
    }
}

#[tokio::test]
async fn weights_that_cannot_be_read_become_all_for_the_primary() {
    for version in BOTH {
        let mesh = Mesh::new(version).reconciled().await;
        let (of, name) = mesh.apex();
        for broken in [json!([]), json!("none"), json!([{"name": "podinfo"}])] {
            mesh.edit(of, name, |object| object["spec"]["routes"] = broken);
            mesh.reconcile().await;
            assert_eq!(mesh.weights().await, Weights::PRIMARY);
        }
        mesh.edit(of, name, |object| {
            let field = if version == "v1beta1" { "http" } else { "httpRoute" };
            object["spec"]["routes"][0][field]["action"] = mesh.action(0, 0);
        });
        assert!(mesh.router.weights(&mesh.route).await.is_err());
        mesh.reconcile().await;
        assert_eq!(mesh.weights().await, Weights::PRIMARY);
    }
}

#[tokio::test]
async fn foreign_fields_labels_and_annotations_survive() {
    for version in BOTH {
        let mesh = Mesh::recorded(version).reconciled().await;
        let (of, name) = mesh.apex();
        mesh.edit(of, name, |object| {
            let field = if version == "v1beta1" { "http" } else { "httpRoute" };
            object["metadata"]["labels"] = json!({"team": "a"});
            object["metadata"]["annotations"]["note"] = json!("mine");
            object["spec"]["awsName"] = json!("podinfo_test");
            object["spec"]["meshRef"] = json!({"name": "global", "uid": "1"});
            object["spec"]["routes"][0][field]["retryPolicy"]["tcpRetryEvents"] = json!(["connection-error"]);
            object["spec"]["routes"][0][field]["action"]["weightedTargets"][1]["port"] = json!(1);
        });
        mesh.edit("VirtualNode", "podinfo-primary", |object| {
            object["spec"]["listeners"][0]["healthCheck"] = json!({"path": "/healthz"});
            object["spec"]["backends"][1]["virtualService"]["clientPolicy"] = json!({"tls": {}});
            object["spec"]["backendDefaults"] = json!({});
            object["metadata"]["labels"] = json!({"team": "b"});
        });
        mesh.reconcile().await;
        mesh.set(canary(10)).await;
        let object = mesh.find(of, name).unwrap();
        assert_eq!(object["metadata"]["labels"], json!({"team": "a"}));
        assert_eq!(object["metadata"]["annotations"]["note"], "mine");
        assert_eq!(object["spec"]["awsName"], "podinfo_test");
        assert_eq!(object["spec"]["meshRef"]["uid"], "1");
        assert_eq!(mesh.rules()[0]["retryPolicy"]["tcpRetryEvents"], json!(["connection-error"]));
        assert_eq!(mesh.rules()[0]["action"]["weightedTargets"][1]["port"], 1);

        // A repair finds elements of lists by their names.
        let mesh = mesh.with(|route| drop(route.backends.remove(0))).reconciled().await;
        let node = mesh.find("VirtualNode", "podinfo-primary").unwrap();
        assert_eq!(node["metadata"]["labels"], json!({"team": "b"}));
        assert_eq!(node["spec"]["listeners"][0]["healthCheck"]["path"], "/healthz");
        assert_eq!(node["spec"]["backends"].as_array().unwrap().len(), 1);
        assert_eq!(node["spec"]["backends"][0]["virtualService"]["clientPolicy"], json!({"tls": {}}));
        assert_eq!(node["spec"]["backendDefaults"], json!({}));
    }
}

#[tokio::test]
async fn the_access_log_follows_the_annotation_and_is_else_the_users_own() {
    let mesh = Mesh::recorded("v1beta2").reconciled().await;
    let mesh = mesh.with(|route| route.canary_annotations.clear()).reconciled().await;
    let logging = |mesh: &Mesh| mesh.spec("VirtualNode", "podinfo-primary").get("logging").cloned();
    assert_eq!(logging(&mesh), None);

    let own = json!({"accessLog": {"file": {"path": "/var/log/access"}}});
    mesh.edit("VirtualNode", "podinfo-primary", |object| object["spec"]["logging"] = own.clone());
    mesh.reconcile().await;
    assert_eq!(logging(&mesh), Some(own));
}

#[tokio::test]
async fn the_annotations_of_the_gateway_follow_the_canary() {
    for version in BOTH {
        let mesh = Mesh::recorded(version).reconciled().await;
        let name = if version == "v1beta1" { "podinfo.test" } else { "podinfo" };
        let mesh = mesh
            .with(|route| {
                route.timeout = None;
                route.hosts = vec!["a".into(), "b".into()];
            })
            .reconciled()
            .await;
        let expected = json!({"annotations": {
            "gateway.appmesh.k8s.aws/domain": "a,b,",
            "gateway.appmesh.k8s.aws/expose": "true",
            "gateway.appmesh.k8s.aws/retries": "3",
        }});
        assert_eq!(mesh.metadata("VirtualService", name), expected);
    }
}

#[tokio::test]
async fn a_service_that_is_missing_is_made_again() {
    let mesh = Mesh::new("v1beta2").reconciled().await;
    crate::Objects::delete(&*mesh.objects, &kind("v1beta2", "VirtualService"), "test", "podinfo")
        .await
        .unwrap();
    mesh.reconcile().await;
    assert!(mesh.find("VirtualService", "podinfo").is_some());
}

#[tokio::test]
async fn what_the_user_had_is_given_back() {
    let mesh = Mesh::new("v1beta2");
    let service = json!({"provider": {"virtualNode": {"virtualNodeRef": {"name": "podinfo-old"}}}});
    let router = json!({"listeners": [{"portMapping": {"port": 1, "protocol": "tcp"}}], "routes": [
        {"name": "podinfo", "tcpRoute": {"action": {"weightedTargets": [
            {"virtualNodeRef": {"name": "podinfo-old"}, "weight": 1}]}}}]});
    mesh.found("VirtualService", "podinfo", &service);
    mesh.found("VirtualRouter", "podinfo", &router);
    mesh.reconcile().await;
    mesh.set(canary(50)).await;
    let provider = json!({"provider": {"virtualRouter": {"virtualRouterRef": {"name": "podinfo"}}}});
    assert_eq!(mesh.spec("VirtualService", "podinfo"), provider);
    assert_eq!(mesh.rules().len(), 1);
    assert!(mesh.spec("VirtualRouter", "podinfo")["routes"][0].get("tcpRoute").is_none());

    mesh.router.finalize(&mesh.route).await.unwrap();
    assert_eq!(mesh.spec("VirtualService", "podinfo"), service);
    assert_eq!(mesh.spec("VirtualRouter", "podinfo"), router);
    let writes = mesh.objects.writes();
    mesh.router.finalize(&mesh.route).await.unwrap();
    assert_eq!(mesh.objects.writes(), writes);

    let mesh = Mesh::new("v1beta1");
    let node = json!({"meshName": "global", "serviceDiscovery": {"dns": {"hostName": "podinfo.test"}}});
    mesh.found("VirtualNode", "podinfo", &node);
    mesh.reconcile().await;
    mesh.router.finalize(&mesh.route).await.unwrap();
    assert_eq!(mesh.spec("VirtualNode", "podinfo"), node);
}

#[tokio::test]
async fn what_we_made_is_not_taken_for_the_users() {
    for version in BOTH {
        let mesh = Mesh::new(version).with(|route| route.owner = None).reconciled().await;
        let mesh =
            mesh.with(|route| route.port = 81).with(|route| route.target_port = None).reconciled().await;
        let (of, name) = mesh.apex();
        for (of, name) in [(of, name), ("VirtualNode", "podinfo-primary")] {
            let annotations = &mesh.find(of, name).unwrap()["metadata"]["annotations"];
            assert_eq!(annotations[crate::takeover::ORIGINAL], Value::Null, "{of} {name}");
        }
        mesh.router.finalize(&mesh.route).await.unwrap();
    }
}
