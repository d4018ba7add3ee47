//! Canaries that cannot be used: what is wrong is told once by an event, and stands in a condition until it is mended.

use std::collections::BTreeMap;
use std::sync::Arc;

use canary_api::{CanaryStatus, InvalidObject};
use canary_core::{Happening, Notice, Phase, Plan, Status, Then, Timestamp};
use serde_json::{Value, json};

use crate::announce::{AlertRoutes, Batch};
use crate::memory::Memory;
use crate::metadata::keep_finalizer;
use crate::reconcile::{Context, RETRY};
use crate::subject::{about, canary_kind, has_finalizer};

/// The condition of a Canary that cannot be used.
const VALID: &str = "Valid";

/// A Canary that cannot be used: its rollout rests, and it says why. No other canary is concerned.
pub(crate) async fn refuse(
    context: &Context,
    object: &Value,
    memory: &mut Memory,
    invalid: &InvalidObject,
) -> Option<Timestamp> {
    let text = invalid.to_string();
    if memory.invalid.as_ref() != Some(&text) {
        let about = about(object);
        let plan = Arc::new(Plan::new(&about.name, &about.namespace));
        let what = Happening::Error(text.clone());
        let then = vec![Then::Announce(Notice { phase: Phase::Unset, what })];
        let routes = AlertRoutes::default();
        let batch = Batch {
            about,
            plan,
            status: Status::default(),
            routes,
            then,
            transition: false,
            again: false,
            finding: None,
            values: BTreeMap::new(),
        };
        memory.announcer.announce(batch);
        context.telemetry.reconcile_failed("invalid");
        mark(context, object, Some(&text)).await;
        memory.invalid = Some(text);
    }
    // What it changed cannot be found out, and it must not be kept for ever.
    let deleting = object.pointer("/metadata/deletionTimestamp").is_some();
    if deleting && has_finalizer(object) {
        let kept = keep_finalizer(context, object, false).await;
        return kept.err().and_then(|_| context.clock.now().checked_add(RETRY).ok());
    }
    None
}

/// Whether the Canary has the condition that says so.
pub(crate) fn marked_invalid(object: &Value) -> bool {
    conditions(object).iter().any(|c| c.get("type").and_then(Value::as_str) == Some(VALID))
}

fn conditions(object: &Value) -> &[Value] {
    object.pointer("/status/conditions").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Puts the condition that says what is wrong beside the others, or takes it off. Best effort: the event tells as well.
pub(crate) async fn mark(context: &Context, object: &Value, problem: Option<&str>) {
    let now = Timestamp::from_second(context.clock.now().as_second()).unwrap_or_default().to_string();
    let mut all: Vec<Value> = conditions(object)
        .iter()
        .filter(|c| c.get("type").and_then(Value::as_str) != Some(VALID))
        .cloned()
        .collect();
    all.extend(problem.map(|text| {
        json!({"type": VALID, "status": "False", "reason": "InvalidSpec", "message": text,
               "lastUpdateTime": now, "lastTransitionTime": now})
    }));
    let mut object = object.clone();
    let empty = || json!(CanaryStatus::from(&Status::default()));
    if !object.get("status").is_some_and(Value::is_object) {
        object["status"] = empty();
    }
    object["status"]["conditions"] = json!(all);
    if let Err(error) = context.cache.replace_status(&canary_kind(), &object).await {
        tracing::warn!(canary = %about(&object).name, %error, "a condition was not written");
    }
}
