//! Strategic merge: a merge patch that knows which lists have keys.
//!
//! The keys are those of the built-in kinds' fields, told by the name of the field and of the list it lies in.

use serde_json::{Map, Value};

/// Merges `patch` into `object`.
pub(crate) fn merge(object: &mut Value, patch: &Value) {
    merge_value(object, patch, "", "");
}

fn merge_value(object: &mut Value, patch: &Value, parent: &str, field: &str) {
    match patch {
        Value::Object(patch) => {
            if patch.get("$patch").is_some_and(|p| p == "replace") {
                *object = Value::Object(without_directives(patch));
                return;
            }
            if !object.is_object() {
                *object = Value::Object(Map::new());
            }
            if let Some(map) = object.as_object_mut() {
                merge_map(map, patch, parent, field);
            }
        }
        Value::Array(patch) => match list_key(parent, field) {
            ListKey::Field(key) => merge_keyed(object, patch, key, field),
            ListKey::Itself => merge_set(object, patch),
            ListKey::None => *object = Value::Array(patch.clone()),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => *object = patch.clone(),
    }
}

fn merge_map(map: &mut Map<String, Value>, patch: &Map<String, Value>, parent: &str, field: &str) {
    // Inside a keyed list the list's name is what tells fields apart.
    let parent = if field.is_empty() { parent } else { field };
    if let Some(retained) = patch.get("$retainKeys").and_then(Value::as_array) {
        map.retain(|key, _| retained.iter().any(|r| r == key));
    }
    for (key, value) in patch {
        if let Some(list) = key.strip_prefix("$deleteFromPrimitiveList/") {
            if let (Some(Value::Array(items)), Some(gone)) = (map.get_mut(list), value.as_array()) {
                items.retain(|item| !gone.contains(item));
            }
        } else if key.starts_with('$') {
            // Order directives only reorder; replacing and deleting are handled where the element is known.
        } else if value.is_null() || value.get("$patch").is_some_and(|p| p == "delete") {
            map.remove(key);
        } else {
            merge_value(map.entry(key.clone()).or_insert(Value::Null), value, parent, key);
        }
    }
}

enum ListKey {
    Field(&'static str),
    Itself,
    None,
}

fn list_key(parent: &str, field: &str) -> ListKey {
    let in_container = matches!(parent, "containers" | "initContainers" | "ephemeralContainers");
    ListKey::Field(match field {
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "env"
        | "volumes"
        | "imagePullSecrets"
        | "secrets" => "name",
        "ports" if in_container => "containerPort",
        "ports" => "port",
        "volumeMounts" => "mountPath",
        "volumeDevices" => "devicePath",
        "conditions" | "addresses" => "type",
        "ownerReferences" => "uid",
        "hostAliases" => "ip",
        "topologySpreadConstraints" => "topologyKey",
        "taints" => "key",
        "finalizers" => return ListKey::Itself,
        _ => return ListKey::None,
    })
}

fn merge_set(object: &mut Value, patch: &[Value]) {
    let mut items = object.as_array().cloned().unwrap_or_default();
    for item in patch {
        if !items.contains(item) {
            items.push(item.clone());
        }
    }
    *object = Value::Array(items);
}

fn merge_keyed(object: &mut Value, patch: &[Value], key: &str, field: &str) {
    if patch.iter().any(|item| item["$patch"] == "replace") {
        let items = patch.iter().filter(|item| item["$patch"].is_null()).cloned().collect();
        *object = Value::Array(items);
        return;
    }
    let old = object.as_array().cloned().unwrap_or_default();
    let mut merged: Vec<Value> = Vec::new();
    let position = |items: &[Value], wanted: &Value| items.iter().position(|item| &item[key] == wanted);
    // Elements of the patch that the server does not have come first, as a real server puts them.
    for item in patch.iter().filter(|item| item["$patch"].is_null() && position(&old, &item[key]).is_none()) {
        let mut fresh = Value::Null;
        merge_value(&mut fresh, item, "", field);
        merged.push(fresh);
    }
    for item in old {
        match position(patch, &item[key]).map(|at| &patch[at]) {
            Some(change) if change["$patch"] == "delete" => {}
            Some(change) => {
                let mut item = item;
                merge_value(&mut item, change, "", field);
                merged.push(item);
            }
            None => merged.push(item),
        }
    }
    *object = Value::Array(merged);
}

fn without_directives(map: &Map<String, Value>) -> Map<String, Value> {
    map.iter().filter(|(key, _)| !key.starts_with('$')).map(|(k, v)| (k.clone(), v.clone())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merged(mut object: Value, patch: &Value) -> Value {
        merge(&mut object, patch);
        object
    }

    #[test]
    fn containers_are_merged_by_name_and_new_ones_come_first() {
        let object =
            json!({ "containers": [{ "name": "a", "image": "x", "env": [{ "name": "E", "value": "1" }] }] });
        let patch = json!({ "containers": [
            { "name": "b", "image": "y" },
            { "name": "a", "env": [{ "name": "F", "value": "2" }, { "name": "E", "value": null }] },
        ] });
        assert_eq!(
            merged(object, &patch),
            json!({ "containers": [
                { "name": "b", "image": "y" },
                { "name": "a", "image": "x", "env": [{ "name": "F", "value": "2" }, { "name": "E" }] },
            ] })
        );
    }

    #[test]
    fn directives_delete_and_replace() {
        let object = json!({ "volumes": [{ "name": "a" }, { "name": "b" }], "strategy": { "type": "X", "rollingUpdate": {} } });
        let patch = json!({
            "volumes": [{ "$patch": "delete", "name": "a" }],
            "strategy": { "$retainKeys": ["type"], "type": "Recreate" }
        });
        assert_eq!(
            merged(object, &patch),
            json!({ "volumes": [{ "name": "b" }], "strategy": { "type": "Recreate" } })
        );
        let object = json!({ "metadata": { "labels": { "a": "1", "b": "2" }, "finalizers": ["x"] } });
        let patch =
            json!({ "metadata": { "labels": { "$patch": "replace", "c": "3" }, "finalizers": ["y", "x"] } });
        assert_eq!(
            merged(object, &patch),
            json!({ "metadata": { "labels": { "c": "3" }, "finalizers": ["x", "y"] } })
        );
    }

    #[test]
    fn ports_of_containers_and_of_services_have_different_keys() {
        let service = json!({ "ports": [{ "port": 80, "name": "a" }] });
        assert_eq!(
            merged(service, &json!({ "ports": [{ "port": 80, "targetPort": 1 }] })),
            json!({ "ports": [{ "port": 80, "name": "a", "targetPort": 1 }] })
        );
        let pod = json!({ "containers": [{ "name": "c", "ports": [{ "containerPort": 80 }] }] });
        let patch =
            json!({ "containers": [{ "name": "c", "ports": [{ "containerPort": 80, "name": "http" }] }] });
        assert_eq!(
            merged(pod, &patch)["containers"][0]["ports"],
            json!([{ "containerPort": 80, "name": "http" }])
        );
    }

    #[test]
    fn lists_without_keys_are_replaced() {
        let object = json!({ "args": ["a"], "tolerations": [{ "key": "x" }] });
        let patch = json!({ "args": ["b"], "tolerations": [{ "key": "y" }] });
        assert_eq!(merged(object, &patch.clone()), patch);
    }
}
