//! One line about load that has ended: for the log, and as an event of the Canary.

use std::time::Duration;

use canary_api::Canary;
use canary_load::Report;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client};

use crate::query::as_number;

/// How long the API server may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The API server refuses longer notes, in characters.
const LONGEST: usize = 1024;

/// Requests, errors and the 99th percentile, and each arm's when there is more than one.
pub(crate) fn line(name: &str, report: &Report) -> String {
    let errors: u64 = report.errors.values().sum();
    let all = part(report.sent, errors, report.latency.p99);
    let mut line = format!("Load on {name}: {all}, {} not sent", report.not_sent.total());
    if report.arms.len() > 1 {
        for (name, arm) in &report.arms {
            line = format!("{line}; {name}: {}", part(arm.sent, arm.counts().errors(), arm.latency.p99));
        }
    }
    if report.generator_limited {
        line.push_str("; the load tester was too slow, so this is no evidence");
    }
    line
}

/// The same about load that was aborted, and why.
pub(crate) fn aborted(name: &str, why: &str, report: &Report) -> String {
    let line = line(name, report);
    let told = line.strip_prefix(&format!("Load on {name}: ")).unwrap_or(&line);
    format!("Load on {name} was aborted and judges nothing: {why}; {told}")
}

fn part(sent: u64, errors: u64, p99: f64) -> String {
    let percent = as_number(errors) / as_number(sent.max(1)) * 100.0;
    format!("{sent} requests, {errors} errors ({percent:.2} %), p99 {p99:.1} ms")
}

/// Sends the event; that it cannot be is no harm.
pub(crate) async fn send(client: Client, canary: &Canary, (reason, note): (&str, &str), is_good: bool) {
    let name = canary.metadata.name.clone().unwrap_or_default();
    let namespace = canary.metadata.namespace.clone().unwrap_or_default();
    let event = Event {
        metadata: ObjectMeta {
            generate_name: Some(format!("{name}-load-")),
            namespace: Some(namespace.clone()),
            ..ObjectMeta::default()
        },
        type_: Some(if is_good { "Normal" } else { "Warning" }.to_owned()),
        reason: Some(reason.to_owned()),
        action: Some("Load".to_owned()),
        note: Some(note.chars().take(LONGEST).collect()),
        event_time: Some(MicroTime(Timestamp::now())),
        reporting_controller: Some("canary-loadtester".to_owned()),
        reporting_instance: Some(
            std::env::var("HOSTNAME").unwrap_or_else(|_| "canary-loadtester".to_owned()),
        ),
        regarding: Some(ObjectReference {
            api_version: Some("flagger.app/v1beta1".to_owned()),
            kind: Some("Canary".to_owned()),
            name: Some(name),
            namespace: Some(namespace.clone()),
            // By this `kubectl describe` finds it.
            uid: canary.metadata.uid.clone(),
            ..ObjectReference::default()
        }),
        ..Event::default()
    };
    let events: Api<Event> = Api::namespaced(client, &namespace);
    match tokio::time::timeout(PATIENCE, events.create(&PostParams::default(), &event)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::debug!(%error, "an event was not sent"),
        Err(_) => tracing::debug!("an event was not sent in time"),
    }
}
