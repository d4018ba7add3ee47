//! Fields that the definitions do not know, such as mistyped ones: an API server drops them without a word.

use serde_json::Value;

use crate::manifests::Manifest;

/// A remark for each field of our kinds that will be dropped.
pub(crate) fn unknown(manifests: &[Manifest]) -> anyhow::Result<Vec<String>> {
    let remark = |(manifest, field): (&Manifest, String)| {
        format!(
            "{}: a {} has no field {field}, it is ignored",
            manifest.place.of(&field),
            manifest.text("/kind")
        )
    };
    Ok(paths(manifests)?.into_iter().map(remark).collect())
}

/// The fields of our kinds that will be dropped, each with its object.
pub(crate) fn paths(manifests: &[Manifest]) -> anyhow::Result<Vec<(&Manifest, String)>> {
    let crds = canary_api::crds();
    let definitions = crds.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>()?;
    let mut found = Vec::new();
    for manifest in manifests.iter().filter(|m| m.text("/apiVersion").starts_with("flagger.app/")) {
        let kind = manifest.text("/kind");
        let definition = definitions.iter().find(|d| d["spec"]["names"]["kind"] == kind);
        let Some(schema) = definition.and_then(|d| d.pointer("/spec/versions/0/schema/openAPIV3Schema"))
        else {
            continue;
        };
        let mut fields = Vec::new();
        walk(&manifest.object["spec"], &schema["properties"]["spec"], "spec", &mut fields);
        found.extend(fields.into_iter().map(|field| (manifest, field)));
    }
    Ok(found)
}

fn walk(value: &Value, schema: &Value, path: &str, unknown: &mut Vec<String>) {
    if schema["x-kubernetes-preserve-unknown-fields"] == true {
        return;
    }
    match value {
        Value::Object(fields) if schema["additionalProperties"].is_object() => {
            for (name, field) in fields {
                walk(field, &schema["additionalProperties"], &format!("{path}.{name}"), unknown);
            }
        }
        Value::Object(fields) if schema["properties"].is_object() => {
            for (name, field) in fields {
                let path = format!("{path}.{name}");
                match schema["properties"].get(name) {
                    Some(schema) => walk(field, schema, &path, unknown),
                    None => unknown.push(path),
                }
            }
        }
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                walk(item, &schema["items"], &format!("{path}[{n}]"), unknown);
            }
        }
        Value::Object(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_fields_that_the_schema_would_drop_are_unknown() {
        let schema = json!({"properties": {
            "known": {"type": "string"},
            "labels": {"additionalProperties": {"type": "string"}},
            "free": {"x-kubernetes-preserve-unknown-fields": true},
            "list": {"items": {"properties": {"a": {}}}},
        }});
        let spec = json!({"known": "", "labels": {"x": "y"}, "free": {"z": 1}, "list": [{"a": 1}, {"b": 1}], "new": 1});
        let mut unknown = Vec::new();
        walk(&spec, &schema, "spec", &mut unknown);
        assert_eq!(unknown, ["spec.list[1].b", "spec.new"]);
    }
}
