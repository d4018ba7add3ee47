use serde_json::{Value, json};

use super::Schema;

fn schema() -> Schema {
    Schema::compile(&json!({
        "type": "object",
        "required": ["spec"],
        "properties": { "spec": {
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": { "type": "string", "pattern": "^[a-z]+$" },
                "replicas": { "type": "integer", "minimum": 0, "maximum": 10, "default": 2 },
                "mode": { "type": "string", "enum": ["on", "off"] },
                "port": { "x-kubernetes-int-or-string": true },
                "labels": { "type": "object", "additionalProperties": { "type": "string" } },
                "free": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
                "steps": { "type": "array", "items": { "type": "object", "properties": {
                    "weight": { "type": "integer", "default": 5 } } } },
                "either": { "type": "object", "oneOf": [{ "required": ["a"] }, { "required": ["b"] }],
                    "properties": { "a": { "type": "string" }, "b": { "type": "string" } } },
                "maybe": { "type": "string", "nullable": true }
            }
        } }
    }))
}

#[allow(clippy::needless_pass_by_value, reason = "the callers write it in place")]
fn faults(spec: Value) -> Vec<String> {
    schema().validate(&json!({ "spec": spec })).into_iter().map(|c| c.field).collect()
}

#[test]
fn unknown_fields_go_and_defaults_come() {
    let mut object = json!({
        "kind": "X", "metadata": { "anything": 1 }, "other": 1,
        "spec": { "name": "a", "unknown": 1, "replicas": null, "maybe": null, "free": { "x": { "y": 1 } },
            "labels": { "any": "b" }, "steps": [{ "z": 1 }, { "weight": 7 }] }
    });
    schema().fill(&mut object, true);
    assert_eq!(
        object,
        json!({
            "kind": "X", "metadata": { "anything": 1 },
            "spec": { "name": "a", "replicas": 2, "maybe": null, "free": { "x": { "y": 1 } },
                "labels": { "any": "b" }, "steps": [{ "weight": 5 }, { "weight": 7 }] }
        })
    );
}

#[test]
fn each_fault_names_its_field() {
    assert_eq!(faults(json!({ "name": "a" })), Vec::<String>::new());
    assert_eq!(faults(json!({})), ["spec.name"]);
    assert_eq!(faults(json!({ "name": "A" })), ["spec.name"]);
    assert_eq!(faults(json!({ "name": "a", "replicas": 2.5 })), ["spec.replicas"]);
    assert_eq!(faults(json!({ "name": "a", "replicas": 11 })), ["spec.replicas"]);
    assert_eq!(faults(json!({ "name": "a", "mode": "x" })), ["spec.mode"]);
    assert_eq!(faults(json!({ "name": "a", "port": true })), ["spec.port"]);
    assert_eq!(faults(json!({ "name": "a", "labels": { "l": 1 } })), ["spec.labels.l"]);
    assert_eq!(faults(json!({ "name": "a", "steps": [{}, { "weight": "x" }] })), ["spec.steps[1].weight"]);
    assert_eq!(faults(json!({ "name": "a", "either": { "a": "1", "b": "2" } })), ["spec.either"]);
    assert_eq!(faults(json!({ "name": "a", "either": {} })), ["spec.either"]);
    assert_eq!(faults(json!({ "name": "a", "either": { "b": "2" }, "port": "http" })), Vec::<String>::new());
}
