//! Flagger's endpoints, as recorded.

use regex::Regex;
use serde_json::json;

use super::*;

#[tokio::test]
async fn fixed_answers_are_those_of_flagger_whatever_the_method_and_body() {
    let server = start(guarded(&json!([]))).await;
    for method in ["GET", "POST", "PUT"] {
        assert_eq!(server.send(method, "/healthz", "", "").await, said(200, "OK"));
        assert_eq!(server.send(method, "/gate/approve", "", "no json").await, said(200, "OK"));
        assert_eq!(server.send(method, "/gate/halt", "", "").await, said(403, "Forbidden"));
    }
    let (status, metrics) = server.send("GET", "/metrics", "", "").await;
    assert!(status == 200 && metrics.contains("\nprocess_resident_memory_bytes "), "{metrics}");
}

#[tokio::test]
async fn gates_are_closed_until_opened_and_opened_until_closed() {
    let server = start(open()).await;
    let canary = payload(&json!({}));
    for gate in ["/gate", "/rollback"] {
        assert_eq!(server.post(&format!("{gate}/check"), &canary).await, said(403, "Forbidden"));
        assert_eq!(server.post(&format!("{gate}/open"), &canary).await, said(202, ""));
        assert_eq!(server.post(&format!("{gate}/check"), &canary).await, said(200, "Approved"));
        assert_eq!(
            server.post(&format!("{gate}/check"), &json!({"name": "other", "namespace": "test"})).await.0,
            403
        );
        assert_eq!(server.post(&format!("{gate}/close"), &canary).await, said(202, ""));
        assert_eq!(server.post(&format!("{gate}/check"), &canary).await, said(403, "Forbidden"));
    }
}

#[tokio::test]
async fn bodies_that_are_no_payload_are_bad_requests_without_a_text() {
    let server = start(open()).await;
    for path in ["/", "/ready", "/any/thing", "/gate/check", "/gate/open", "/rollback/close"] {
        for body in ["", "no json", "[]", r#"{"metadata":{"a":1}}"#] {
            assert_eq!(server.send("POST", path, "", body).await, said(400, ""), "{path} {body}");
        }
    }
}

#[tokio::test]
async fn namespaces_that_do_not_match_are_forbidden() {
    let server = start(State { namespaces: Some(Regex::new("^test$").unwrap()), ..open() }).await;
    let canary =
        |namespace: &str| json!({"name": "podinfo", "namespace": namespace, "metadata": {"type": "bash"}});
    assert_eq!(server.post("/", &canary("test")).await, said(200, ""));
    for path in ["/", "/gate/check", "/gate/open", "/rollback/close"] {
        assert_eq!(server.post(path, &canary("prod")).await, said(403, "Forbidden"));
    }
    assert_eq!(server.send("POST", "/gate/approve", "", "").await.0, 200);
}

#[tokio::test]
async fn metadata_that_says_nothing_to_do_is_a_bad_request() {
    let server = start(open()).await;
    for metadata in [json!({}), json!(null)] {
        assert_eq!(server.post("/", &payload(&metadata)).await, said(400, "metadata not found in payload"));
    }
    let nothing = payload(&json!({"logCmdOutput": "true"}));
    assert_eq!(server.post("/", &nothing).await, said(400, "cmd not found in metadata"));
    let unknown = payload(&json!({"type": "dance"}));
    assert_eq!(server.post("/", &unknown).await, said(400, "unknown task type dance"));
}

#[tokio::test]
async fn blocking_tasks_answer_with_their_outcome() {
    let server = start(open()).await;
    for (metadata, expected) in [
        (json!({"type": "bash", "cmd": "echo hello"}), said(200, "")),
        (
            json!({"type": "bash", "cmd": "echo hello; echo err >&2", "returnCmdOutput": "true"}),
            said(200, "hello\nerr\n"),
        ),
        (json!({"type": "bash", "cmd": "echo no", "returnCmdOutput": "yes"}), said(200, "")),
        (json!({"type": "bash", "cmd": "false"}), said(500, "command false failed: : exit status 1")),
        (
            json!({"type": "bash", "cmd": "echo why; exit 7"}),
            said(500, "command echo why; exit 7 failed: why\n: exit status 7"),
        ),
        (json!({"type": "bash"}), said(200, "")),
    ] {
        assert_eq!(server.post("/", &payload(&metadata)).await, expected, "{metadata}");
    }
    for (kind, program) in [("helm", "helm"), ("helmv3", "helm"), ("kubectl", "kubectl")] {
        let (status, body) =
            server.post("/", &payload(&json!({"type": kind, "cmd": "no such command"}))).await;
        assert_eq!(status, 500);
        assert!(body.starts_with("command no such command failed: "), "{program}: {body}");
    }
}

#[tokio::test]
async fn failed_tasks_may_answer_with_a_status_whose_text_is_not_lost() {
    let server = start(State { failed: StatusCode::PRECONDITION_FAILED, ..open() }).await;
    assert_eq!(server.post("/", &payload(&json!({"type": "bash", "cmd": "false"}))).await.0, 412);
}

#[tokio::test]
async fn queued_commands_are_accepted_before_they_run_and_run_once_at_a_time() {
    let server = start(open()).await;
    let file = std::env::temp_dir().join(format!("queued-{}", uuid::Uuid::new_v4()));
    let cmd = format!("echo x >> {}; sleep 0.3", file.display());
    let task = payload(&json!({"cmd": cmd}));
    assert_eq!(server.post("/", &task).await, said(202, ""));
    assert_eq!(server.post("/", &task).await, said(202, ""));
    server.idle().await;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "x\n");
    std::fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn metadata_of_ngrinder_and_concord_is_checked() {
    let server = start(open()).await;
    let (status, why) = server.post("/", &payload(&json!({"type": "ngrinder"}))).await;
    assert_eq!((status, why.as_str()), (400, "server is required"));
    let (status, why) = server.post("/", &payload(&json!({"type": "concord"}))).await;
    assert_eq!((status, why.as_str()), (500, "server is required"));
}

#[tokio::test]
async fn the_method_does_not_matter_on_paths_that_take_a_payload() {
    let server = start(open()).await;
    let canary = payload(&json!({"type": "bash", "cmd": "true"})).to_string();
    for method in ["GET", "PUT", "DELETE"] {
        assert_eq!(server.send(method, "/gate/open", "", &canary).await, said(202, ""));
        assert_eq!(server.send(method, "/gate/check", "", &canary).await, said(200, "Approved"));
        assert_eq!(server.send(method, "/any/thing?a=b", "", &canary).await, said(200, ""));
        assert_eq!(server.send(method, "/ready", "", "").await, said(400, ""));
    }
}

#[tokio::test]
async fn output_is_returned_when_metadata_say_so_as_go_reads_booleans() {
    let server = start(open()).await;
    for (word, is_yes) in [
        ("1", true),
        ("t", true),
        ("T", true),
        ("true", true),
        ("TRUE", true),
        ("True", true),
        ("yes", false),
        ("", false),
    ] {
        let metadata = json!({"type": "bash", "cmd": "echo x", "returnCmdOutput": word});
        let body = if is_yes { "x\n" } else { "" };
        assert_eq!(server.post("/", &payload(&metadata)).await, said(200, body), "{word:?}");
    }
}

#[tokio::test]
async fn a_blocking_task_goes_on_when_its_caller_hangs_up() {
    let server = start(open()).await;
    let file = std::env::temp_dir().join(format!("unbound-{}", uuid::Uuid::new_v4()));
    let cmd = format!("sleep 0.3; echo x > {}", file.display());
    let body = payload(&json!({"type": "bash", "cmd": cmd})).to_string();
    let head = format!("POST / HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let began = Instant::now();
    while server.state.queue.len() == 0 {
        assert!(began.elapsed() < Duration::from_secs(20));
        tokio::task::yield_now().await;
    }
    drop(stream);
    server.idle().await;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "x\n");
    std::fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn what_is_logged_is_not_part_of_what_a_task_is() {
    let server = start(open()).await;
    let file = std::env::temp_dir().join(format!("once-{}", uuid::Uuid::new_v4()));
    let cmd = format!("echo x >> {}; sleep 0.3", file.display());
    for more in ["true", "false"] {
        let task = payload(&json!({"type": "cmd", "cmd": cmd, "logCmdOutput": more, "other": more}));
        assert_eq!(server.post("/", &task).await, said(202, ""));
    }
    // Another canary is another task.
    let other = json!({"name": "other", "namespace": "test", "metadata": {"cmd": cmd}});
    assert_eq!(server.post("/", &other).await, said(202, ""));
    server.idle().await;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "x\nx\n");
    std::fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn a_task_ends_when_its_time_is_up_and_may_then_run_again() {
    let server = start(State { timeout: Duration::from_millis(300), ..open() }).await;
    let task = payload(&json!({"cmd": "sleep 60 & sleep 60"}));
    for _ in 0..2 {
        assert_eq!(server.post("/", &task).await, said(202, ""));
        server.idle().await;
    }
    let (status, why) = server.post("/", &payload(&json!({"type": "bash", "cmd": "echo a; sleep 60"}))).await;
    assert_eq!((status, why.as_str()), (500, "command echo a; sleep 60 failed: a\n: signal: killed"));
}

#[tokio::test]
async fn unknown_fields_and_methods_of_a_payload_are_ignored() {
    let server = start(open()).await;
    let body = r#"{"name":"podinfo","namespace":"test","more":{"a":[1]},"metadata":{"type":"bash","cmd":"true"}} trailing"#;
    assert_eq!(server.send("POST", "/", "", body).await, said(200, ""));
}
