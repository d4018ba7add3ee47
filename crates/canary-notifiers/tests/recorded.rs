//! What our notifiers post, compared with recordings of Flagger's.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use canary_core::{Alert, Severity};
use canary_notifiers::{NotifierSpec, Notifiers};
use serde_json::{Value, json};
use wiremock::matchers::{any, method};
use wiremock::{Mock, MockServer, ResponseTemplate};

const INITIALIZED: &str = "New Deployment detected, initialization completed.";
const REVISION: &str = "New revision detected, progressing canary analysis.";
const FAILED: &str = "Failed checks threshold reached 2";
const WAITING: &str = "Canary promotion is waiting for approval.";
const PROMOTED: &str = "Canary analysis completed successfully, promotion finished.";

fn plain(namespace: &str, text: &str, severity: Severity) -> Alert {
    Alert::new("podinfo", namespace, text, severity)
}

fn with_facts(namespace: &str, text: &str, threshold: &str, routing: &str) -> Alert {
    plain(namespace, text, Severity::Info)
        .field("Target", format!("Deployment/podinfo.{namespace}"))
        .field("Failed checks threshold", threshold)
        .field("Progress deadline", "60s")
        .field("Traffic routing", routing)
}

/// A rollout that fails and one that succeeds.
fn both_rollouts() -> Vec<Alert> {
    let facts = |text| with_facts("alert-provider", text, "2", "Weight step: 50 max: 50");
    let plain = |text, severity| plain("alert-provider", text, severity);
    vec![
        facts(INITIALIZED),
        facts(REVISION),
        plain(FAILED, Severity::Error),
        facts(REVISION),
        plain(WAITING, Severity::Warn),
        plain(PROMOTED, Severity::Info),
    ]
}

/// Sends `alerts` through the notifier of `spec`, its address completed with a server's, and returns what arrived there
/// in the form of the recordings.
async fn posted(mut spec: NotifierSpec, alerts: &[Alert]) -> Value {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = MockServer::start().await;
    Mock::given(method("POST")).and(any()).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    spec.address = format!("{}{}", server.uri(), spec.address);
    let notifier = Notifiers::new().build(&spec).unwrap();
    for alert in alerts {
        notifier.send(alert).await.unwrap();
    }

    let mut recorded = json!({});
    for request in server.received_requests().await.unwrap() {
        assert_eq!(request.headers["content-type"], "application/json");
        let mut body: Value = request.body_json().unwrap();
        if let Some(value) = request.headers.get("authorization") {
            body["(Authorization)"] = value.to_str().unwrap().into();
        }
        let path = &mut recorded[request.url.path()];
        if let Value::Array(bodies) = path {
            bodies.push(body);
        } else {
            *path = json!([body]);
        }
    }
    recorded
}

/// The part of a recording that went to `path`.
fn recording(text: &str, path: &str) -> Value {
    let mut all: Value = serde_json::from_str(text).unwrap();
    let part = all[path].take();
    assert!(part.is_array(), "nothing was recorded at {path}");
    json!({ path: part })
}

async fn assert_as_recorded(spec: NotifierSpec, path: &str, alerts: &[Alert]) {
    assert_eq!(posted(spec, alerts).await, recording(include_str!("recorded/alert-provider.json"), path));
}

#[tokio::test]
async fn a_successful_rollout_is_told_to_the_global_slack_as_recorded() {
    let facts = |text| with_facts("seed-success", text, "3", "Weight step: 10 max: 50");
    let alerts = [facts(INITIALIZED), facts(REVISION), plain("seed-success", PROMOTED, Severity::Info)];
    assert_eq!(
        posted(NotifierSpec::new("slack", "/slack"), &alerts).await,
        recording(include_str!("recorded/seed-success.json"), "/slack")
    );
}

#[tokio::test]
async fn slack_gets_channel_user_and_token_as_recorded() {
    let mut spec = NotifierSpec::new("slack", "/alert-provider/slack");
    spec.set_channel("deploys");
    spec.set_username("robot");
    spec.token = Some("xoxb-1".into());
    assert_as_recorded(spec, "/alert-provider/slack", &both_rollouts()).await;
}

#[tokio::test]
async fn discord_is_told_of_warnings_and_errors_as_recorded() {
    let mut spec = NotifierSpec::new("discord", "/alert-provider/discord");
    spec.set_channel("c");
    spec.set_username("u");
    let mut alerts = both_rollouts();
    alerts.retain(|alert| alert.severity >= Severity::Warn);
    assert_as_recorded(spec, "/alert-provider/discord/slack", &alerts).await;
}

#[tokio::test]
async fn teams_is_told_of_errors_as_recorded() {
    let mut alerts = both_rollouts();
    alerts.retain(|alert| alert.severity == Severity::Error);
    let spec = NotifierSpec::new("msteams", "/alert-provider/msteams");
    assert_as_recorded(spec, "/alert-provider/msteams", &alerts).await;
}

#[tokio::test]
async fn rocket_is_told_as_recorded() {
    let spec = NotifierSpec::new("rocket", "/alert-provider/rocket");
    assert_as_recorded(spec, "/alert-provider/rocket", &both_rollouts()).await;
}

#[tokio::test]
async fn google_chat_is_told_as_recorded() {
    let spec = NotifierSpec::new("gchat", "/alert-provider/gchat");
    assert_as_recorded(spec, "/alert-provider/gchat", &both_rollouts()).await;
}

#[tokio::test]
async fn teams_shows_facts_and_the_colour_of_good_news() {
    let alert = plain("test", INITIALIZED, Severity::Info).field("Cluster", "eu");
    assert_eq!(
        posted(NotifierSpec::new("msteams", "/x"), &[alert]).await["/x"][0],
        json!({
            "@type": "MessageCard",
            "@context": "http://schema.org/extensions",
            "themeColor": "0076D7",
            "summary": "podinfo.test",
            "sections": [{
                "activityTitle": INITIALIZED,
                "activitySubtitle": "podinfo.test",
                "facts": [{ "name": "Cluster", "value": "eu" }],
            }],
        })
    );
}

#[tokio::test]
async fn only_slack_gets_the_token() {
    for (kind, path) in [("discord", "/x/slack"), ("rocket", "/x"), ("msteams", "/x"), ("gchat", "/x")] {
        let mut spec = NotifierSpec::new(kind, "/x");
        spec.token = Some("xoxb-1".into());
        let posted = posted(spec, &[plain("test", FAILED, Severity::Error)]).await;
        assert!(posted[path][0].is_object() && posted[path][0].get("(Authorization)").is_none(), "{posted}");
    }
}
