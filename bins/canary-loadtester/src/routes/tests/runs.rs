//! Our own paths: runs, their streams, and the judge.

use super::load::target;
use super::*;

#[tokio::test]
async fn runs_are_listed_changed_and_stopped() {
    let (server, target) =
        (start(State { is_inside: everywhere, ..guarded(&json!([])) }).await, target().await);
    let cmd = format!("hey -z 1m -q 10 -c 1 {}/", target.uri());
    let mut task = payload(&json!({"cmd": cmd}));
    task["phase"] = json!("");
    assert_eq!(server.post("/", &task).await, said(202, ""));
    let began = Instant::now();
    let id = loop {
        let (status, body) = server.send("GET", "/v1/runs", "", "").await;
        assert_eq!(status, 200);
        let body: Value = serde_json::from_str(&body).unwrap();
        if let Some(id) = body["runs"][0]["id"].as_str() {
            break id.to_owned();
        }
        assert!(began.elapsed() < Duration::from_secs(20));
    };
    assert_eq!(server.send("POST", &format!("/v1/runs/{id}/rate"), "", r#"{"rate": 20}"#).await.0, 202);
    assert_eq!(server.send("POST", &format!("/v1/runs/{id}/rate"), "", r#"{"rate": 1e9}"#).await.0, 400);
    assert_eq!(server.send("DELETE", &format!("/v1/runs/{id}"), "", "").await.0, 202);
    server.idle().await;
    let (_, body) = server.send("GET", &format!("/v1/runs/{id}"), "", "").await;
    assert!(body.contains("\"report\""), "{body}");
}

/// Load that a token asks for.
fn wanted(url: &str, more: &Value) -> Value {
    let mut metadata = json!({"url": url, "target": "50/s", "arrivals": "even"});
    for (key, value) in more.as_object().unwrap() {
        metadata[key] = value.clone();
    }
    payload(&metadata)
}

pub(super) fn runner() -> String {
    format!("authorization: Bearer {RUNNER}\r\n")
}

impl Server {
    /// Asks until the answer says so.
    pub(super) async fn until(&self, path: &str, what: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let (_, body) = self.send("GET", path, &runner(), "").await;
            let body: Value = serde_json::from_str(&body).unwrap();
            if what(&body) {
                return body;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "{body}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn the_same_load_of_the_same_revision_is_started_once() {
    let (server, target) = (start(guarded(&json!([]))).await, target().await);
    let mut wanted = wanted(&target.uri(), &json!({}));
    let post = async |body: &Value| {
        let (status, body) = server.send("POST", "/v1/runs", &runner(), &body.to_string()).await;
        let body: Value = serde_json::from_str(&body).unwrap_or(Value::String(body));
        (status, body["id"].as_str().unwrap_or_default().to_owned(), body)
    };
    let (status, first, body) = post(&wanted).await;
    assert_eq!(status, 201, "{body}");
    let (status, again, _) = post(&wanted).await;
    assert_eq!((status, &again), (200, &first));
    // Another revision is other load, in the place of the one before.
    wanted["checksum"] = json!("y");
    let (status, second, _) = post(&wanted).await;
    assert!(status == 201 && second != first);
    server.until(&format!("/v1/runs/{first}"), |run| run["ended"].is_string()).await;
    server.until(&format!("/v1/runs/{second}"), |run| run["rate"].as_u64() > Some(10)).await;
    assert_eq!(server.send("POST", "/v1/runs", "", &wanted.to_string()).await, said(403, "Forbidden"));
    assert_eq!(server.send("POST", "/v1/runs", &runner(), "no").await.0, 400);
    let (status, _, why) =
        post(&json!({"name": "podinfo", "namespace": "test", "metadata": {"url": "x"}})).await;
    assert!(status == 400 && why.to_string().contains("url"), "{why}");
    server.state.queue.stop_all();
    server.idle().await;
}

#[tokio::test]
async fn load_that_was_aborted_is_not_started_again_until_somebody_says_so() {
    let (server, target) = (start(guarded(&json!([]))).await, target().await);
    let wanted = wanted(&target.uri(), &json!({})).to_string();
    let (_, body) = server.send("POST", "/v1/runs", &runner(), &wanted).await;
    let run: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(run["state"], "running");
    let id = run["id"].as_str().unwrap();
    server.state.runs.get(id).unwrap().abort("the primary degraded: p99 < 1s: it was 3 s".to_owned());
    let path = format!("/v1/runs/{id}");
    let run = server.until(&path, |run| run["ended"].is_string()).await;
    assert_eq!(run["state"], "aborted");
    assert_eq!(run["reason"], "the primary degraded: p99 < 1s: it was 3 s");
    server.idle().await;
    let (status, why) = server.send("POST", "/v1/runs", &runner(), &wanted).await;
    assert!(status == 409 && why.contains("the primary degraded") && why.contains(&path), "{status}: {why}");
    let judged = payload(&json!({"judge": "errors < 1%"})).to_string();
    let (status, why) = server.send("POST", "/v1/check", &runner(), &judged).await;
    assert!(status == 412 && why.contains("was aborted: the primary degraded"), "{status}: {why}");
    assert_eq!(server.send("DELETE", &path, &runner(), "").await.0, 202);
    assert_eq!(server.send("POST", "/v1/runs", &runner(), &wanted).await.0, 201);
    server.state.queue.stop_all();
    server.idle().await;
}

#[tokio::test]
async fn a_run_is_streamed_second_by_second_up_to_its_report() {
    let (server, target) = (start(guarded(&json!([]))).await, target().await);
    let wanted = wanted(&target.uri(), &json!({"duration": "2s"}));
    let (_, body) = server.send("POST", "/v1/runs", &runner(), &wanted.to_string()).await;
    let run: Value = serde_json::from_str(&body).unwrap();
    let path = format!("/v1/runs/{}/stream", run["id"].as_str().unwrap());
    assert_eq!(server.send("GET", &path, "", "").await.0, 403);
    // The connection is closed when the run has ended.
    let (status, body) = server.send("GET", &path, &runner(), "").await;
    assert_eq!(status, 200);
    let of = |kind: &str| -> Vec<Value> {
        let beginning = format!("event: {kind}\ndata: ");
        let events = body.split(&beginning).skip(1);
        events.map(|rest| serde_json::from_str(rest.lines().next().unwrap()).unwrap()).collect()
    };
    let (seconds, reports) = (of("snapshot"), of("report"));
    assert!(!seconds.is_empty() && reports.len() == 1, "{body}");
    let sent: u64 = seconds.iter().map(|second| second["sent"].as_u64().unwrap()).sum();
    assert!(sent > 0 && sent <= reports[0]["sent"].as_u64().unwrap(), "{body}");
    assert!(reports[0]["latency"]["p99"].as_f64() > Some(0.0), "{body}");
    // Whoever comes late has the report.
    let (_, late) = server.send("GET", &path, &runner(), "").await;
    assert!(late.contains("event: report") && !late.contains("event: snapshot"), "{late}");
}

#[tokio::test]
async fn the_judge_answers_with_a_sentence_for_each_broken_rule() {
    let (server, target) = (start(guarded(&json!([]))).await, target().await);
    // As fast as answers come: no load of a time that a busy machine cannot keep to, which would be no evidence.
    let load = payload(&json!({"cmd": format!("hey -n 60 -c 2 {}", target.uri())})).to_string();
    assert_eq!(server.send("POST", "/", &runner(), &load).await, said(202, ""));
    server.idle().await;
    let judge = async |rules: &str| {
        let asked = payload(&json!({"judge": rules})).to_string();
        server.send("POST", "/v1/check", &runner(), &asked).await
    };
    assert_eq!(judge("errors < 1%; requests >= 60").await, said(200, ""));
    let (status, why) = judge("requests > 60; errors > 50%; errors < 1%").await;
    assert_eq!((status, why.lines().count()), (412, 2), "{why}");
    assert_eq!(judge("").await.0, 400);
    assert_eq!(server.send("POST", "/v1/check", "", "{}").await.0, 403);
}

#[tokio::test]
async fn load_goes_on_after_a_restart_if_the_canary_still_wants_it() {
    let target = target().await;
    let file = std::env::temp_dir().join(format!("state-{}.json", uuid::Uuid::new_v4()));
    let wanted = json!({"type": "load", "url": target.uri(), "target": "50/s"});
    let hooks = json!([{"url": format!("http://{HOST}/"), "metadata": wanted}]);
    let store = || Store::file(file.clone());
    let server = start(State { store: store(), ..guarded(&hooks) }).await;
    assert_eq!(server.post("/", &payload(&wanted)).await, said(202, ""));
    let first = server.until("/v1/runs", |all| all["runs"][0]["rate"].as_u64() > Some(10)).await;
    let kept = async || store().load().await.unwrap().len();
    let began = Instant::now();
    while kept().await == 0 {
        assert!(began.elapsed() < Duration::from_secs(20));
    }
    server.stop.cancel();
    server.idle().await;

    let second = start(State { store: store(), ..guarded(&hooks) }).await;
    crate::resume::all(second.state.clone()).await;
    let again = second.until("/v1/runs", |all| all["runs"][0]["rate"].as_u64() > Some(10)).await;
    assert_eq!(again["runs"][0]["id"], first["runs"][0]["id"]);
    assert_eq!(
        again["runs"][0]["began"].as_str().map(|t| &t[..19]),
        first["runs"][0]["began"].as_str().map(|t| &t[..19])
    );
    assert!(again["runs"][0]["resumed"].is_string(), "{again}");
    second.stop.cancel();
    second.idle().await;

    // In the meantime the rollout has ended.
    let third = start(State { store: store(), ..guarded(&hooks) }).await;
    third.state.canaries.set_phase("test", "podinfo", Some("Failed"));
    crate::resume::all(third.state.clone()).await;
    assert!(third.until("/v1/runs", |_| true).await["runs"].as_array().unwrap().is_empty());
    assert_eq!(kept().await, 0);
    std::fs::remove_file(file).unwrap();
}
