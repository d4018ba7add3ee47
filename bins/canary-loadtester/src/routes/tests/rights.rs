//! Who may do what.

use super::*;
use crate::signature::sign;

#[tokio::test]
async fn without_a_credential_only_what_a_live_canary_names_is_run() {
    let named = json!({"type": "bash", "cmd": "echo named", "returnCmdOutput": "true"});
    let server = start(guarded(&json!([{"url": format!("http://{HOST}/"), "metadata": named}]))).await;
    assert_eq!(server.post("/", &payload(&named)).await, said(200, "named\n"));
    let mut other = named.clone();
    other["cmd"] = json!("echo other");
    assert_eq!(server.post("/", &payload(&other)).await, said(403, "Forbidden"));
    let mut more = named.clone();
    more["extra"] = json!("x");
    assert_eq!(server.post("/", &payload(&more)).await, said(403, "Forbidden"));
    let mut elsewhere = payload(&named);
    elsewhere["namespace"] = json!("prod");
    assert_eq!(server.post("/", &elsewhere).await, said(403, "Forbidden"));
    assert_eq!(server.post("/elsewhere", &payload(&named)).await, said(403, "Forbidden"));
}

#[tokio::test]
async fn a_canary_reads_its_gate_and_does_not_open_it() {
    let hooks =
        json!([{"url": format!("http://{HOST}/gate/check")}, {"url": format!("http://{HOST}/gate/open")}]);
    let server = start(guarded(&hooks)).await;
    let canary = payload(&json!({}));
    assert_eq!(server.post("/gate/open", &canary).await, said(403, "Forbidden"));
    let keeper = format!("authorization: Bearer {GATEKEEPER}\r\n");
    assert_eq!(server.send("POST", "/gate/open", &keeper, &canary.to_string()).await, said(202, ""));
    assert_eq!(server.post("/gate/check", &canary).await, said(200, "Approved"));
    let opening = server.state.gates.opening("test", "podinfo", "shared", jiff::Timestamp::now());
    assert_eq!(opening.unwrap().by, "a token");
}

#[tokio::test]
async fn a_shell_in_the_pod_may_do_everything() {
    let server = start(State { is_inside: everywhere, ..guarded(&json!([])) }).await;
    assert_eq!(server.post("/gate/open", &payload(&json!({}))).await, said(202, ""));
    let task = payload(&json!({"type": "bash", "cmd": "echo in", "returnCmdOutput": "1"}));
    assert_eq!(server.post("/", &task).await, said(200, "in\n"));
}

#[tokio::test]
async fn a_wrong_token_is_refused_even_where_none_would_do() {
    let named = json!({"type": "bash", "cmd": "true"});
    let hooks = json!([{"url": format!("http://{HOST}/"), "metadata": named}]);
    let server = start(State { is_inside: everywhere, ..guarded(&hooks) }).await;
    for wrong in ["Bearer wrong-wrong-wrong", "Bearer", "Basic !", "Digest x"] {
        let header = format!("authorization: {wrong}\r\n");
        let answer = server.send("POST", "/", &header, &payload(&named).to_string()).await;
        assert_eq!(answer, said(403, "Forbidden"), "{wrong}");
    }
}

#[tokio::test]
async fn a_token_has_only_its_roles_and_runs_no_commands_by_default() {
    let server = start(guarded(&json!([]))).await;
    let runner = format!("authorization: Bearer {RUNNER}\r\n");
    let task = payload(&json!({"type": "bash", "cmd": "true"})).to_string();
    let (status, why) = server.send("POST", "/", &runner, &task).await;
    assert!(status == 403 && why.contains("-commands=shell"), "{status} {why}");
    assert_eq!(server.send("POST", "/gate/open", &runner, &task).await, said(403, "Forbidden"));
    assert_eq!(server.send("GET", "/v1/runs", &runner, "").await.0, 200);
    assert_eq!(server.send("GET", "/v1/runs", "", "").await.0, 403);
    assert_eq!(server.send("GET", "/api/v1/query?query=vector(1)", "", "").await.0, 403);
    let answer = server.send("GET", "/api/v1/query?query=vector(1)", &runner, "").await;
    assert!(answer.1.contains(r#""status":"success""#), "{answer:?}");

    let server = start(State { commands: Commands::Shell, ..guarded(&json!([])) }).await;
    assert_eq!(server.send("POST", "/", &runner, &task).await, said(200, ""));
    let server = start(State { commands: Commands::None, auth: Auth::None, ..open() }).await;
    assert_eq!(server.send("POST", "/", "", &task).await.0, 403);
}

#[tokio::test]
async fn a_signature_is_good_once() {
    let server = start(guarded(&json!([]))).await;
    let body = payload(&json!({})).to_string();
    let now = jiff::Timestamp::now().as_second();
    let header = format!(
        "{}: {}\r\n",
        crate::signature::HEADER,
        sign(KEY, now, "POST", "/gate/open", body.as_bytes())
    );
    assert_eq!(server.send("POST", "/rollback/open", &header, &body).await.0, 403);
    assert_eq!(server.send("POST", "/gate/open", &header, &body).await.0, 202);
    assert_eq!(server.send("POST", "/gate/open", &header, &body).await.0, 403);
}
