//! The content of an HTTPProxy as a canary asks for it, and what of the live one stays.

use canary_core::RouteSpec;
use serde_json::{Value, json};

use super::conditions;
use super::view::{Fields, HttpProxySpec, Route, Service, Split};

/// By which Linkerd, where Contour is in its mesh, finds the Service. Flagger's.
const OVERRIDE: &str = "l5d-dst-override";

/// Makes the routes what the canary asks for. With A/B testing, the first is for the chosen requests, and a second one
/// keeps all others on the primary. `Err` says what cannot be had.
pub(super) fn fill(spec: &mut HttpProxySpec, route: &RouteSpec, split: Split) -> Result<(), String> {
    let everyone = conditions::everyone(route);
    let wanted = if route.conditions.is_empty() {
        vec![(everyone, split)]
    } else {
        vec![(conditions::chosen(route)?, split), (everyone, Split::PRIMARY)]
    };
    let live: Vec<&Route> = spec.routes.iter().flatten().filter(|one| one.is_ours(route)).collect();
    let routes = wanted
        .into_iter()
        .enumerate()
        .map(|(index, (conditions, split))| built(conditions, split, route, live.get(index).copied()));
    spec.routes = Some(routes.collect());
    Ok(())
}

/// A route, with what its live counterpart has beyond the fields that we know.
fn built(conditions: Vec<Value>, split: Split, route: &RouteSpec, live: Option<&Route>) -> Route {
    let service = |name: &String, weight: i64| {
        let live = live.and_then(|live| live.to(name)).cloned().unwrap_or_default();
        let target = format!("{name}.{}.svc.cluster.local:{}", route.namespace, route.port);
        Service {
            name: name.clone(),
            port: Some(route.port.into()),
            weight: (weight > 0).then_some(weight),
            request_headers_policy: Some(overriding(live.request_headers_policy, &target)),
            rest: live.rest,
        }
    };
    Route {
        conditions: Some(conditions),
        services: Some(vec![service(&route.primary, split.primary), service(&route.canary, split.canary)]),
        timeout_policy: timeout_policy(route),
        retry_policy: retry_policy(route),
        rest: live.map(|live| live.rest.clone()).unwrap_or_default(),
    }
}

/// The policy with our header set; other headers stay.
fn overriding(live: Option<Fields>, target: &str) -> Fields {
    let mut policy = live.unwrap_or_default();
    let mut set = policy.get("set").and_then(Value::as_array).cloned().unwrap_or_default();
    match set.iter_mut().find(|header| header["name"] == OVERRIDE) {
        Some(header) => *header = json!({ "name": OVERRIDE, "value": target }),
        None => set.push(json!({ "name": OVERRIDE, "value": target })),
    }
    policy.insert("set".to_owned(), Value::Array(set));
    policy
}

/// Flagger: connections at rest are kept for 5 minutes.
fn timeout_policy(route: &RouteSpec) -> Option<Value> {
    let timeout = route.timeout.as_ref().filter(|timeout| !timeout.is_empty())?;
    Some(json!({ "response": timeout, "idle": "5m" }))
}

fn retry_policy(route: &RouteSpec) -> Option<Value> {
    let retries = route.retries.as_ref()?;
    let mut policy = json!({ "count": retries.attempts });
    if let Some(timeout) = retries.per_try_timeout.as_ref().filter(|text| !text.is_empty()) {
        policy["perTryTimeout"] = json!(timeout);
    }
    // Without conditions Contour has its own.
    if let Some(conditions) = retries.retry_on.as_ref().filter(|text| !text.is_empty()) {
        policy["retryOn"] = conditions.split(',').collect();
    }
    Some(policy)
}
