//! The kind that a `CustomResourceDefinition` describes.

use std::sync::Arc;

use serde_json::Value;

use super::{Kind, Traits, Version};
use crate::schema::Schema;

impl Kind {
    /// Reads a definition whose form was checked before.
    pub(crate) fn from_definition(definition: &Value) -> Self {
        let spec = &definition["spec"];
        let names = &spec["names"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let kind = text(&names["kind"]);
        let or = |value: &Value, other: String| value.as_str().map_or(other, str::to_owned);
        let versions = spec["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
        Self {
            group: text(&spec["group"]),
            plural: text(&names["plural"]),
            singular: or(&names["singular"], kind.to_lowercase()),
            list_kind: or(&names["listKind"], format!("{kind}List")),
            kind,
            short_names: names["shortNames"]
                .as_array()
                .map(|n| n.iter().map(text).collect())
                .unwrap_or_default(),
            namespaced: spec["scope"] == "Namespaced",
            versions: versions.iter().filter(|v| v["served"] == true).map(version).collect(),
            builtin: None,
            served: true,
        }
    }
}

fn version(version: &Value) -> Version {
    let subresources = &version["subresources"];
    Version {
        name: version["name"].as_str().unwrap_or_default().to_owned(),
        storage: version["storage"] == true,
        schema: version.pointer("/schema/openAPIV3Schema").map(|s| Arc::new(Schema::compile(s))),
        traits: Traits { status: subresources["status"].is_object(), generation: true, ..Traits::default() },
    }
}
