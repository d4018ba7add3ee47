//! No value of a secret gets into a log, an event, a status, a metric or a message, also when everything fails.
//!
//! Every place that can hold a secret holds one that can be recognised; then a rollout runs against receivers that refuse and
//! ports where nobody is. Needs `KUBEBUILDER_ASSETS`, `HELM` and `CANARYD`.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[path = "installation/cluster.rs"]
mod cluster;

use std::time::Duration;

use canary_tests::{ApiServer, Stub, fetch, installed, pods_become_ready, tool};
use cluster::Installation;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::runtime::wait::await_condition;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(240);
/// Part of every secret value here.
const MARK: &str = "hush";
/// The same within base64, at each of the three offsets that it can have there.
const ENCODED: [&str; 3] = ["aHVza", "h1c2", "odXNo"];

/// Where receivers are: one that refuses, one that takes hooks, and a port where nobody is.
struct Places {
    refusing: String,
    nobody: String,
}

/// An address with a secret in the places that an address has for one.
fn with_secrets(base: &str, what: &str) -> String {
    let authority = base.trim_start_matches("http://");
    format!("http://hush-user:hush-{what}@{authority}/{what}?token=hush-{what}")
}

fn hooks(places: &Places) -> Value {
    let hook = |name: &str, kind: &str, url: String| json!({"name": name, "type": kind, "url": url});
    json!([
        hook("refusing", "rollout", with_secrets(&places.refusing, "hook")),
        hook("absent", "rollout", with_secrets(&places.nobody, "hook")),
        hook("event", "event", with_secrets(&places.nobody, "event")),
        hook("rollback", "rollback", with_secrets(&places.refusing, "rollback")),
        hook("metadata", "post-rollout", "http://169.254.169.254/latest/meta-data/?hush".to_owned()),
    ])
}

fn objects(places: &Places) -> Vec<Value> {
    let secret = |name: &str, data: Value| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data});
    let template = |name: &str, address: String| {
        json!({"apiVersion": "flagger.app/v1beta1", "kind": "MetricTemplate", "metadata": {"name": name}, "spec": {
            "query": "sum(requests)",
            "provider": {"type": "prometheus", "address": address, "secretRef": {"name": "login"},
                         "headers": {"X-Api-Key": ["hush-header"]}}}})
    };
    let provider = |name: &str, more: Value| {
        let mut spec = json!({"type": "slack", "channel": "general", "username": "flagger"});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"apiVersion": "flagger.app/v1beta1", "kind": "AlertProvider", "metadata": {"name": name}, "spec": spec})
    };
    let alert = |name: &str| json!({"name": name, "severity": "info", "providerRef": {"name": name}});
    let metric = |name: &str| json!({"name": name, "interval": "1m", "thresholdRange": {"min": 1}, "templateRef": {"name": name}});
    let canary = |name: &str, hooks: Value, metrics: Value, alerts: Value| {
        json!({"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": {"name": name}, "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "service": {"port": 80, "targetPort": 9898},
            "analysis": {"interval": "10s", "threshold": 2, "iterations": 2, "webhooks": hooks, "metrics": metrics,
                         "alerts": alerts}}})
    };
    let deployment = |name: &str| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": {"app": name}},
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "podinfod", "image": "podinfo:1",
                    "envFrom": [{"secretRef": {"name": "podinfo"}}]}]}}}})
    };
    vec![
        secret("podinfo", json!({"password": "hush-application"})),
        secret("login", json!({"username": "hush-user", "password": "hush-login"})),
        secret("chat", json!({"address": with_secrets(&places.nobody, "chat"), "token": "hush-token"})),
        template("refused", with_secrets(&places.refusing, "metric")),
        template("absent", with_secrets(&places.nobody, "metric")),
        provider("refused", json!({"address": with_secrets(&places.refusing, "chat")})),
        provider("absent", json!({"secretRef": {"name": "chat"}})),
        provider(
            "proxied",
            json!({"address": with_secrets(&places.refusing, "chat"),
                                   "proxy": with_secrets(&places.nobody, "proxy")}),
        ),
        deployment("hooked"),
        deployment("measured"),
        canary(
            "hooked",
            hooks(places),
            json!([]),
            json!([alert("refused"), alert("absent"), alert("proxied")]),
        ),
        // Without alerts of its own, so that the controller's are sent.
        canary("measured", json!([]), json!([metric("refused"), metric("absent")]), json!([])),
    ]
}

async fn until(installation: &Installation, canary: &str, phase: &str) {
    let reached = await_condition(installation.api("Canary"), canary, |object: Option<&DynamicObject>| {
        object.is_some_and(|o| o.data["status"]["phase"] == phase)
    });
    let waited = tokio::time::timeout(PATIENCE, reached).await;
    assert!(waited.is_ok(), "{canary} is not {phase}; the controller wrote:\n{}", installation.log());
}

/// The lines of a text with a secret in them.
fn leaks(text: &str) -> Vec<&str> {
    let lines = text.lines();
    lines.filter(|line| line.contains(MARK) || ENCODED.iter().any(|code| line.contains(code))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_told_to_anybody_when_everything_fails() {
    let (Some(assets), Some(helm), Some(canaryd)) = (installed(), tool("HELM"), tool("CANARYD")) else {
        return;
    };
    let mut server = ApiServer::start(&assets).await.unwrap();
    assert!(server.start_controllers(&assets, "deployment-controller,replicaset-controller").unwrap());
    let refusing = Stub::start("403 Forbidden", "not for you").await.unwrap();
    // A port that was free a moment ago.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let places = Places { refusing: refusing.address().to_owned(), nobody: format!("http://{nobody}") };
    let mut installation = Installation::new(&server, &assets, helm, canaryd).await.unwrap();
    installation.install(&with_secrets(&places.nobody, "prometheus")).unwrap();
    for (name, value) in [
        ("SLACK_URL", with_secrets(&places.refusing, "slack")),
        ("SLACK_TOKEN", "hush-bot".to_owned()),
        ("SLACK_PROXY_URL", String::new()),
        ("EVENT_WEBHOOK_URL", with_secrets(&places.nobody, "events")),
    ] {
        installation.set(name, &value);
    }
    let kubelet = pods_become_ready(server.client().unwrap(), cluster::TESTS);
    installation.run_with(&["-log-level=debug", "-slack-channel=general"]).await.unwrap();
    for object in objects(&places) {
        installation.create(object).await.unwrap();
    }
    for canary in ["hooked", "measured"] {
        until(&installation, canary, "Initialized").await;
        let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "podinfod", "image": "podinfo:2"}]}}}});
        let targets = installation.api("Deployment");
        targets.patch(canary, &PatchParams::default(), &Patch::Strategic(image)).await.unwrap();
    }
    for canary in ["hooked", "measured"] {
        until(&installation, canary, "Failed").await;
    }
    let metrics = fetch(installation.port(), "/metrics").await.unwrap();
    // What is still to be told is told before the end.
    installation.stop().await.unwrap();

    let log = installation.log();
    assert!(log.contains("may not be reached"), "the metadata service was not refused:\n{log}");
    assert!(log.contains("an alert was not delivered"), "no alert failed:\n{log}");
    assert_eq!(leaks(&log), [""; 0], "in the log");
    let events = installation.dump("events").unwrap();
    assert!(events.contains("Halt advancement") || events.contains("Halt hooked"), "{events}");
    assert_eq!(leaks(&events), [""; 0], "in events");
    assert_eq!(leaks(&metrics), [""; 0], "in metrics");
    let statuses: Value = serde_json::from_str(&installation.dump("canaries").unwrap()).unwrap();
    for canary in statuses["items"].as_array().unwrap() {
        assert_eq!(leaks(&canary["status"].to_string()), [""; 0], "in a status");
    }
    for kind in ["services", "configmaps", "deployments"] {
        assert_eq!(leaks(&installation.dump(kind).unwrap()), [""; 0], "in {kind}");
    }
    // Receivers get their own login, in the head, and nobody else's.
    for request in refusing.requests() {
        let text = String::from_utf8_lossy(&request).into_owned();
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        assert_eq!(leaks(body), [""; 0], "in a message");
    }
    kubelet.abort();
}
