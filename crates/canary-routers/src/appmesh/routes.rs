//! Routes: from the apex to both nodes by weight, or by headers; and one that leads to the canary for its tests.

use canary_core::RouteSpec;
use serde_json::{Value, json};

use super::milliseconds::milliseconds;
use super::version::Version;
use super::weights::Split;
use super::{nodes, weights};

/// The fields of a router that a canary may ask for or not, and those that would contradict ours. In v1beta1 timeouts are
/// the user's own.
pub(super) fn fields(version: Version) -> &'static [&'static str] {
    const V1BETA1: &[&str] = &[
        "priority",
        "headers",
        "exact",
        "suffix",
        "regex",
        "range",
        "path",
        "retryPolicy",
        "http2",
        "grpc",
        "tcp",
    ];
    const V1BETA2: &[&str] = &[
        "priority",
        "headers",
        "exact",
        "suffix",
        "regex",
        "range",
        "path",
        "retryPolicy",
        "timeout",
        "http2Route",
        "grpcRoute",
        "tcpRoute",
    ];
    match version {
        Version::V1beta1 => V1BETA1,
        Version::V1beta2 => V1BETA2,
    }
}

/// Time for each try when the canary names none that can be read. Flagger's.
const PER_TRY: i64 = 250;

/// The routes of the apex, with the weights of `split`.
pub(super) fn apex(version: Version, route: &RouteSpec, split: &Split) -> Value {
    let both =
        json!([version.target(&route.canary, split.canary), version.target(&route.primary, split.primary),]);
    let headers = headers(route);
    if headers.is_empty() {
        return router(version, route, &route.apex, &[rule(version, route, &route.apex, &both)]);
    }
    let mut chosen = rule(version, route, &format!("{}-a", route.apex), &both);
    chosen["priority"] = json!(10);
    chosen[version.http()]["match"]["headers"] = Value::Array(headers);
    let primary = json!([version.target(&route.primary, 100)]);
    let mut everyone_else = rule(version, route, &format!("{}-b", route.apex), &primary);
    everyone_else["priority"] = json!(20);
    router(version, route, &route.apex, &[chosen, everyone_else])
}

/// The routes by which the canary is called directly. They take no part in a rollout.
pub(super) fn canary(version: Version, route: &RouteSpec) -> Value {
    let targets = json!([version.target(&route.canary, 100), version.target(&route.primary, 0)]);
    router(version, route, &route.canary, &[rule(version, route, &route.canary, &targets)])
}

/// Whether one of the routes leads to one of our two nodes.
pub(super) fn is_ours(spec: &Value, route: &RouteSpec) -> bool {
    let rules = spec["routes"].as_array().into_iter().flatten();
    rules
        .flat_map(|rule| [&rule["http"], &rule["httpRoute"]])
        .any(|rule| weights::of(rule, &route.primary).is_some() || weights::of(rule, &route.canary).is_some())
}

fn router(version: Version, route: &RouteSpec, name: &str, rules: &[Value]) -> Value {
    let listeners = nodes::listeners(version, route);
    match version {
        Version::V1beta1 => json!({
            "meshName": route.mesh_name,
            "virtualRouter": { "name": name, "listeners": listeners },
            "routes": rules,
        }),
        Version::V1beta2 => json!({ "listeners": listeners, "routes": rules }),
    }
}

fn rule(version: Version, route: &RouteSpec, name: &str, targets: &Value) -> Value {
    let prefix = route.matches.first().and_then(|first| first.uri.as_ref()?.prefix.as_deref());
    let mut http = json!({
        "match": { "prefix": prefix.filter(|prefix| !prefix.is_empty()).unwrap_or("/") },
        "action": { "weightedTargets": targets },
    });
    if let Some(policy) = retry_policy(version, route) {
        http["retryPolicy"] = policy;
    }
    if let (Version::V1beta2, Some(timeout)) = (version, nodes::timeout(route)) {
        http["timeout"] = timeout;
    }
    json!({ "name": name, version.http(): http })
}

fn retry_policy(version: Version, route: &RouteSpec) -> Option<Value> {
    let retries = route.retries.as_ref()?;
    let events = retries.retry_on.as_deref().filter(|events| !events.is_empty()).unwrap_or("gateway-error");
    let events: Vec<&str> = events.split(',').collect();
    let per_try = retries.per_try_timeout.as_deref().and_then(milliseconds).unwrap_or(PER_TRY);
    let mut policy = json!({ "maxRetries": retries.attempts.max(1), "httpRetryEvents": events });
    match version {
        Version::V1beta1 => policy["perRetryTimeoutMillis"] = json!(per_try),
        Version::V1beta2 => policy["perRetryTimeout"] = json!({ "unit": "ms", "value": per_try }),
    }
    Some(policy)
}

/// All headers of all conditions. App Mesh wants every one of them; it has no "or".
fn headers(route: &RouteSpec) -> Vec<Value> {
    let all = route.conditions.iter().flat_map(|condition| &condition.headers);
    all.map(|(name, text)| json!({ "name": name, "match": text })).collect()
}
