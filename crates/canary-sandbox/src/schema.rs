//! Structural schemas of custom resources, read once into a form that is quick to evaluate.
//!
//! Validation rules in CEL (`x-kubernetes-validations`) are not evaluated.

mod fill;
mod validate;

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::Value;

/// One level of a schema.
#[derive(Clone, Debug, Default)]
#[allow(clippy::struct_excessive_bools)] // flags of the OpenAPI dialect, each independent of the others
pub(crate) struct Schema {
    kind: Option<String>,
    format: Option<String>,
    properties: BTreeMap<String, Schema>,
    additional: Option<Box<Schema>>,
    items: Option<Box<Schema>>,
    required: Vec<String>,
    allowed: Vec<Value>,
    pattern: Option<Regex>,
    minimum: Option<(f64, bool)>,
    maximum: Option<(f64, bool)>,
    length: (Option<u64>, Option<u64>),
    count: (Option<u64>, Option<u64>),
    size: (Option<u64>, Option<u64>),
    all_of: Vec<Schema>,
    any_of: Vec<Schema>,
    one_of: Vec<Schema>,
    not: Option<Box<Schema>>,
    default: Option<Value>,
    nullable: bool,
    keeps_unknown: bool,
    int_or_string: bool,
    embedded: bool,
    list_keys: Vec<String>,
    set: bool,
}

impl Schema {
    /// Reads `openAPIV3Schema`. A pattern that this crate's regular expressions cannot express is left out.
    pub(crate) fn compile(source: &Value) -> Self {
        let flag = |key: &str| source[key] == true;
        let text = |key: &str| source[key].as_str().map(str::to_owned);
        let number = |key: &str| source[key].as_f64();
        let whole = |key: &str| source[key].as_u64();
        let list = |key: &str| source[key].as_array().map(Vec::as_slice).unwrap_or_default();
        let many = |key: &str| list(key).iter().map(Self::compile).collect();
        let nested = |key: &str| source[key].is_object().then(|| Box::new(Self::compile(&source[key])));
        let words = |key: &str| list(key).iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let additional = if flag("additionalProperties") {
            Some(Box::new(Self { keeps_unknown: true, ..Self::default() }))
        } else {
            nested("additionalProperties")
        };
        Self {
            kind: text("type"),
            format: text("format"),
            properties: source["properties"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(key, schema)| (key.clone(), Self::compile(schema)))
                .collect(),
            additional,
            items: nested("items"),
            required: words("required"),
            allowed: source["enum"].as_array().cloned().unwrap_or_default(),
            pattern: text("pattern").and_then(|p| Regex::new(&p).ok()),
            minimum: number("minimum").map(|n| (n, flag("exclusiveMinimum"))),
            maximum: number("maximum").map(|n| (n, flag("exclusiveMaximum"))),
            length: (whole("minLength"), whole("maxLength")),
            count: (whole("minItems"), whole("maxItems")),
            size: (whole("minProperties"), whole("maxProperties")),
            all_of: many("allOf"),
            any_of: many("anyOf"),
            one_of: many("oneOf"),
            not: nested("not"),
            default: source.get("default").filter(|d| !d.is_null()).cloned(),
            nullable: flag("nullable"),
            keeps_unknown: flag("x-kubernetes-preserve-unknown-fields"),
            int_or_string: flag("x-kubernetes-int-or-string"),
            embedded: flag("x-kubernetes-embedded-resource"),
            list_keys: words("x-kubernetes-list-map-keys"),
            set: source["x-kubernetes-list-type"] == "set",
        }
    }
}

#[cfg(test)]
mod tests;
