//! Namespaces, ConfigMaps, Secrets and definitions.

use k8s_openapi::ByteString;
use serde_json::{Map, Value, json};

use super::{child, set};
use crate::errors::Cause;
use crate::kinds::BuiltIn;

pub(super) fn namespace(object: &mut Value, old: Option<&Value>) {
    let name = object["metadata"]["name"].clone();
    let labels = child(&mut object["metadata"], "labels");
    labels["kubernetes.io/metadata.name"] = name;
    set(child(object, "spec"), "finalizers", || json!(["kubernetes"]));
    if old.is_none() {
        object["status"] = json!({ "phase": "Active" });
    }
}

/// `stringData` is for writing only: it ends up in `data`.
pub(super) fn fold_string_data(object: &mut Value) {
    let Some(map) = object.as_object_mut() else { return };
    let Some(Value::Object(plain)) = map.remove("stringData") else { return };
    let data = map.entry("data").or_insert_with(|| Value::Object(Map::new()));
    if let Some(data) = data.as_object_mut() {
        for (key, value) in plain {
            let bytes = ByteString(value.as_str().unwrap_or_default().as_bytes().to_vec());
            // A string always serialises.
            data.insert(key, serde_json::to_value(bytes).unwrap_or_default());
        }
    }
}

pub(super) fn definition(object: &mut Value) {
    let spec = child(object, "spec");
    set(spec, "conversion", || json!({ "strategy": "None" }));
    let names = child(spec, "names");
    let kind = names["kind"].as_str().unwrap_or_default().to_owned();
    set(names, "singular", || kind.to_lowercase().into());
    set(names, "listKind", || format!("{kind}List").into());
}

pub(super) fn faults(builtin: BuiltIn, object: &Value, old: Option<&Value>) -> Vec<Cause> {
    let Some(old) = old else { return Vec::new() };
    let mut causes = Vec::new();
    if old["immutable"] == true {
        let fields: &[&str] = if builtin == BuiltIn::Secret {
            &["immutable", "data"]
        } else {
            &["immutable", "data", "binaryData"]
        };
        for field in fields.iter().filter(|field| object[**field] != old[**field]) {
            causes.push(Cause::forbidden(*field, "field is immutable when `immutable` is set"));
        }
    }
    if builtin == BuiltIn::Secret && object["type"] != old["type"] {
        causes.push(Cause::invalid("type", &object["type"], "field is immutable"));
    }
    causes
}
