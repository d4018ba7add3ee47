//! Scenarios that go straight to the arms.

use super::runs::runner;
use super::scenarios::{BROWSE, cluster, tester};
use super::*;

#[tokio::test]
async fn a_scenario_on_both_arms_is_aborted_when_the_primary_degrades_and_is_not_started_again() {
    let data = json!({"browse.yaml": BROWSE, "items.csv": "id\n1\n"});
    let cluster = cluster(&data, Duration::ZERO).await;
    // Nobody answers at either of the names.
    let metadata = json!({"type": "load", "scenario": "load/browse.yaml", "base": "http://shop.invalid",
        "of": "each", "primary-limits": "errors < 5%; p99 < 1s", "param.rate": "200/s"});
    let server = start(tester(&metadata, &cluster, &json!({}))).await;
    assert_eq!(server.post("/", &payload(&metadata)).await, said(202, ""));
    let all = server.until("/v1/runs", |all| all["runs"][0]["scenario"]["rules"].is_array()).await;
    let run = &all["runs"][0];
    assert_eq!(run["state"], "aborted", "{run}");
    let why = run["reason"].as_str().unwrap();
    assert!(why.starts_with("the primary degraded: errors < 5%: it was 100 %"), "{why}");
    assert!(run["report"]["arms"]["primary"].is_object() && run["report"]["arms"]["canary"].is_object());
    server.idle().await;
    let report = format!("/v1/runs/{}/report", run["id"].as_str().unwrap());
    assert_eq!(server.until(&report, |_| true).await["aborted"], why);
    // The hook of the next tick is answered as before, and starts nothing.
    assert_eq!(server.post("/", &payload(&metadata)).await, said(202, ""));
    let (status, again) = server.send("POST", "/v1/runs", &runner(), &payload(&metadata).to_string()).await;
    assert!(status == 409 && again.contains(why), "{status} {again}");
    assert_eq!(server.until("/v1/runs", |_| true).await["runs"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn what_cannot_be_asked_of_arms_is_refused_with_the_reason() {
    let data = json!({"browse.yaml": BROWSE, "items.csv": "id\n1\n"});
    let cluster = cluster(&data, Duration::ZERO).await;
    let server = start(tester(&json!({}), &cluster, &json!({}))).await;
    for (more, status, why) in [
        (json!({"of": "both"}), 400, "metadata:1: load.of: "),
        (json!({"of": "each", "base": "http://10.1.2.3"}), 400, "it takes a Service such as"),
        (json!({"of": "each", "base": "http://shop.test"}), 403, "shop-canary.test is not a target"),
        (
            json!({"primary-limits": "errors < 5%"}),
            400,
            "needs load that goes straight to the primary: of: each",
        ),
        (json!({"primary-limits": "errors < 5"}), 400, "metadata:1: load.primary-limits[0]: "),
    ] {
        let mut metadata = json!({"scenario": "load/browse.yaml"});
        metadata.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let body = payload(&metadata).to_string();
        let (found, said) = server.send("POST", "/v1/runs", &runner(), &body).await;
        assert!(found == status && said.contains(why), "{metadata}: {found} {said}");
    }
}
