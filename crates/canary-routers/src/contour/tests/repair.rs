//! What is corrected on objects that exist, what is left alone, and what is given back.

use super::*;

#[tokio::test]
async fn a_repair_keeps_the_weights_and_what_is_not_ours() {
    let mesh = Mesh::new("").reconciled().await;
    mesh.set(canary(30)).await;
    let host = json!({"fqdn": "app.example.com", "tls": {"secretName": "tls"}});
    mesh.edit(|object| {
        object["metadata"]["labels"] = json!({"team": "a"});
        object["metadata"]["annotations"] = json!({"note": "mine"});
        let spec = &mut object["spec"];
        spec["virtualhost"] = host.clone();
        spec["ingressClassName"] = json!("theirs");
        let route = &mut spec["routes"][0];
        route["enableWebsockets"] = json!(true);
        route["conditions"] = json!([{"prefix": "/elsewhere"}]);
        route["timeoutPolicy"] = json!({"response": "1s"});
        route["services"][1]["protocol"] = json!("h2c");
        route["services"][0]["requestHeadersPolicy"]["set"] = json!([{"name": "x-mine", "value": "1"}]);
        route["services"].as_array_mut().unwrap().reverse();
    });
    mesh.reconcile().await;
    let mut expected = split(70, 30);
    expected["enableWebsockets"] = json!(true);
    expected["services"][1]["protocol"] = json!("h2c");
    let set = &mut expected["services"][0]["requestHeadersPolicy"]["set"];
    set.as_array_mut().unwrap().insert(0, json!({"name": "x-mine", "value": "1"}));
    assert_eq!(mesh.routes(), json!([expected]));
    let object = mesh.stored();
    assert_eq!(object["spec"]["virtualhost"], host);
    assert_eq!(object["spec"]["ingressClassName"], "theirs");
    assert_eq!(object["metadata"]["labels"], json!({"team": "a"}));
    assert_eq!(object["metadata"]["annotations"]["note"], "mine");
    assert_eq!(object["metadata"]["annotations"]["kustomize.toolkit.fluxcd.io/reconcile"], "disabled");
}

#[tokio::test]
async fn weights_set_by_hand_are_shares_of_their_sum_and_unreadable_ones_go_to_the_primary() {
    let mesh = Mesh::new("").reconciled().await;
    let alone = json!({"services": [service("podinfo-canary", 7)]});
    for (routes, percent) in
        [(json!([split(3, 1)]), 25), (json!([{}, split(200, 200)]), 50), (json!([alone]), 100)]
    {
        mesh.edit(|object| object["spec"]["routes"] = routes);
        assert_eq!(mesh.weights().await, canary(percent));
        mesh.reconcile().await;
        assert_eq!(mesh.weights().await, canary(percent));
    }
    for routes in [json!([]), json!(null), json!([{}]), json!([split(0, 0)])] {
        mesh.edit(|object| object["spec"]["routes"] = routes);
        let error = mesh.router.weights(&mesh.route).await.unwrap_err();
        assert_eq!(error.to_string(), "HTTPProxy podinfo.test services not found");
        mesh.reconcile().await;
        assert_eq!(mesh.routes(), json!([split(100, 0)]));
    }
}

#[tokio::test]
async fn the_class_of_the_controller_is_enforced() {
    let mesh = Mesh::new("internal").reconciled().await;
    mesh.set(canary(20)).await;
    mesh.edit(|object| object["spec"]["ingressClassName"] = json!("theirs"));
    mesh.reconcile().await;
    assert_eq!(mesh.stored()["spec"]["ingressClassName"], "internal");
    assert_eq!(mesh.weights().await, canary(20));
}

#[tokio::test]
async fn the_proxy_that_the_user_had_is_given_back() {
    let original = json!({
        "virtualhost": {"fqdn": "app.example.com"},
        "routes": [{"services": [{"name": "podinfo", "port": 80}]}],
    });
    let mesh = Mesh::new("");
    let metadata = json!({"name": "podinfo", "namespace": "test"});
    mesh.objects.insert(&kind(), json!({"metadata": metadata, "spec": original}));
    mesh.reconcile().await;
    mesh.set(canary(50)).await;
    assert_eq!(mesh.stored()["spec"]["virtualhost"], original["virtualhost"]);
    mesh.router.finalize(&mesh.route).await.unwrap();
    assert_eq!(mesh.stored()["spec"], original);

    let ours = Mesh::new("").reconciled().await;
    let before = ours.stored();
    ours.router.finalize(&ours.route).await.unwrap();
    assert_eq!(ours.stored(), before);
}
