//! Reading and editing fields of objects that are kept as JSON, so that fields nobody here knows survive.
//! Not for the meaning of any field.

use serde_json::{Map, Value};

/// The fields of one JSON object.
pub(crate) type Fields = Map<String, Value>;

/// The fields of `value`; none when it is no object.
pub(crate) fn into_fields(value: Value) -> Fields {
    match value {
        Value::Object(fields) => fields,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Fields::new(),
    }
}

/// The fields of the object at `pointer`; none when there is no object.
pub(crate) fn fields_at(value: &Value, pointer: &str) -> Fields {
    value.pointer(pointer).and_then(Value::as_object).cloned().unwrap_or_default()
}

/// The text at `pointer`.
pub(crate) fn text_at<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}

/// The whole number at `pointer`.
pub(crate) fn number_at(value: &Value, pointer: &str) -> Option<i64> {
    value.pointer(pointer).and_then(Value::as_i64)
}

/// The elements of the list at `pointer`.
pub(crate) fn list_at<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The elements of the list `key` of `value`, to be changed.
pub(crate) fn each_mut<'a>(value: &'a mut Value, key: &str) -> impl Iterator<Item = &'a mut Value> {
    value.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten()
}

/// Changes the object `key`, which comes into being when it is not there.
pub(crate) fn edit(parent: &mut Fields, key: &str, change: impl FnOnce(&mut Fields)) {
    let mut child = into_fields(parent.remove(key).unwrap_or_default());
    change(&mut child);
    parent.insert(key.to_owned(), Value::Object(child));
}

/// Sets the map `key`; an empty one is left out, as the API server does.
pub(crate) fn set_map(parent: &mut Fields, key: &str, map: Fields) {
    if map.is_empty() {
        parent.remove(key);
    } else {
        parent.insert(key.to_owned(), Value::Object(map));
    }
}

/// Makes the fields `keys` of `to` what they are in `from`, absent ones included.
pub(crate) fn copy(from: &Value, to: &mut Fields, keys: &[&str]) {
    for key in keys {
        match from.get(*key) {
            Some(value) if !value.is_null() => {
                to.insert((*key).to_owned(), value.clone());
            }
            Some(_) | None => {
                to.remove(*key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_that_are_absent_in_the_source_vanish_from_the_copy() {
        let mut to = into_fields(json!({"a": 1, "b": 2, "c": 3}));
        copy(&json!({"a": 5, "b": null}), &mut to, &["a", "b"]);
        assert_eq!(Value::Object(to), json!({"a": 5, "c": 3}));
    }

    #[test]
    fn what_is_no_object_has_no_fields() {
        assert!(fields_at(&json!({"metadata": "text"}), "/metadata").is_empty());
        let mut parent = into_fields(json!({"metadata": 7}));
        edit(&mut parent, "metadata", |metadata| set_map(metadata, "labels", Fields::new()));
        assert_eq!(Value::Object(parent), json!({"metadata": {}}));
    }
}
