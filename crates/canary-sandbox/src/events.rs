//! The two faces of events: `v1` and `events.k8s.io/v1` name the same things differently.
//!
//! They are stored as `v1`.

use serde_json::{Map, Value};

use crate::errors::Cause;

/// Field of `v1`, field of `events.k8s.io/v1`.
const NAMES: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

pub(crate) fn to_new(event: &Value) -> Value {
    rename(event, |key| NAMES.iter().find(|(old, _)| *old == key).map(|(_, new)| *new))
}

pub(crate) fn to_old(event: &Value) -> Value {
    rename(event, |key| NAMES.iter().find(|(_, new)| *new == key).map(|(old, _)| *old))
}

fn rename(event: &Value, name: impl Fn(&str) -> Option<&'static str>) -> Value {
    let fields: Map<String, Value> = event
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| (name(key).map_or_else(|| key.clone(), str::to_owned), value.clone()))
        .collect();
    Value::Object(fields)
}

/// What is wrong with a stored event. Those with an `eventTime` obey the rules of the newer group.
pub(crate) fn faults(event: &Value, through_new: bool) -> Vec<Cause> {
    let mut causes = Vec::new();
    let text = |key: &str| event[key].as_str().unwrap_or_default();
    let namespace = event.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default();
    let involved = event.pointer("/involvedObject/namespace").and_then(Value::as_str).unwrap_or_default();
    if involved != namespace && !(involved.is_empty() && namespace == "default") {
        causes.push(Cause::invalid(
            "involvedObject.namespace",
            &involved.into(),
            "does not match event.namespace",
        ));
    }
    if event["eventTime"].is_null() {
        if through_new {
            causes.push(Cause::required("eventTime", ""));
        }
        return causes;
    }
    let reporter = if through_new { "reportingController" } else { "reportingComponent" };
    for (field, value) in [
        (reporter, text("reportingComponent")),
        ("reportingInstance", text("reportingInstance")),
        ("action", text("action")),
        ("reason", text("reason")),
    ] {
        if value.is_empty() {
            causes.push(Cause::required(field, ""));
        } else if value.len() > 128 {
            causes.push(Cause::invalid(field, &"".into(), "can have at most 128 characters"));
        }
    }
    if text("message").len() > 1024 {
        let field = if through_new { "note" } else { "message" };
        causes.push(Cause::invalid(field, &"".into(), "can have at most 1024 characters"));
    }
    if !matches!(text("type"), "Normal" | "Warning") {
        causes.push(Cause::invalid("type", &event["type"], "has invalid value"));
    }
    causes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_conversion_and_its_way_back_change_nothing() {
        let event = json!({ "metadata": { "name": "e" }, "involvedObject": { "name": "x" }, "message": "m",
            "source": { "component": "c" }, "count": 2, "type": "Normal", "reportingComponent": "r" });
        let new = to_new(&event);
        assert_eq!((&new["note"], &new["regarding"]["name"]), (&json!("m"), &json!("x")));
        assert_eq!(to_old(&new), event);
    }

    #[test]
    fn a_long_note_is_refused() {
        let event = json!({ "metadata": { "namespace": "n" }, "involvedObject": { "namespace": "n" }, "type": "Normal",
            "eventTime": "2026-01-01T00:00:00.000000Z", "reportingComponent": "r", "reportingInstance": "i",
            "action": "a", "reason": "r", "message": "x".repeat(1025) });
        assert_eq!(faults(&event, true).len(), 1);
    }
}
