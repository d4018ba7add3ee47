use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use canary_core::{HookPayload, Phase};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;
use wiremock::matchers::{any, body_json_string, header, method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::*;

/// Remembers the waits and does not wait.
#[derive(Clone, Default)]
struct Waits(Arc<Mutex<Vec<u64>>>);

#[async_trait]
impl Patience for Waits {
    async fn wait(&self, time: Duration) {
        self.0.lock().unwrap().push(time.as_secs());
    }
}

fn client() -> (WebhookClient, Waits) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let waits = Waits::default();
    (WebhookClient { patience: Box::new(waits.clone()), ..WebhookClient::new() }, waits)
}

fn call_to(url: impl Into<String>) -> HookCall {
    HookCall::new("gate", url, HookPayload::default())
}

async fn answering(answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(answer).mount(&server).await;
    server
}

async fn requests(server: &MockServer) -> Vec<Request> {
    server.received_requests().await.unwrap()
}

/// Calls a hook that gives `answer`; its verdict, the number of attempts and the waits between them.
async fn verdict(answer: ResponseTemplate, retries: u32) -> (HookAnswer, usize, Vec<u64>) {
    let server = answering(answer).await;
    let (client, waits) = client();
    let mut call = call_to(format!("{}/check", server.uri()));
    call.retries = retries;
    let verdict = match client.call(&call).await {
        HookAnswer::Failed(text) => HookAnswer::Failed(text.replace(&server.uri(), "http://hook")),
        HookAnswer::Passed => HookAnswer::Passed,
    };
    let waits = waits.0.lock().unwrap().clone();
    (verdict, requests(&server).await.len(), waits)
}

fn failed(text: &str) -> HookAnswer {
    HookAnswer::Failed(text.into())
}

#[tokio::test]
async fn the_payload_is_posted_as_json() {
    let server = MockServer::start().await;
    let body = r#"{"name":"podinfo","namespace":"test","phase":"Progressing","checksum":"758df7c9fc","metadata":{"cmd":"true"}}"#;
    Mock::given(method("POST"))
        .and(path("/check"))
        .and(header("content-type", "application/json"))
        .and(body_json_string(body))
        .respond_with(ResponseTemplate::new(200))
        .mount(&server)
        .await;
    let call = HookCall::new(
        "gate",
        format!("{}/check", server.uri()),
        HookPayload {
            name: "podinfo".into(),
            namespace: "test".into(),
            phase: Phase::Progressing,
            checksum: "758df7c9fc".into(),
            metadata: BTreeMap::from([("cmd".into(), "true".into())]),
        },
    );

    assert_eq!(client().0.call(&call).await, HookAnswer::Passed);
    assert_eq!(requests(&server).await[0].body, body.as_bytes(), "keys in this order");
}

#[tokio::test]
async fn up_to_status_202_a_hook_passes() {
    for status in [200, 201, 202] {
        assert_eq!(
            verdict(ResponseTemplate::new(status), 3).await,
            (HookAnswer::Passed, 1, vec![]),
            "{status}"
        );
    }
}

#[tokio::test]
async fn other_statuses_fail_at_once_with_the_body_as_text() {
    for status in [203, 206, 304, 400, 403, 404, 422, 501] {
        let answer = ResponseTemplate::new(status).set_body_string("not yet\n");
        assert_eq!(
            verdict(answer, 3).await,
            (failed(if status == 304 { "" } else { "not yet\n" }), 1, vec![]),
            "{status}"
        );
    }
    for status in [204, 205, 403] {
        assert_eq!(verdict(ResponseTemplate::new(status), 3).await, (failed(""), 1, vec![]), "{status}");
    }
}

#[tokio::test]
async fn overload_is_tried_again_with_growing_waits() {
    for status in [429, 500, 502, 503, 504, 599] {
        assert_eq!(
            verdict(ResponseTemplate::new(status).set_body_string("busy"), 3).await,
            (failed("POST http://hook/check giving up after 4 attempt(s)"), 4, vec![1, 2, 4]),
            "{status}"
        );
    }
}

#[tokio::test]
async fn without_retries_the_body_of_an_overloaded_hook_is_lost_too() {
    assert_eq!(
        verdict(ResponseTemplate::new(500).set_body_string("command failed"), 0).await,
        (failed("POST http://hook/check giving up after 1 attempt(s)"), 1, vec![])
    );
}

#[tokio::test]
async fn an_overloaded_hook_chooses_the_wait() {
    let busy = |status| ResponseTemplate::new(status).insert_header("retry-after", "9");
    assert_eq!(verdict(busy(503), 2).await.2, [9, 9]);
    assert_eq!(verdict(busy(429), 2).await.2, [9, 9]);
    assert_eq!(verdict(busy(500), 2).await.2, [1, 2]);
}

#[tokio::test]
async fn a_hook_that_recovers_passes() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(503)).up_to_n_times(2).mount(&server).await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    let mut call = call_to(server.uri());
    call.retries = 9;

    assert_eq!(client().0.call(&call).await, HookAnswer::Passed);
    assert_eq!(requests(&server).await.len(), 3);
}

#[tokio::test]
async fn a_long_body_is_cut() {
    let server = answering(ResponseTemplate::new(400).set_body_string("x".repeat(1 << 20))).await;
    let HookAnswer::Failed(text) = client().0.call(&call_to(server.uri())).await else { panic!("passed") };
    assert_eq!(text.len(), 64 * 1024);
}

#[tokio::test]
async fn a_body_that_is_not_text_is_shown_as_far_as_it_is() {
    assert_eq!(
        verdict(ResponseTemplate::new(400).set_body_bytes(b"a\xffb"), 0).await.0,
        failed("a\u{fffd}b")
    );
}

#[tokio::test]
async fn redirects_are_followed_and_some_turn_into_get() {
    for (status, then) in [(301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")] {
        let server = MockServer::start().await;
        let moved = ResponseTemplate::new(status).insert_header("location", "/moved");
        Mock::given(path("/check")).respond_with(moved).mount(&server).await;
        Mock::given(method(then))
            .and(path("/moved"))
            .respond_with(ResponseTemplate::new(201))
            .mount(&server)
            .await;

        let answer = client().0.call(&call_to(format!("{}/check", server.uri()))).await;

        assert_eq!(answer, HookAnswer::Passed, "{status}");
        let seen = requests(&server).await;
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[1].body.is_empty(), then == "GET", "{status}");
    }
}

#[tokio::test]
async fn redirects_without_end_fail_at_once() {
    let answer = ResponseTemplate::new(302).insert_header("location", "/check");
    assert_eq!(
        verdict(answer, 3).await,
        (failed("POST http://hook/check giving up after 1 attempt(s): too many redirects"), 11, vec![])
    );
}

#[tokio::test]
async fn a_refused_connection_is_tried_again() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (client, waits) = client();
    let mut call = call_to(format!("http://me:secret@{closed}/check"));
    call.retries = 2;

    let HookAnswer::Failed(text) = client.call(&call).await else { panic!("passed") };

    let expected = format!(
        "POST http://{closed}/check giving up after 3 attempt(s): could not connect: Connection refused"
    );
    assert!(text.starts_with(&expected), "{text}");
    assert_eq!(*waits.0.lock().unwrap(), [1, 2]);
}

/// A listener that nobody accepts from: connections succeed, answers never come. A paused clock jumps to the limits.
#[tokio::test(start_paused = true)]
async fn each_attempt_has_the_limit_to_itself() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    for (timeout, shown, total) in [(10, "10s", 10 + 1 + 10 + 2 + 10), (3, "3s", 12), (0, "10s", 33)] {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut call = call_to(&url);
        call.timeout = Ok(Duration::from_secs(timeout));
        call.retries = 2;
        let start = Instant::now();

        let answer = WebhookClient::new().call(&call).await;

        assert_eq!(
            answer,
            failed(&format!("POST {url} giving up after 3 attempt(s): no answer within {shown}"))
        );
        assert_eq!(start.elapsed().as_secs(), total);
    }
}

/// The head of an answer and half of its body, then silence.
#[tokio::test]
async fn the_limit_covers_the_body() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nOK").await.unwrap();
        std::future::pending::<()>().await;
    });
    let mut call = call_to(&url);
    call.timeout = Ok(Duration::from_millis(200));

    let answer = client().0.call(&call).await;

    assert_eq!(answer, failed(&format!("POST {url} giving up after 1 attempt(s): no answer within 200ms")));
}

#[tokio::test]
async fn a_call_that_cannot_be_right_is_not_made() {
    let server = answering(ResponseTemplate::new(200)).await;
    let mut call = call_to(server.uri());
    call.timeout = Err("5seconds".into());
    assert_eq!(
        client().0.call(&call).await,
        failed(r#"webhook gate was not called: timeout "5seconds" is not a duration such as 10s or 1m"#)
    );
    assert!(requests(&server).await.is_empty());

    for (url, reason) in [
        ("gate/check", "relative URL without a base"),
        ("ftp://gate/check", r#"unsupported protocol scheme "ftp""#),
    ] {
        let expected =
            format!("webhook gate was not called: its url is not an http or https address: {reason}");
        assert_eq!(client().0.call(&call_to(url)).await, failed(&expected));
    }
}

#[tokio::test]
async fn user_name_and_password_are_sent_and_not_shown() {
    let server = answering(ResponseTemplate::new(500)).await;
    let url = server.uri();
    let call = call_to(url.replace("http://", "http://me:secret@"));

    assert_eq!(client().0.call(&call).await, failed(&format!("POST {url} giving up after 1 attempt(s)")));
    assert_eq!(requests(&server).await[0].headers["authorization"], "Basic bWU6c2VjcmV0");
}

/// Answers one connection over TLS with a certificate that nobody trusts; whether a request arrived.
fn untrusted_server() -> (String, std::thread::JoinHandle<bool>) {
    use std::io::{Read, Write};
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/check", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        let mut stream =
            rustls::StreamOwned::new(rustls::ServerConnection::new(config.into()).unwrap(), socket);
        let mut request = [0; 4096];
        let arrived = stream.read(&mut request).is_ok_and(|length| length > 0);
        // The client may be gone by now; what it made of the answer is what the test looks at.
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        let _ = stream.flush();
        arrived
    });
    (url, thread)
}

#[tokio::test]
async fn a_certificate_that_nobody_trusts_fails_at_once() {
    let (url, server) = untrusted_server();
    let (client, waits) = client();
    let mut call = call_to(&url);
    call.retries = 3;

    let HookAnswer::Failed(text) = client.call(&call).await else { panic!("passed") };

    assert!(
        text.starts_with(&format!("POST {url} giving up after 1 attempt(s): could not connect: ")),
        "{text}"
    );
    assert!(text.contains("certificate"), "{text}");
    assert!(waits.0.lock().unwrap().is_empty());
    assert!(!server.join().unwrap(), "the payload must not be sent");
}

#[tokio::test]
async fn disable_tls_trusts_any_certificate() {
    let (url, server) = untrusted_server();
    let mut call = call_to(&url);
    call.disable_tls = true;

    assert_eq!(client().0.call(&call).await, HookAnswer::Passed);
    assert!(server.join().unwrap());
}
