//! What is corrected on objects that exist, and what is left alone.

use canary_core::{HttpMatch, Retries, StringMatch};

use super::*;

#[tokio::test]
async fn calls_that_find_their_work_done_write_nothing() {
    let mesh = Mesh::new().reconciled().await;
    for weights in [canary(10), Weights::MIRROR, Weights::CANARY, Weights::PRIMARY] {
        mesh.set(weights).await;
        let writes = mesh.objects.writes();
        mesh.set(weights).await;
        mesh.reconcile().await;
        assert_eq!(mesh.objects.writes(), writes, "{weights}");
    }
}

#[tokio::test]
async fn a_repair_keeps_the_weights_and_the_mirror_of_a_running_rollout() {
    let mesh = Mesh::new().with(|route| route.mirror_weight = Some(50)).reconciled().await;
    for weights in [canary(30), Weights::MIRROR, Weights::CANARY] {
        mesh.set(weights).await;
        let before = mesh.spec();
        mesh.edit(|object| object["spec"]["hosts"] = json!(["elsewhere.example.com"]));
        mesh.edit(|object| object["spec"]["http"][0]["timeout"] = json!("1s"));
        mesh.reconcile().await;
        assert_eq!(mesh.spec(), before, "{weights}");
        assert_eq!(mesh.weights().await, weights);
    }
}

#[tokio::test]
async fn a_change_of_the_canary_in_the_middle_keeps_the_weights() {
    let condition = HttpMatch {
        uri: Some(StringMatch { prefix: Some("/".into()), ..StringMatch::default() }),
        ..HttpMatch::default()
    };
    let mesh = Mesh::new().reconciled().await;
    mesh.set(canary(40)).await;
    let mesh = mesh.with(|route| route.conditions = vec![condition]).reconciled().await;
    assert_eq!(mesh.weights().await, canary(40));
    assert_eq!(mesh.http().as_array().unwrap().len(), 2);

    let mesh = mesh.with(|route| route.app_protocol = Some("tcp".into())).reconciled().await;
    assert_eq!(mesh.weights().await, canary(40));
    assert!(mesh.spec().get("http").is_none());

    let mesh = mesh.with(|route| route.app_protocol = None).reconciled().await;
    assert_eq!(mesh.weights().await, canary(40));
    assert!(mesh.spec().get("tcp").is_none());
}

#[tokio::test]
async fn a_pair_set_by_hand_is_reported_as_shares_of_its_sum_and_not_touched() {
    let mesh = Mesh::new().reconciled().await;
    for (primary, by_hand, percent) in [(50, 50, 50), (3, 1, 25), (200, 100, 33), (0, 1, 100), (-5, 0, 0)] {
        mesh.edit(|object| object["spec"]["http"][0]["route"] = split(primary, by_hand));
        let (before, writes) = (mesh.spec(), mesh.objects.writes());
        mesh.reconcile().await;
        assert_eq!(mesh.weights().await, canary(percent));
        assert_eq!((mesh.spec(), mesh.objects.writes()), (before, writes));
    }
}

#[tokio::test]
async fn routes_that_cannot_be_read_are_replaced_by_the_primary() {
    let mesh = Mesh::new().reconciled().await;
    mesh.set(canary(40)).await;
    for http in [
        json!([]),
        json!([{"route": [{"destination": {"host": "podinfo"}}]}]),
        json!([{"route": split(0, 0)}]),
    ] {
        mesh.edit(|object| object["spec"]["http"] = http.clone());
        mesh.reconcile().await;
        assert_eq!(mesh.http(), json!([{"route": split(100, 0)}]), "{http}");
    }
}

#[tokio::test]
async fn what_nobody_here_knows_survives_every_write() {
    let mesh = Mesh::new().with(|route| route.retries = Some(Retries { attempts: 3, ..Retries::default() }));
    let mesh = mesh.reconciled().await;
    mesh.edit(|object| {
        object["metadata"]["labels"] = json!({"mine": "yes"});
        object["metadata"]["annotations"]["note"] = json!("mine");
        object["metadata"]["finalizers"] = json!(["example.com/keep"]);
        object["status"] = json!({"observed": 1});
        object["spec"]["exportTo"] = json!(["."]);
        object["spec"]["tls"] = json!([{"match": []}]);
        let rule = &mut object["spec"]["http"][0];
        rule["name"] = json!("main");
        rule["newFeature"] = json!({"deep": [1]});
        rule["retries"]["retryRemoteLocalities"] = json!(true);
        rule["route"][1]["newField"] = json!("x");
        rule["route"][1]["destination"]["newField"] = json!("y");
    });
    let mut expected = mesh.stored();
    for percent in [10, 20] {
        mesh.edit(|object| object["spec"]["http"][0]["timeout"] = json!("9s")); // forces a repair
        mesh.reconcile().await;
        mesh.set(canary(percent)).await;
        expected["spec"]["http"][0]["route"][0]["weight"] = json!(100 - percent);
        expected["spec"]["http"][0]["route"][1]["weight"] = json!(percent);
        let mut stored = mesh.stored();
        stored["metadata"]["resourceVersion"] = expected["metadata"]["resourceVersion"].clone();
        assert_eq!(stored, expected);
    }
}

#[tokio::test]
async fn a_label_of_ours_that_was_changed_comes_back_without_touching_the_routes() {
    let mesh = Mesh::new().reconciled().await;
    mesh.set(canary(20)).await;
    let before = mesh.spec();
    mesh.edit(|object| object["metadata"]["annotations"] = json!({"note": "mine"}));
    mesh.reconcile().await;
    let annotations = &mesh.stored()["metadata"]["annotations"];
    assert_eq!(annotations["kustomize.toolkit.fluxcd.io/reconcile"], "disabled");
    assert_eq!(annotations["note"], "mine");
    assert_eq!(annotations.as_object().unwrap().len(), 3);
    assert_eq!(mesh.spec(), before);
}

#[tokio::test]
async fn a_policy_that_the_canary_does_not_ask_for_goes_as_a_whole() {
    let mesh = Mesh::new().reconciled().await;
    mesh.edit(|object| {
        object["spec"]["http"][0]["retries"] = json!({"attempts": 9, "retryRemoteLocalities": true});
    });
    mesh.reconcile().await;
    assert_eq!(mesh.http(), json!([{"route": split(100, 0)}]));
}

#[tokio::test]
async fn an_empty_list_is_not_replaced_by_none() {
    let mesh = Mesh::new().reconciled().await;
    mesh.edit(|object| object["spec"]["http"][0]["match"] = json!([]));
    let writes = mesh.objects.writes();
    mesh.reconcile().await;
    mesh.set(Weights::PRIMARY).await;
    assert_eq!(mesh.objects.writes(), writes);
}

#[tokio::test]
async fn delegation_switched_on_takes_hosts_and_gateways_away() {
    let mesh = Mesh::new().reconciled().await;
    let mesh = mesh.with(|route| {
        route.delegation = true;
        (route.hosts, route.gateways) = (vec![], vec![]);
    });
    mesh.reconcile().await;
    assert_eq!(mesh.spec(), json!({"http": [{"route": split(100, 0)}]}));
}

#[tokio::test]
async fn rules_of_the_other_protocol_stay_unless_they_are_ours() {
    let mesh = Mesh::new().reconciled().await;
    let foreign = json!([{"match": [{"port": 5432}], "route": [{"destination": {"host": "database"}}]}]);
    mesh.edit(|object| object["spec"]["tcp"] = foreign.clone());
    let writes = mesh.objects.writes();
    mesh.reconcile().await;
    assert_eq!((&mesh.spec()["tcp"], mesh.objects.writes()), (&foreign, writes));
}

#[tokio::test]
async fn destination_rules_keep_subsets_and_lose_a_foreign_policy() {
    let mesh = Mesh::new().reconciled().await;
    let kind = kind("v1beta1", "DestinationRule", "destinationrules");
    let mut rule = mesh.rule("podinfo-canary").unwrap();
    rule["spec"]["subsets"] = json!([{"name": "v1"}]);
    rule["spec"]["trafficPolicy"] =
        json!({"tls": {"mode": "SIMPLE"}, "outlierDetection": {}, "tunnel": {"protocol": "CONNECT"}});
    mesh.objects.insert(&kind, rule);
    mesh.reconcile().await;
    assert_eq!(
        mesh.rule("podinfo-canary").unwrap()["spec"],
        json!({
            "host": "podinfo-canary",
            "subsets": [{"name": "v1"}],
            "trafficPolicy": {"tls": {"mode": "DISABLE"}, "tunnel": {"protocol": "CONNECT"}},
        })
    );
    let mesh = mesh.with(|route| route.traffic_policy = None).reconciled().await;
    assert_eq!(mesh.rule("podinfo-primary").unwrap()["spec"], json!({"host": "podinfo-primary"}));
    let writes = mesh.objects.writes();
    mesh.reconcile().await;
    assert_eq!(mesh.objects.writes(), writes);
}
