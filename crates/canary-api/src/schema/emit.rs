//! The schema as the API server wants it: structural, nothing unknown preserved.

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool, ValidationRule,
};
use serde_json::Value;

use super::{Branch, Kind, Node};

/// The schema of a field, without the fields that `keep` refuses (it is given their path).
pub(crate) fn properties(node: &Node, path: &str, keep: &dyn Fn(&str) -> bool) -> JSONSchemaProps {
    let mut schema = JSONSchemaProps {
        description: description(node),
        default: node.default.clone().map(JSON),
        type_: type_of(&node.kind).map(str::to_owned),
        ..JSONSchemaProps::default()
    };
    match &node.kind {
        Kind::Text | Kind::Flag | Kind::Number | Kind::Whole { .. } | Kind::Integer { small: false } => {}
        Kind::Integer { small: true } => schema.format = Some("int32".into()),
        Kind::Choice(values) => {
            schema.enum_ = Some(values.iter().map(|v| JSON(Value::from(*v))).collect());
        }
        Kind::PortOrName => schema.x_kubernetes_int_or_string = Some(true),
        Kind::List(item) => {
            let item = properties(item, &format!("{path}[]"), keep);
            schema.items = Some(JSONSchemaPropsOrArray::Schema(Box::new(item)));
        }
        Kind::Map(value) => {
            let value = properties(value, &format!("{path}.*"), keep);
            schema.additional_properties = Some(JSONSchemaPropsOrBool::Schema(Box::new(value)));
        }
        Kind::Object(fields) => add_fields(&mut schema, fields, path, keep),
    }
    add_limits(&mut schema, node);
    add_alternatives(&mut schema, node);
    if let Some((rule, message)) = node.rule {
        schema.x_kubernetes_validations = Some(vec![ValidationRule {
            rule: rule.into(),
            message: Some(message.into()),
            ..ValidationRule::default()
        }]);
    }
    schema
}

fn description(node: &Node) -> Option<String> {
    let default =
        if node.assumed.is_empty() { String::new() } else { format!(" Default: {}.", node.assumed) };
    let text = format!("{}{default}", node.doc);
    (!text.is_empty()).then_some(text)
}

fn type_of(kind: &Kind) -> Option<&'static str> {
    match kind {
        Kind::Text | Kind::Choice(_) => Some("string"),
        Kind::Flag => Some("boolean"),
        Kind::Number | Kind::Whole { .. } => Some("number"),
        Kind::Integer { .. } => Some("integer"),
        Kind::PortOrName => None,
        Kind::List(_) => Some("array"),
        Kind::Map(_) | Kind::Object(_) => Some("object"),
    }
}

fn add_fields(
    schema: &mut JSONSchemaProps,
    fields: &[(&str, Node)],
    path: &str,
    keep: &dyn Fn(&str) -> bool,
) {
    let mut properties_by_name = BTreeMap::new();
    let mut required = Vec::new();
    for (name, node) in fields {
        let path = format!("{path}.{name}");
        if !keep(&path) {
            continue;
        }
        if node.required {
            required.push((*name).to_owned());
        }
        properties_by_name.insert((*name).to_owned(), properties(node, &path, keep));
    }
    schema.properties = Some(properties_by_name);
    schema.required = (!required.is_empty()).then_some(required);
}

fn add_limits(schema: &mut JSONSchemaProps, node: &Node) {
    let limits = &node.limits;
    schema.pattern = limits.pattern.map(str::to_owned);
    schema.format = limits.format.map(str::to_owned).or(schema.format.take());
    if let Some((min, max)) = limits.length {
        schema.min_length = min;
        schema.max_length = Some(max);
    }
    if let Some((min, max)) = limits.range {
        schema.minimum = Some(min);
        schema.maximum = max;
    }
    schema.max_items = limits.max_items;
}

fn add_alternatives(schema: &mut JSONSchemaProps, node: &Node) {
    if node.alternatives.is_empty() {
        return;
    }
    let present: Vec<_> = node.alternatives.iter().map(branch).collect();
    let nothing = node.or_none.then(|| JSONSchemaProps {
        not: Some(Box::new(JSONSchemaProps { any_of: Some(present.clone()), ..JSONSchemaProps::default() })),
        ..JSONSchemaProps::default()
    });
    schema.one_of = Some(nothing.into_iter().chain(present).collect());
}

fn branch(branch: &Branch) -> JSONSchemaProps {
    let needs = |fields: &[&str]| JSONSchemaProps {
        required: Some(fields.iter().map(|f| (*f).to_owned()).collect()),
        ..JSONSchemaProps::default()
    };
    let mut schema = needs(branch.fields);
    if let Some((field, choices)) = branch.within {
        let exactly_one = JSONSchemaProps {
            one_of: Some(choices.iter().map(|f| needs(&[*f])).collect()),
            ..JSONSchemaProps::default()
        };
        schema.properties = Some(BTreeMap::from([(field.to_owned(), exactly_one)]));
    }
    schema
}
