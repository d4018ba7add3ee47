//! What is corrected on objects that exist, what is left alone, and what is given back.

use super::*;

#[tokio::test]
async fn a_repair_keeps_the_weights_and_what_is_not_ours() {
    let mesh = Mesh::new().reconciled().await;
    mesh.set(canary(30)).await;
    mesh.edit(|object| {
        object["metadata"]["labels"] = json!({"team": "a"});
        object["metadata"]["annotations"] = json!({"note": "mine"});
        let spec = &mut object["spec"];
        spec["weight"] = json!(5);
        spec["routes"][0]["options"] = json!({"timeout": "1s"});
        spec["routes"][0]["matchers"] = json!([{"prefix": "/elsewhere"}]);
        let destinations = &mut spec["routes"][0]["routeAction"]["multi"]["destinations"];
        destinations[1]["options"] = json!({"later": true});
        destinations.as_array_mut().unwrap().reverse();
    });
    mesh.reconcile().await;
    let mut expected = split(70, 30);
    expected["options"] = json!({"timeout": "1s"});
    expected["routeAction"]["multi"]["destinations"][1]["options"] = json!({"later": true});
    assert_eq!(mesh.routes(), json!([expected]));
    let object = mesh.stored();
    assert_eq!(object["spec"]["weight"], 5);
    assert_eq!(object["metadata"]["labels"], json!({"team": "a"}));
    assert_eq!(object["metadata"]["annotations"]["note"], "mine");
    assert_eq!(object["metadata"]["annotations"]["kustomize.toolkit.fluxcd.io/reconcile"], "disabled");
}

#[tokio::test]
async fn weights_set_by_hand_are_shares_of_their_sum_and_unreadable_ones_go_to_the_primary() {
    let mesh = Mesh::new().reconciled().await;
    for (routes, percent) in [
        (json!([split(3, 1)]), 25),
        (json!([split(200, 200)]), 50),
        (json!([{"name": "other", "directResponseAction": {"status": 404}}, split(80, 20)]), 20),
    ] {
        mesh.edit(|object| object["spec"]["routes"] = routes);
        assert_eq!(mesh.weights().await, canary(percent));
        mesh.reconcile().await;
        assert_eq!(mesh.weights().await, canary(percent));
    }
    for routes in [json!([]), json!(null), json!([{}]), json!([split(0, 0)])] {
        mesh.edit(|object| object["spec"]["routes"] = routes);
        mesh.router.weights(&mesh.route).await.unwrap_err();
        mesh.reconcile().await;
        assert_eq!(mesh.routes(), json!([split(100, 0)]));
    }
}

#[tokio::test]
async fn the_route_table_that_the_user_had_is_given_back() {
    let single = json!({"single": {"upstream": {"name": "old", "namespace": "test"}}});
    let original = json!({"routes": [{"matchers": [{"prefix": "/"}], "routeAction": single}]});
    let mesh = Mesh::new();
    let metadata = json!({"name": "podinfo", "namespace": "test"});
    mesh.objects.insert(&route_tables(), json!({"metadata": metadata, "spec": original}));
    mesh.reconcile().await;
    assert_eq!(mesh.routes(), json!([split(100, 0)]));
    mesh.set(canary(50)).await;
    mesh.router.finalize(&mesh.route).await.unwrap();
    assert_eq!(mesh.stored()["spec"], original);

    let ours = Mesh::new().reconciled().await;
    let before = ours.stored();
    ours.router.finalize(&ours.route).await.unwrap();
    assert_eq!(ours.stored(), before);
}
