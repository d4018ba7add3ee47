//! What attackers try, and what they get.

use super::*;

#[tokio::test]
async fn load_goes_only_to_targets_that_the_canary_or_a_flag_names() {
    let state = State { targets: Targets::new(vec![], vec![]), ..guarded(&json!([])) };
    let server = start(state).await;
    let runner = format!("authorization: Bearer {RUNNER}\r\n");
    let load = |url: &str| payload(&json!({"cmd": format!("hey -n 10 -c 1 {url}")})).to_string();
    for url in
        ["http://169.254.169.254/latest/meta-data", "http://kubernetes.default/", "http://podinfo.prod/"]
    {
        let (status, why) = server.send("POST", "/", &runner, &load(url)).await;
        assert!(status == 403 && why.contains("is not a target"), "{url}: {status} {why}");
    }
    assert_eq!(server.send("POST", "/", &runner, &load("http://podinfo-canary.test:9898/")).await.0, 202);
    server.idle().await;
}

#[tokio::test]
async fn even_a_canary_does_not_send_load_to_link_local_addresses() {
    let cmd = "hey -n 3 -c 1 -t 1 http://169.254.169.254/latest/meta-data";
    let hooks = json!([{"url": format!("http://{HOST}/"), "metadata": {"cmd": cmd}}]);
    let server = start(State { targets: Targets::new(vec![], vec![]), ..guarded(&hooks) }).await;
    assert_eq!(server.post("/", &payload(&json!({"cmd": cmd}))).await, said(202, ""));
    server.idle().await;
    let (_, metrics) = server.send("GET", "/metrics", "", "").await;
    assert!(metrics.contains(r#"result="forbidden"} 3"#), "{metrics}");
}

#[tokio::test]
async fn a_body_of_a_hundred_megabytes_is_refused_unread() {
    let server = start(open()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!("POST / HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: 104857600\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}

#[tokio::test]
async fn a_namespace_has_only_so_many_tasks() {
    let server = start(State { max_tasks: 2, ..open() }).await;
    for (number, expected) in [(1, 202), (2, 202), (3, 429)] {
        let task = payload(&json!({"cmd": format!("sleep 30; echo {number}")}));
        assert_eq!(server.post("/", &task).await.0, expected);
    }
    server.state.queue.stop_all();
    server.idle().await;
}

/// What a hook of a live Canary says, after it was sent as that hook.
async fn bound(metadata: &Value, state: impl FnOnce(State) -> State) -> (u16, String) {
    let hooks = json!([{"url": format!("http://{HOST}/"), "metadata": metadata}]);
    let server = start(state(guarded(&hooks))).await;
    server.post("/", &payload(metadata)).await
}

#[tokio::test]
async fn endless_output_of_a_bound_command_takes_no_memory_and_ends() {
    let metadata = json!({"type": "bash", "cmd": "yes", "returnCmdOutput": "true"});
    let (status, body) = bound(&metadata, |s| State { timeout: Duration::from_secs(1), ..s }).await;
    assert_eq!(status, 500);
    assert!(body.ends_with(": signal: killed") && body.len() < 70_000, "{} bytes", body.len());
}

#[tokio::test]
async fn a_fork_bomb_in_a_bound_command_is_killed_and_the_server_lives() {
    // It doubles eight times at the most, should nobody stop it.
    let bomb = "f() { if [ $1 -gt 0 ]; then f $(($1 - 1)) & f $(($1 - 1)) & fi; sleep 60; }; f 8";
    let metadata = json!({"type": "bash", "cmd": bomb});
    let hooks = json!([{"url": format!("http://{HOST}/"), "metadata": metadata}]);
    let server = start(guarded(&hooks)).await;
    let (status, why) = server.post("/", &payload(&metadata)).await;
    assert!(status == 500 && why.contains("more than 64 processes and threads"), "{status} {why}");
    assert_eq!(server.send("GET", "/healthz", "", "").await, said(200, "OK"));
}

#[tokio::test]
async fn a_body_without_a_length_is_cut_off_at_the_limit() {
    let server = start(open()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!("POST / HTTP/1.1\r\nhost: {HOST}\r\ntransfer-encoding: chunked\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    for _ in 0..32 {
        if stream.write_all(chunk.as_bytes()).await.is_err() {
            break;
        }
    }
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}

#[tokio::test]
async fn a_body_of_a_hundred_thousand_brackets_is_a_bad_request() {
    let server = start(open()).await;
    let body = format!("{{\"metadata\":{}", "[".repeat(100_000));
    assert_eq!(server.send("POST", "/", "", &body).await, said(400, ""));
}

#[tokio::test]
async fn counters_of_real_traffic_are_not_read_where_load_may_not_go() {
    let link_local = "http://169.254.169.254/latest/meta-data";
    for source in [json!({"prometheus": link_local}), json!({"pods": link_local})] {
        let mut metadata = json!({"type": "load", "mode": "top-up", "url": "http://podinfo-canary.test/",
            "target": "1/s", "query": "requests_total"});
        for (key, value) in source.as_object().unwrap() {
            metadata[key] = value.clone();
        }
        // Even though the Canary names it.
        let (status, why) = bound(&metadata, |s| State { targets: Targets::new(vec![], vec![]), ..s }).await;
        assert!(status == 403 && why.contains("link-local"), "{status} {why}");
    }
}

#[tokio::test]
async fn a_redirect_of_a_target_leads_nowhere() {
    let (target, elsewhere) = (load::target().await, load::target().await);
    let away = wiremock::ResponseTemplate::new(302).insert_header("location", elsewhere.uri());
    target.reset().await;
    wiremock::Mock::given(wiremock::matchers::any()).respond_with(away).mount(&target).await;
    let metadata = json!({"cmd": format!("hey -n 5 -c 1 {}/", target.uri())});
    let server = start(open()).await;
    assert_eq!(server.post("/", &payload(&metadata)).await, said(202, ""));
    server.idle().await;
    assert_eq!(target.received_requests().await.unwrap().len(), 5);
    assert!(elsewhere.received_requests().await.unwrap().is_empty());
}

/// As files of keys and certificates are.
fn pem(label: &str, content: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(content);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

#[tokio::test]
async fn with_a_certificate_the_port_speaks_tls_and_nothing_else() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = std::env::temp_dir().join(format!("tls-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&folder).unwrap();
    let (certificate, key) = (folder.join("tls.crt"), folder.join("tls.key"));
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(&certificate, pem("CERTIFICATE", made.cert.der())).unwrap();
    std::fs::write(&key, pem("PRIVATE KEY", &made.signing_key.serialize_der())).unwrap();
    let tls = crate::tls::Tls::load(certificate.clone(), key).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, state, stop) = (listener.local_addr().unwrap(), Arc::new(open()), CancellationToken::new());
    tokio::spawn(server::serve(listener, Some(Arc::new(tls)), state, stop.clone()));
    let trusted = reqwest::Certificate::from_der(made.cert.der()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([trusted]).build().unwrap();
    let health = format!("https://localhost:{}/healthz", address.port());
    let answer = client.get(&health).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "OK");
    // Who does not trust it is not talked to, and plain text is not understood.
    assert!(reqwest::Client::new().get(&health).send().await.is_err());
    assert!(client.get(health.replace("https", "http")).send().await.is_err());
    stop.cancel();
    assert!(crate::tls::Tls::load(certificate.clone(), certificate).is_err());
    std::fs::remove_dir_all(folder).unwrap();
}
