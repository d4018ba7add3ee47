//! The copy of a ConfigMap or Secret that the primary uses, as JSON.
//! It has the content and the chosen labels of its source, and belongs to the canary and to everybody it belonged to.

use canary_core::Owner;
use serde_json::{Value, json};

use super::ConfigKind;
use crate::fields::{copy, edit, fields_at, into_fields, set_map, text_at};
use crate::generated::{by_prefix, owner_reference, primary_name};

/// What is copied. Flagger leaves `binaryData` behind, and the primary then lacks those files.
const CONTENT: [&str; 2] = ["data", "binaryData"];

/// A new copy.
pub(super) fn created(
    kind: ConfigKind,
    source: &Value,
    name: &str,
    owner: &Owner,
    prefixes: &[String],
) -> Value {
    let resource = kind.resource();
    let mut object = into_fields(json!({
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {
            "name": primary_name(name),
            "namespace": text_at(source, "/metadata/namespace"),
            "ownerReferences": [owner_reference(owner)],
        },
    }));
    edit(&mut object, "metadata", |metadata| {
        set_map(metadata, "labels", by_prefix(fields_at(source, "/metadata/labels"), prefixes));
    });
    copy(source, &mut object, &CONTENT);
    copy(source, &mut object, &["type"]);
    Value::Object(object)
}

/// `present` with the content of `source`. Annotations that others put on it stay.
pub(super) fn updated(present: &Value, source: &Value, owner: &Owner, prefixes: &[String]) -> Value {
    let mut object = into_fields(present.clone());
    edit(&mut object, "metadata", |metadata| {
        set_map(metadata, "labels", by_prefix(fields_at(source, "/metadata/labels"), prefixes));
        let others = metadata.remove("ownerReferences").unwrap_or_default();
        metadata.insert("ownerReferences".into(), owners(&others, owner));
    });
    copy(source, &mut object, &CONTENT);
    copy(source, &mut object, &["type"]);
    Value::Object(object)
}

/// The canary as the controller, and everybody else as they were, for a config may be shared by several canaries.
fn owners(present: &Value, owner: &Owner) -> Value {
    let ours = |reference: &&Value| {
        text_at(reference, "/kind") == Some(owner.kind.as_str())
            && text_at(reference, "/name") == Some(owner.name.as_str())
    };
    let others =
        present.as_array().into_iter().flatten().filter(|reference| !ours(reference)).map(|reference| {
            let mut reference = into_fields(reference.clone());
            reference.insert("controller".into(), false.into());
            Value::Object(reference)
        });
    std::iter::once(owner_reference(owner)).chain(others).collect()
}
