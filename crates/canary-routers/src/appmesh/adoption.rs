//! What a write takes over from the live object: fields that a newer App Mesh or somebody else added.
//!
//! A field of ours that is not wanted goes as a whole; half a policy would mean something else.

use serde_json::Value;

/// Where the elements of our lists have their names.
const NAMES: &[&str] = &[
    "/name",
    "/virtualNodeName",
    "/virtualNodeRef/name",
    "/virtualService/virtualServiceName",
    "/virtualService/virtualServiceRef/name",
    "/virtualService/virtualServiceARN",
];

/// What selects pods or requests is never extended: one more condition would exclude some.
const WHOLE: &[&str] = &["podSelector"];

/// `wanted` with what `live` has beyond it and `ours`, at every depth. Elements of lists are found by name, those
/// without one by position.
pub(super) fn adopt(wanted: Value, live: &Value, ours: &[&str]) -> Value {
    match (wanted, live) {
        (Value::Object(mut wanted), Value::Object(live)) => {
            for (field, live) in live {
                if let Some(value) = wanted.get_mut(field) {
                    if !WHOLE.contains(&field.as_str()) {
                        *value = adopt(value.take(), live, ours);
                    }
                } else if !ours.contains(&field.as_str()) {
                    wanted.insert(field.clone(), live.clone());
                }
            }
            Value::Object(wanted)
        }
        (Value::Array(wanted), Value::Array(live)) => {
            let adopted = wanted.into_iter().enumerate().map(|(index, element)| {
                let counterpart = match name(&element) {
                    Some(wanted) => live.iter().find(|live| name(live) == Some(wanted)),
                    None => live.get(index),
                };
                match counterpart {
                    Some(live) => adopt(element, live, ours),
                    None => element,
                }
            });
            Value::Array(adopted.collect())
        }
        (wanted, _) => wanted,
    }
}

fn name(element: &Value) -> Option<&str> {
    NAMES.iter().find_map(|path| element.pointer(path)?.as_str())
}
