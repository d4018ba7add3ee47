//! Load that did harm is remembered over a restart.

use super::load::target;
use super::runs::runner;
use super::*;

#[tokio::test]
async fn load_that_was_aborted_is_not_started_again_by_the_next_process() {
    let target = target().await;
    let file = std::env::temp_dir().join(format!("state-{}.json", uuid::Uuid::new_v4()));
    let wanted = json!({"type": "load", "url": target.uri(), "target": "50/s"});
    let hooks = json!([{"url": format!("http://{HOST}/"), "metadata": wanted}]);
    let store = || Store::file(file.clone());
    let kept = async |what: &str| store().load().await.unwrap().keys().any(|key| key.starts_with(what));
    let next = async || {
        let server = start(State { store: store(), ..guarded(&hooks) }).await;
        crate::resume::all(server.state.clone()).await;
        server
    };
    let first = next().await;
    assert_eq!(first.post("/", &payload(&wanted)).await, said(202, ""));
    let all = first.until("/v1/runs", |all| all["runs"][0]["rate"].as_u64() > Some(10)).await;
    let id = all["runs"][0]["id"].as_str().unwrap();
    first.state.runs.get(id).unwrap().abort("the primary degraded: p99 < 1s: it was 3 s".to_owned());
    // The process is asked to end in the same moment.
    first.stop.cancel();
    first.idle().await;
    assert!(kept("aborted-").await && !kept("run-").await);
    let requests = target.received_requests().await.unwrap().len();

    let second = next().await;
    assert_eq!(second.post("/", &payload(&wanted)).await, said(202, ""));
    let asked = payload(&wanted).to_string();
    let (status, why) = second.send("POST", "/v1/runs", &runner(), &asked).await;
    let path = format!("/v1/runs/{id}");
    assert!(status == 409 && why.contains("the primary degraded") && why.contains(&path), "{status}: {why}");
    let shown = second.until("/v1/runs", |_| true).await["runs"].clone();
    assert_eq!((shown.as_array().map(Vec::len), &shown[0]["state"]), (Some(1), &json!("aborted")), "{shown}");
    assert_eq!(second.until(&path, |_| true).await["reason"], shown[0]["reason"]);
    let judged = payload(&json!({"judge": "errors < 1%"})).to_string();
    let (status, why) = second.send("POST", "/v1/check", &runner(), &judged).await;
    assert!(status == 412 && why.contains("was aborted: the primary degraded"), "{status}: {why}");
    assert_eq!(target.received_requests().await.unwrap().len(), requests);
    // Another revision is other load.
    let mut other = payload(&wanted);
    other["checksum"] = json!("y");
    assert_eq!(second.send("POST", "/v1/runs", &runner(), &other.to_string()).await.0, 201);
    second.state.queue.stop_all();
    second.idle().await;

    for (headers, status) in [(String::new(), 403), (runner(), 202), (runner(), 404)] {
        assert_eq!(second.send("DELETE", &path, &headers, "").await.0, status);
    }
    assert!(!kept("aborted-").await);
    assert_eq!(second.send("POST", "/v1/runs", &runner(), &asked).await.0, 201);
    second.state.queue.stop_all();
    second.idle().await;
    std::fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn what_was_aborted_long_ago_is_forgotten() {
    let file = std::env::temp_dir().join(format!("state-{}.json", uuid::Uuid::new_v4()));
    let old = json!({"id": "a", "identity": "i", "namespace": "test", "canary": "podinfo", "name": "n",
        "began": "2020-01-01T00:00:00Z", "ended": "2020-01-01T00:00:00Z", "reason": "why"});
    let texts = json!({"aborted-a.json": old.to_string(), "aborted-b.json": "no"});
    std::fs::write(&file, texts.to_string()).unwrap();
    let server = start(State { store: Store::file(file.clone()), ..guarded(&json!([])) }).await;
    crate::resume::all(server.state.clone()).await;
    assert!(server.state.runs.remembered().is_empty());
    assert!(Store::file(file.clone()).load().await.unwrap().is_empty());
    std::fs::remove_file(file).unwrap();
}
