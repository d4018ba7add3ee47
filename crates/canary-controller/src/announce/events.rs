//! Kubernetes events, as Flagger writes them: core/v1, reason `Synced`, component `flagger`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use canary_core::{EventKind, Status};
use canary_routers::{LiveObjects, ObjectError, Objects};
use canary_webhooks::RecordedEvent;
use jiff::Timestamp;
use kube::core::ApiResource;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A repeated event becomes a count this often at most.
const COUNT_EVERY: Duration = Duration::from_secs(300);
/// Tries for the event of a change of phase, and the wait between them.
const TRIES: u32 = 4;
const BETWEEN_TRIES: Duration = Duration::from_secs(1);
/// Longest message that the API server takes.
const MESSAGE_AT_MOST: usize = 1024;

/// The Canary that events are about.
#[derive(Clone, Debug)]
pub(crate) struct About {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) resource_version: String,
}

/// The event that was last recorded for one canary.
#[derive(Clone, Debug, Default)]
pub(crate) struct Last(Arc<Mutex<Option<Recorded>>>);

#[derive(Clone, Debug)]
struct Recorded {
    kind: EventKind,
    message: String,
    name: String,
    count: u64,
    written: Timestamp,
}

/// Whether an event equals the one before.
enum Repeated {
    No,
    /// It does, and too little time has passed to say so.
    Yes,
    /// It does, and that is worth a write.
    Counted {
        name: String,
        count: u64,
    },
}

/// Writes events.
#[derive(Clone)]
pub(crate) struct Events {
    objects: LiveObjects,
    kind: ApiResource,
    /// Names the process in events.
    instance: String,
}

impl Events {
    pub(crate) fn new(objects: LiveObjects, instance: String) -> Self {
        let kind = ApiResource::erase::<k8s_openapi::api::core::v1::Event>(&());
        Self { objects, kind, instance }
    }

    /// Whether an event of that name is there; an answer that does not tell counts as yes, since a repetition would be
    /// made of it.
    pub(super) async fn exists(&self, about: &About, name: &str) -> bool {
        !matches!(self.objects.get(&self.kind, &about.namespace, name).await, Ok(None))
    }

    /// Writes an event with those annotations: under `name` if it must not be made twice, as a count if it equals the one
    /// before.
    pub(super) async fn record(
        &self,
        about: &About,
        event: &RecordedEvent,
        name: Option<&str>,
        notes: BTreeMap<String, String>,
        last: &Last,
    ) {
        match last.repeated(event) {
            Repeated::No => {}
            _ if name.is_some() => {}
            Repeated::Yes => return,
            Repeated::Counted { name, count } => return self.count(about, event, &name, count).await,
        }
        let fallback = format!(
            "{}.{}",
            about.name,
            digest(&[&about.uid, &event.at.as_nanosecond().to_string(), &event.message])
        );
        let name = name.map_or(fallback, str::to_owned);
        let mut body = self.body(about, event, &name);
        if !notes.is_empty() {
            body["metadata"]["annotations"] = json!(notes);
        }
        for n in 1..=TRIES {
            match self.objects.create(&self.kind, &body).await {
                Ok(_) | Err(ObjectError::AlreadyExists(_)) => {
                    last.set(event, name);
                    return;
                }
                Err(error @ (ObjectError::Unavailable(_) | ObjectError::Conflict(_))) if n < TRIES => {
                    tracing::debug!(canary = about.name, %error, "writing an event is tried again");
                    tokio::time::sleep(BETWEEN_TRIES * n).await;
                }
                Err(error) => {
                    tracing::warn!(canary = format!("{}.{}", about.name, about.namespace), %error, "an event was not written");
                    return;
                }
            }
        }
    }

    async fn count(&self, about: &About, event: &RecordedEvent, name: &str, count: u64) {
        let patch = json!({"count": count, "lastTimestamp": seconds(event.at)});
        if let Err(error) = self.objects.merge(&self.kind, &about.namespace, name, &patch).await {
            tracing::debug!(canary = about.name, %error, "an event was not counted");
        }
    }

    fn body(&self, about: &About, event: &RecordedEvent, name: &str) -> Value {
        let message: String = event.message.chars().take(MESSAGE_AT_MOST).collect();
        json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": about.namespace},
            "involvedObject": {
                "apiVersion": "flagger.app/v1beta1", "kind": "Canary", "namespace": about.namespace,
                "name": about.name, "uid": about.uid, "resourceVersion": about.resource_version,
            },
            "reason": "Synced",
            "message": message,
            "type": event.kind.as_str(),
            "source": {"component": "flagger"},
            "reportingComponent": "flagger",
            "reportingInstance": self.instance,
            "firstTimestamp": seconds(event.at),
            "lastTimestamp": seconds(event.at),
            "count": 1,
        })
    }
}

impl Last {
    fn repeated(&self, event: &RecordedEvent) -> Repeated {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(last) = last.as_mut().filter(|l| l.kind == event.kind && l.message == event.message) else {
            return Repeated::No;
        };
        last.count += 1;
        let due = event.at.duration_since(last.written).unsigned_abs() >= COUNT_EVERY;
        if due {
            last.written = event.at;
        }
        if due { Repeated::Counted { name: last.name.clone(), count: last.count } } else { Repeated::Yes }
    }

    fn set(&self, event: &RecordedEvent, name: String) {
        let recorded =
            Recorded { kind: event.kind, message: event.message.clone(), name, count: 1, written: event.at };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(recorded);
    }
}

/// The name of the event that tells of the last change of phase: the same in every process that tells of it.
pub(super) fn transition_name(about: &About, status: &Status) -> String {
    let since = status.condition.as_ref().map_or(Timestamp::UNIX_EPOCH, |c| c.last_update);
    format!("{}.{}", about.name, digest(&[&about.uid, &since.as_second().to_string(), status.phase.as_str()]))
}

fn digest(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.as_bytes());
        hasher.update([0]);
    }
    let sum = hasher.finalize();
    let first = sum.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("{first:016x}")
}

fn seconds(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}
