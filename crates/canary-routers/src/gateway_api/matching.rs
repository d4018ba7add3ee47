//! Conditions on requests in the form of Gateway API.
//!
//! What Gateway API cannot express is refused: a condition left out would send more traffic to the canary than was asked for.

use std::collections::BTreeMap;

use canary_core::{HttpMatch, StringMatch};
use serde_json::{Value, json};

/// Conditions as `matches`; at least one, because the API puts this one where there is none.
pub(super) fn matches(list: &[HttpMatch]) -> Result<Vec<Value>, String> {
    let list: Vec<Value> = list.iter().map(condition).collect::<Result<_, _>>()?;
    Ok(if list.is_empty() { vec![json!({ "path": any_path() })] } else { list })
}

/// Every condition of an analysis together with every condition of the service. Of the former only headers and query
/// parameters count when there are both.
pub(super) fn merged(analysis: &[HttpMatch], service: &[HttpMatch]) -> Vec<HttpMatch> {
    if service.is_empty() {
        return analysis.to_vec();
    }
    let mut product = Vec::with_capacity(analysis.len() * service.len());
    for condition in analysis {
        for base in service {
            let mut both = base.clone();
            if !condition.headers.is_empty() {
                both.headers.clone_from(&condition.headers);
            }
            if !condition.query_params.is_empty() {
                both.query_params.clone_from(&condition.query_params);
            }
            product.push(both);
        }
    }
    product
}

fn condition(condition: &HttpMatch) -> Result<Value, String> {
    // Written even where the canary says nothing of paths: the API server would fill it in, which looks like drift.
    let path = condition.uri.as_ref().map_or_else(|| Ok(any_path()), path)?;
    let mut fields = json!({ "path": path });
    if let Some(method) = &condition.method {
        let exact = method.exact.as_ref().ok_or_else(|| unsupported("method", "", method))?;
        fields["method"] = json!(exact);
    }
    for (field, what, texts) in
        [("headers", "header", &condition.headers), ("queryParams", "query", &condition.query_params)]
    {
        if !texts.is_empty() {
            fields[field] = Value::Array(named(what, texts)?);
        }
    }
    Ok(fields)
}

fn any_path() -> Value {
    json!({"type": "PathPrefix", "value": "/"})
}

fn path(uri: &StringMatch) -> Result<Value, String> {
    let kinds = [("RegularExpression", &uri.regex), ("Exact", &uri.exact), ("PathPrefix", &uri.prefix)];
    let found = kinds.into_iter().find_map(|(kind, text)| text.as_ref().map(|text| (kind, text)));
    let (kind, value) = found.ok_or_else(|| unsupported("path", "", uri))?;
    Ok(json!({"type": kind, "value": value}))
}

fn named(what: &str, texts: &BTreeMap<String, StringMatch>) -> Result<Vec<Value>, String> {
    let one = |(name, text): (&String, &StringMatch)| {
        let kinds = [("Exact", &text.exact), ("RegularExpression", &text.regex)];
        let found = kinds.into_iter().find_map(|(kind, text)| text.as_ref().map(|text| (kind, text)));
        let (kind, value) = found.ok_or_else(|| unsupported(what, name, text))?;
        Ok(json!({"name": name, "type": kind, "value": value}))
    };
    texts.iter().map(one).collect()
}

/// Flagger's words, followed by what was asked for.
fn unsupported(what: &str, name: &str, text: &StringMatch) -> String {
    let fields =
        [("exact", &text.exact), ("prefix", &text.prefix), ("suffix", &text.suffix), ("regex", &text.regex)];
    let asked: Vec<String> = fields
        .into_iter()
        .filter_map(|(field, text)| text.as_ref().map(|text| format!("{field} {text:?}")))
        .collect();
    let asked = [name, &asked.join(", ")].into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join(" ");
    format!(
        "Invalid request matching selectors: Gateway API doesn't support the specified {what} matching selector: {asked}"
    )
}
