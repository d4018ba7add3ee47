//! What counts as delivered, and what errors say.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::net::TcpListener;
use std::time::Duration;

use canary_core::{Alert, NotifyError, Severity};
use canary_notifiers::{NotifierSpec, Notifiers};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

const SECRET: &str = "/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX";

async fn send(kind: &str, address: String, proxy: Option<String>) -> Result<(), NotifyError> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut spec = NotifierSpec::new(kind, address);
    spec.token = Some("xoxb-secret".into());
    spec.proxy = proxy;
    let notifier = Notifiers::new().build(&spec).unwrap();
    notifier.send(&Alert::new("podinfo", "test", "Canary is waiting for approval.", Severity::Warn)).await
}

async fn answering(answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(answer).mount(&server).await;
    server
}

async fn verdict(kind: &str, answer: ResponseTemplate) -> Result<(), NotifyError> {
    let server = answering(answer).await;
    send(kind, format!("{}{SECRET}", server.uri()), None).await
}

fn refused(service: &'static str, status: u16, body: &str) -> Result<(), NotifyError> {
    Err(NotifyError::Refused { service, status, body: body.into() })
}

#[tokio::test]
async fn every_2xx_is_delivered() {
    for status in [200, 201, 202, 204, 299] {
        for kind in ["slack", "msteams", "discord", "rocket", "gchat"] {
            assert_eq!(verdict(kind, ResponseTemplate::new(status)).await, Ok(()), "{kind} {status}");
        }
    }
}

#[tokio::test]
async fn other_statuses_are_refusals_with_the_answer_in_one_line() {
    for status in [304, 400, 404, 429, 500] {
        let body = if status == 304 { "" } else { "invalid\n payload" };
        let answer = ResponseTemplate::new(status).set_body_string(body);
        let shown = if status == 304 { "" } else { "invalid payload" };
        assert_eq!(verdict("rocket", answer).await, refused("rocket", status, shown));
    }
}

#[tokio::test]
async fn an_answer_that_repeats_the_address_or_the_token_is_blotted_out() {
    let answer = ResponseTemplate::new(404).set_body_string(format!("cannot POST {SECRET} with xoxb-secret"));
    assert_eq!(verdict("slack", answer).await, refused("slack", 404, "cannot POST […] with […]"));
}

#[tokio::test]
async fn slack_saying_not_ok_with_status_200_is_a_refusal() {
    let web_api = |body: &str| ResponseTemplate::new(200).set_body_string(body);
    assert_eq!(
        verdict("slack", web_api(r#"{"ok":false,"error":"channel_not_found"}"#)).await,
        refused("slack", 200, r#"{"ok":false,"error":"channel_not_found"}"#)
    );
    for body in [r#"{"ok":true,"channel":"C1"}"#, "ok", "", "{}"] {
        assert_eq!(verdict("slack", web_api(body)).await, Ok(()), "{body}");
    }
    assert_eq!(verdict("rocket", web_api(r#"{"ok":false}"#)).await, Ok(()), "only Slack speaks so");
}

#[tokio::test]
async fn a_service_that_is_down_is_reported_without_its_address() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = send("slack", format!("http://me:secret@{closed}{SECRET}"), None).await.unwrap_err();
    assert!(
        matches!(&error, NotifyError::Unreachable { service: "slack", reason } if reason.starts_with("Connection refused")),
        "{error}"
    );
}

/// A listener that nobody accepts from: connections succeed, answers never come. A paused clock jumps to the limit.
#[tokio::test(start_paused = true)]
async fn a_service_has_five_seconds() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let start = tokio::time::Instant::now();

    let answer = send("gchat", format!("http://{}", silent.local_addr().unwrap()), None).await;

    let reason = "no answer within 5s".into();
    assert_eq!(answer, Err(NotifyError::Unreachable { service: "gchat", reason }));
    assert_eq!(start.elapsed(), Duration::from_secs(5));
}

#[tokio::test]
async fn a_proxy_gets_the_request_whether_its_scheme_is_written_or_not() {
    for scheme in ["http://", ""] {
        let proxy = answering(ResponseTemplate::new(200)).await;
        let address = format!("{scheme}{}", proxy.address());
        assert_eq!(send("slack", "http://chat.invalid/hook".into(), Some(address)).await, Ok(()));
        let seen = proxy.received_requests().await.unwrap();
        assert_eq!((seen.len(), seen[0].url.path()), (1, "/hook"));
    }
}
