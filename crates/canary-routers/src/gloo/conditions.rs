//! The requests that A/B testing sends to the canary, in Gloo's form.
//!
//! What Gloo cannot compare is refused: a condition left out would send more traffic to the canary than was asked for.

use canary_core::{RouteSpec, RouterError, StringMatch};
use serde_json::{Map, Value, json};

use crate::cookie::escaped;

/// One matcher with all headers, every one of which must match, and all methods; `None` without A/B testing.
pub(super) fn matcher(route: &RouteSpec) -> Result<Option<Value>, RouterError> {
    if route.conditions.is_empty() {
        return Ok(None);
    }
    let unsupported = |message: String| RouterError::Unsupported { message };
    let all = route.conditions.iter().flat_map(|condition| &condition.headers);
    let headers: Vec<Value> = all.map(|(name, text)| header(name, text)).collect();
    let mut methods = Vec::new();
    for method in route.conditions.iter().filter_map(|condition| condition.method.as_ref()) {
        let exact = method.exact.clone().ok_or_else(|| {
            unsupported("analysis.match: Gloo compares the method only by exact".to_owned())
        })?;
        methods.push(Value::from(exact));
    }
    let mut fields = Map::new();
    for (field, list) in [("headers", headers), ("methods", methods)] {
        if !list.is_empty() {
            fields.insert(field.to_owned(), Value::Array(list));
        }
    }
    if fields.is_empty() {
        let message =
            "analysis.match has neither headers nor a method: Gloo chooses requests by nothing else";
        return Err(unsupported(message.to_owned()));
    }
    Ok(Some(Value::Object(fields)))
}

/// Gloo compares whole texts, or by regular expressions for whole texts. A header without a condition must be there.
fn header(name: &str, text: &StringMatch) -> Value {
    let regex = |value: String| json!({ "name": name, "value": value, "regex": true });
    match text {
        StringMatch { exact: Some(exact), .. } => json!({ "name": name, "value": exact }),
        StringMatch { regex: Some(text), .. } => regex(text.clone()),
        StringMatch { prefix: Some(prefix), .. } => regex(format!("{}.*", escaped(prefix))),
        StringMatch { suffix: Some(suffix), .. } => regex(format!(".*{}", escaped(suffix))),
        _ => json!({ "name": name }),
    }
}
