//! Load: how it begins, what is told of it, and when it ends.

use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;

pub(super) async fn target() -> MockServer {
    let target = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200)).mount(&target).await;
    target
}

#[tokio::test]
async fn a_simple_hey_command_runs_on_the_engine() {
    let (server, target) = (start(open()).await, target().await);
    let cmd = format!("hey -n 40 -c 2 -H 'x-a: b' {}/path", target.uri());
    assert_eq!(server.post("/", &payload(&json!({"cmd": cmd}))).await, said(202, ""));
    server.idle().await;
    let requests = target.received_requests().await.unwrap();
    assert_eq!(requests.len(), 40);
    assert!(requests.iter().all(|r| r.url.path() == "/path" && r.headers["x-a"] == "b"));
    let query = "/api/v1/query?query=load_requests%7Bnamespace%3D%22test%22%7D";
    let (status, body) = server.send("GET", query, "", "").await;
    assert!(status == 200 && body.contains(r#""40""#), "{body}");
    let (_, metrics) = server.send("GET", "/metrics", "", "").await;
    assert!(metrics.contains(r#"result="ok"} 40"#), "{metrics}");
    let (status, why) =
        server.post("/", &payload(&json!({"type": "check", "judge": "errors < 1%; requests >= 41"}))).await;
    assert_eq!((status, why.as_str()), (412, "requests >= 41: it was 40"));
    assert_eq!(server.post("/", &payload(&json!({"type": "check", "judge": "errors < 1%"}))).await.0, 200);
}

#[tokio::test]
async fn nothing_is_sent_two_seconds_after_the_canary_stops_progressing() {
    for end in [Some("Failed"), Some("Promoting"), None] {
        let target = target().await;
        let cmd = format!("hey -z 1m -q 50 -c 2 {}/", target.uri());
        let hooks = json!([{"url": format!("http://{HOST}/"), "metadata": {"cmd": cmd}}]);
        let server = start(guarded(&hooks)).await;
        assert_eq!(server.post("/", &payload(&json!({"cmd": cmd}))).await, said(202, ""));
        let sent = async || target.received_requests().await.unwrap().len();
        let began = Instant::now();
        while sent().await < 30 {
            assert!(began.elapsed() < Duration::from_secs(20));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // Long enough for the phase to have been looked at once.
        tokio::time::sleep(Duration::from_millis(600)).await;
        server.state.canaries.set_phase("test", "podinfo", end);
        let changed = Instant::now();
        server.idle().await;
        assert!(changed.elapsed() < Duration::from_secs(2), "{:?}", changed.elapsed());
        let after = sent().await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(sent().await, after);
    }
}

#[tokio::test]
async fn a_command_is_killed_when_the_canary_stops_progressing() {
    let hooks = json!([{"url": format!("http://{HOST}/"), "metadata": {"cmd": "sleep 60 | cat"}}]);
    let server = start(guarded(&hooks)).await;
    assert_eq!(server.post("/", &payload(&json!({"cmd": "sleep 60 | cat"}))).await, said(202, ""));
    tokio::time::sleep(Duration::from_millis(700)).await;
    server.state.canaries.set_phase("test", "podinfo", Some("Failed"));
    server.idle().await;
}
