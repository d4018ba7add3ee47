//! What is corrected on objects that exist, what is left alone, and what is given back.

use super::*;

#[tokio::test]
async fn calls_that_find_their_work_done_write_nothing() {
    let mesh = Mesh::new("v1alpha1").reconciled().await;
    for weights in [canary(10), Weights::CANARY, Weights::PRIMARY] {
        mesh.set(weights).await;
        let writes = mesh.objects.writes();
        mesh.set(weights).await;
        mesh.reconcile().await;
        assert_eq!(mesh.objects.writes(), writes, "{weights}");
    }
}

#[tokio::test]
async fn a_repair_keeps_the_weights_of_a_running_rollout() {
    for version in ["v1alpha1", "v1alpha2"] {
        let mesh = Mesh::new(version).reconciled().await;
        mesh.set(canary(30)).await;
        let before = mesh.spec();
        mesh.edit(|object| {
            object["spec"]["service"] = json!("elsewhere");
            let backends = object["spec"]["backends"].as_array_mut().unwrap();
            backends.reverse();
            backends.push(json!({"service": "stranger", "weight": "5"}));
        });
        mesh.reconcile().await;
        assert_eq!(mesh.spec(), before);
        assert_eq!(mesh.weights().await, canary(30));
    }
}

#[tokio::test]
async fn a_pair_set_by_hand_is_reported_as_shares_of_its_sum_and_not_touched() {
    let mesh = Mesh::new("v1alpha1").reconciled().await;
    for (primary, by_hand, percent) in
        [("1", "1", 50), ("500m", "1500m", 75), ("3", "1", 25), ("0", "1", 100)]
    {
        mesh.edit(|object| object["spec"] = spec(primary, by_hand));
        let writes = mesh.objects.writes();
        mesh.reconcile().await;
        assert_eq!(mesh.weights().await, canary(percent), "{primary}/{by_hand}");
        assert_eq!(mesh.objects.writes(), writes);
    }
}

#[tokio::test]
async fn weights_that_cannot_be_read_become_all_for_the_primary() {
    let mesh = Mesh::new("v1alpha2").reconciled().await;
    for broken in [spec(0, 0), spec("much", 10), json!({"service": "podinfo", "backends": []}), json!({})] {
        mesh.edit(|object| object["spec"] = broken.clone());
        mesh.reconcile().await;
        assert_eq!(mesh.spec(), spec(100, 0), "{broken}");
    }
}

#[tokio::test]
async fn foreign_fields_labels_and_annotations_survive() {
    let mesh = Mesh::new("v1alpha3").reconciled().await;
    mesh.edit(|object| {
        object["metadata"]["labels"] = json!({"team": "a"});
        object["metadata"]["annotations"] = json!({"note": "mine"});
        object["spec"]["matches"] = json!([{"kind": "HTTPRouteGroup", "name": "ads"}]);
        object["spec"]["backends"][0]["later"] = json!(true);
        object["spec"]["service"] = json!("elsewhere");
    });
    mesh.reconcile().await;
    mesh.set(canary(10)).await;
    let object = mesh.stored();
    assert_eq!(object["metadata"]["labels"], json!({"team": "a"}));
    assert_eq!(object["metadata"]["annotations"], json!({"note": "mine"}));
    assert_eq!(object["spec"]["matches"][0]["name"], "ads");
    assert_eq!(
        object["spec"]["backends"][0],
        json!({"service": "podinfo-canary", "weight": 10, "later": true})
    );
    assert_eq!(object["spec"]["service"], "podinfo");
}

#[tokio::test]
async fn the_split_that_the_user_had_is_given_back() {
    let original =
        json!({"service": "podinfo", "backends": [{"service": "podinfo-old", "weight": 100}], "x": 1});
    let mesh = Mesh::new("v1alpha2").found(&original).reconciled().await;
    assert_eq!(mesh.weights().await, Weights::PRIMARY);
    mesh.set(canary(50)).await;
    mesh.edit(|object| object["spec"]["service"] = json!("elsewhere"));
    mesh.reconcile().await;

    mesh.router.finalize(&mesh.route).await.unwrap();
    assert_eq!(mesh.spec(), original);
    assert_eq!(mesh.stored()["metadata"]["annotations"], json!({}));
    let writes = mesh.objects.writes();
    mesh.router.finalize(&mesh.route).await.unwrap();
    assert_eq!(mesh.objects.writes(), writes);
}

#[tokio::test]
async fn a_split_of_our_own_is_left_to_its_owner() {
    let mesh = Mesh::new("v1alpha2");
    mesh.router.finalize(&mesh.route).await.unwrap();
    for owner in [mesh.route.owner.clone(), None] {
        let mesh = Mesh::new("v1alpha2").with(|route| route.owner = owner).reconciled().await;
        mesh.edit(|object| object["spec"]["service"] = json!("elsewhere"));
        mesh.reconcile().await;
        mesh.router.finalize(&mesh.route).await.unwrap();
        assert_eq!(mesh.spec(), spec(100, 0));
        assert!(mesh.stored()["metadata"].get("annotations").is_none());
    }
}
