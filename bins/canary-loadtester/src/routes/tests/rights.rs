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
async fn who_has_a_right_may_run_what_a_live_canary_names_as_well_as_those_without() {
    let target = load::target().await;
    let named = json!({"type": "bash", "cmd": "echo named", "returnCmdOutput": "true"});
    let load = json!({"cmd": format!("hey -n 1 -c 1 {}/", target.uri())});
    let url = format!("http://{HOST}:80/");
    let hooks = json!([{"url": url, "metadata": named}, {"url": url, "metadata": load}]);
    // The target is one only because the Canary names it.
    let own = Allowed::Range("127.0.0.0/8".parse().unwrap());
    let server = start(State { targets: Targets::new(vec![own], vec![]), ..guarded(&hooks) }).await;
    let signed = |body: &str| {
        let now = jiff::Timestamp::now().as_second();
        format!("{}: {}\r\n", crate::signature::HEADER, sign(KEY, now, "POST", "/", body.as_bytes()))
    };
    let body = payload(&named).to_string();
    for headers in [String::new(), format!("authorization: Bearer {RUNNER}\r\n"), signed(&body)] {
        assert_eq!(server.send("POST", "/", &headers, &body).await, said(200, "named\n"), "{headers}");
    }
    let hey = payload(&load).to_string();
    let runner = format!("authorization: Bearer {RUNNER}\r\n");
    assert_eq!(server.send("POST", "/", &runner, &hey).await, said(202, ""));
    server.idle().await;
    // Anything else is not run for them, and a token without that role is none for it.
    let other = payload(&json!({"type": "bash", "cmd": "echo other"})).to_string();
    for headers in [runner, signed(&other)] {
        let (status, why) = server.send("POST", "/", &headers, &other).await;
        assert!(status == 403 && why.contains("-commands=shell"), "{status} {why}");
    }
    let keeper = format!("authorization: Bearer {GATEKEEPER}\r\n");
    assert_eq!(server.send("POST", "/", &keeper, &body).await, said(403, "Forbidden"));
}

#[tokio::test]
async fn results_are_read_only_in_the_namespaces_of_a_token() {
    const READER: &str = "reader-reader-reader";
    let target = load::target().await;
    let server = start(State {
        tokens: Tokens::parse(&format!("{RUNNER} run,read\n{READER} read test\n")).unwrap(),
        ..guarded(&json!([]))
    })
    .await;
    let (runner, reader) =
        (format!("authorization: Bearer {RUNNER}\r\n"), format!("authorization: Bearer {READER}\r\n"));
    for (namespace, requests) in [("test", 3), ("prod", 4)] {
        let mut task = payload(&json!({"cmd": format!("hey -n {requests} -c 1 {}/", target.uri())}));
        task["namespace"] = json!(namespace);
        // No rollout is under way there.
        task["phase"] = json!("");
        assert_eq!(server.send("POST", "/", &runner, &task.to_string()).await, said(202, ""));
        server.idle().await;
    }
    let ask = async |query: &str, headers: &str| {
        let query: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
        let (status, body) = server.send("GET", &format!("/api/v1/query?query={query}"), headers, "").await;
        let body: Value = serde_json::from_str(&body).unwrap();
        (status, body["data"]["result"][0]["value"][1].clone(), body["error"].clone())
    };
    let (all, prod, test) =
        ("load_requests", r#"load_requests{namespace="prod"}"#, r#"load_requests{namespace="test"}"#);
    for (query, headers, requests) in
        [(test, &reader, "3"), (all, &reader, "3"), (prod, &runner, "4"), (all, &runner, "7")]
    {
        assert_eq!(ask(query, headers).await, (200, json!(requests), json!(null)), "{query}");
    }
    let why = json!("there is no right to read results of namespace \"prod\"");
    assert_eq!(ask(prod, &reader).await, (403, json!(null), why));
    assert_eq!(ask("vector(1)", &reader).await.0, 200);
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
