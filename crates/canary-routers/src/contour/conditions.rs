//! The requests that a route of an HTTPProxy is for.

use canary_core::{RouteSpec, StringMatch};
use serde_json::{Value, json};

/// All requests below the path of the first `service.match`, or below `/`.
pub(super) fn everyone(route: &RouteSpec) -> Vec<Value> {
    let prefix = route.matches.first().and_then(|first| first.uri.as_ref()?.prefix.as_deref());
    vec![json!({ "prefix": prefix.filter(|prefix| !prefix.is_empty()).unwrap_or("/") })]
}

/// Of those, the ones with the headers of `analysis.match`, all of which must match. Contour takes one prefix in a list, so
/// it stands beside the first header alone. `Err` where there is no header: then the canary would get everyone.
pub(super) fn chosen(route: &RouteSpec) -> Result<Vec<Value>, String> {
    let mut list = everyone(route);
    let all = route.conditions.iter().flat_map(|condition| &condition.headers);
    for (index, (name, text)) in all.enumerate() {
        let header = header(name, text);
        match list.get_mut(index) {
            Some(Value::Object(first)) => drop(first.insert("header".to_owned(), header)),
            _ => list.push(json!({ "header": header })),
        }
    }
    if list.iter().all(|condition| condition.get("header").is_none()) {
        return Err("analysis.match has no headers: Contour chooses requests by nothing else".to_owned());
    }
    Ok(list)
}

/// Flagger: the beginning and the end are looked for anywhere. A header without a condition must be there.
fn header(name: &str, text: &StringMatch) -> Value {
    let StringMatch { exact, prefix, suffix, regex } = text;
    let operators = [("exact", exact), ("contains", prefix), ("contains", suffix), ("regex", regex)];
    match operators.into_iter().find_map(|(operator, text)| Some((operator, text.as_ref()?))) {
        Some((operator, text)) => json!({ "name": name, operator: text }),
        None => json!({ "name": name, "present": true }),
    }
}
