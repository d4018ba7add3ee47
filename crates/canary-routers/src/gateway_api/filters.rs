//! What a rule does to requests and answers on their way: headers, rewriting, copies, CORS.

use canary_core::{CorsPolicy, HeaderOperations, RouteSpec};
use serde_json::{Map, Value, json};

use super::view::Fields;

/// The filters that a canary asks for. Of any other kind a user's own survive.
const OURS: &[&str] = &[REQUEST_HEADERS, RESPONSE_HEADERS, "URLRewrite", MIRROR, "CORS"];
const REQUEST_HEADERS: &str = "RequestHeaderModifier";
const RESPONSE_HEADERS: &str = "ResponseHeaderModifier";
const MIRROR: &str = "RequestMirror";
/// What the API server fills in, seconds.
const CORS_MAX_AGE: i64 = 5;

/// The filters of `route`, in Flagger's order, without the mirror of a rollout.
pub(super) fn filters(route: &RouteSpec, cors: bool) -> Vec<Value> {
    let headers = route.headers.as_ref();
    let request = headers.and_then(|headers| headers.request.as_ref()).and_then(modifier);
    let response = headers.and_then(|headers| headers.response.as_ref()).and_then(modifier);
    let mut filters = Vec::new();
    filters.extend(request.map(|m| json!({"type": REQUEST_HEADERS, "requestHeaderModifier": m})));
    filters.extend(response.map(|m| json!({"type": RESPONSE_HEADERS, "responseHeaderModifier": m})));
    filters.extend(rewrite(route));
    filters.extend(route.static_mirrors.iter().map(static_mirror));
    if let (true, Some(policy)) = (cors, &route.cors_policy) {
        filters.push(json!({"type": "CORS", "cors": cross_origin(policy)}));
    }
    filters
}

/// Copies requests to the canary.
pub(super) fn mirror(route: &RouteSpec) -> Value {
    let backend = json!({"group": "", "kind": "Service", "name": route.canary, "port": route.port});
    json!({"type": MIRROR, "requestMirror": {"backendRef": backend}})
}

/// Whether `filter` copies requests to that Service.
pub(super) fn mirrors_to(filter: &Value, service: &str) -> bool {
    filter["type"] == MIRROR && filter["requestMirror"]["backendRef"]["name"] == service
}

/// Adds a header to the answers, in the filter for them if there is one: the API allows no second.
pub(super) fn add_response_header(filters: &mut Option<Vec<Value>>, name: &str, value: &str) {
    let filters = filters.get_or_insert_default();
    let header = json!({"name": name, "value": value});
    if let Some(filter) = filters.iter_mut().find(|filter| filter["type"] == RESPONSE_HEADERS) {
        match filter["responseHeaderModifier"]["add"].as_array_mut() {
            Some(add) => add.push(header),
            None => filter["responseHeaderModifier"]["add"] = json!([header]),
        }
    } else {
        filters.push(json!({"type": RESPONSE_HEADERS, "responseHeaderModifier": {"add": [header]}}));
    }
}

/// `wanted`, and those of `live` that no canary can ask for.
pub(super) fn adopt(wanted: Option<Vec<Value>>, live: Option<&Vec<Value>>) -> Option<Vec<Value>> {
    let live = live.map(Vec::as_slice).unwrap_or_default();
    let mut filters = wanted.unwrap_or_default();
    for filter in filters.iter_mut().filter(|filter| filter["type"] == "CORS") {
        let default = live.iter().any(|l| l["type"] == "CORS" && l["cors"]["maxAge"] == CORS_MAX_AGE);
        if default && filter["cors"].get("maxAge").is_none() {
            filter["cors"]["maxAge"] = CORS_MAX_AGE.into();
        }
    }
    let foreign = |filter: &&Value| filter["type"].as_str().is_some_and(|kind| !OURS.contains(&kind));
    filters.extend(live.iter().filter(foreign).cloned());
    // The order in which filters are written has no meaning, so theirs is kept.
    let same = filters.len() == live.len() && filters.iter().all(|filter| live.contains(filter));
    let filters = if same { live.to_vec() } else { filters };
    (!filters.is_empty()).then_some(filters)
}

fn modifier(operations: &HeaderOperations) -> Option<Value> {
    let mut fields = Map::new();
    for (field, headers) in [("add", &operations.add), ("set", &operations.set)] {
        if !headers.is_empty() {
            let list = headers.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
            fields.insert(field.to_owned(), Value::Array(list));
        }
    }
    if !operations.remove.is_empty() {
        fields.insert("remove".to_owned(), json!(operations.remove));
    }
    (!fields.is_empty()).then_some(Value::Object(fields))
}

fn rewrite(route: &RouteSpec) -> Option<Value> {
    let rewrite = route.rewrite.as_ref()?;
    let mut fields = Fields::new();
    if let Some(authority) = rewrite.authority.as_ref().filter(|authority| !authority.is_empty()) {
        fields.insert("hostname".to_owned(), json!(authority));
    }
    if let Some(uri) = rewrite.uri.as_ref().filter(|uri| !uri.is_empty()) {
        let path = if rewrite.kind.as_deref() == Some("ReplacePrefixMatch") {
            json!({"type": "ReplacePrefixMatch", "replacePrefixMatch": uri})
        } else {
            json!({"type": "ReplaceFullPath", "replaceFullPath": uri})
        };
        fields.insert("path".to_owned(), path);
    }
    (!fields.is_empty()).then(|| json!({"type": "URLRewrite", "urlRewrite": fields}))
}

/// As written, with what the API server would fill in.
fn static_mirror(mirror: &Value) -> Value {
    let mut mirror = mirror.clone();
    if let Some(backend) = mirror.get_mut("backendRef").and_then(Value::as_object_mut) {
        backend.entry("group").or_insert_with(|| "".into());
        backend.entry("kind").or_insert_with(|| "Service".into());
    }
    json!({"type": MIRROR, "requestMirror": mirror})
}

fn cross_origin(policy: &CorsPolicy) -> Value {
    let mut fields = Fields::new();
    let lists = [
        ("allowOrigins", &policy.allow_origin),
        ("allowMethods", &policy.allow_methods),
        ("allowHeaders", &policy.allow_headers),
        ("exposeHeaders", &policy.expose_headers),
    ];
    for (field, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
        fields.insert(field.to_owned(), json!(list));
    }
    if policy.allow_credentials == Some(true) {
        fields.insert("allowCredentials".to_owned(), true.into());
    }
    // Flagger: what is not a duration is left out.
    if let Some(seconds) = policy.max_age.as_deref().and_then(seconds) {
        fields.insert("maxAge".to_owned(), seconds.into());
    }
    Value::Object(fields)
}

/// Whole seconds of a Go duration such as `1h30m`.
fn seconds(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut milliseconds = 0_i64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at(digits);
        let end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let unit = match unit {
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1_000,
            "ms" => 1,
            _ => return None,
        };
        milliseconds = milliseconds.checked_add(number.parse::<i64>().ok()?.checked_mul(unit)?)?;
        rest = tail;
    }
    (!text.is_empty()).then_some(milliseconds / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_counted_in_whole_seconds() {
        let cases = [
            ("24h", Some(86_400)),
            ("1h30m", Some(5_400)),
            ("1500ms", Some(1)),
            ("1d", None),
            ("5", None),
            ("", None),
            ("s", None),
        ];
        for (text, expected) in cases {
            assert_eq!(seconds(text), expected, "{text:?}");
        }
    }
}
