//! The spec of the copy: one rule of the user's with two weighted backends.
//!
//! Rules are edited as JSON, so that plugins and fields of newer versions come along as they are.

use canary_core::{RouteSpec, RouterError, Weight, Weights};
use serde_json::{Map, Value};

type Fields = Map<String, Value>;

/// The copy has to win over the user's rule.
const PRIORITY: i64 = 10_000;

/// The fields that a copy has only if the user's route has them, by level. Others that somebody adds to the copy stay.
const SPEC: &[&str] = &["http", "stream"];
const RULE: &[&str] = &[
    "name",
    "priority",
    "timeout",
    "match",
    "backends",
    "websocket",
    "plugin_config_name",
    "plugins",
    "authentication",
];
const BACKEND: &[&str] = &["serviceName", "servicePort", "resolveGranularity", "subset", "weight"];

/// The spec of a copy that is created, from the user's.
pub(super) fn first_spec(source: &Fields, route: &RouteSpec, name: &str) -> Result<Fields, RouterError> {
    let title = format!("APISIX route {name}.{}", route.namespace);
    let invalid = |message: String| RouterError::Invalid { message };
    if rules(source).is_empty() {
        return Err(invalid(format!("{title}'s spec.http is empty")));
    }
    let mut rule = rule(source, &route.apex).cloned().ok_or_else(|| missing(&route.apex, route, name))?;
    let [backend] = backends(&rule) else {
        let name = rule.get("name").and_then(Value::as_str).unwrap_or_default();
        return Err(invalid(format!("{title}'s http route {name} only one http backend is supported")));
    };
    let pair = [(&route.primary, Weight::ALL), (&route.canary, Weight::ZERO)];
    let pair: Vec<Value> = pair.map(|(service, weight)| weighted(backend, service, weight)).into();
    if let Some(fields) = rule.as_object_mut() {
        fields.insert("backends".into(), pair.into());
        fields.insert("priority".into(), PRIORITY.into());
        fields.entry("websocket").or_insert(Value::Bool(false));
    }
    let mut spec = source.clone();
    spec.insert("http".into(), vec![rule].into());
    Ok(spec)
}

/// `wanted`, a first spec, with the weights of `live` and what others added there.
pub(super) fn repaired(mut wanted: Fields, live: &Fields, route: &RouteSpec) -> Fields {
    keep(&mut wanted, live, SPEC);
    let (Some(live), Some(rule)) = (rule(live, &route.primary), rule_mut(&mut wanted, &route.primary)) else {
        return wanted;
    };
    let written = shares(live, route).is_some();
    if let (Some(rule), Some(live)) = (rule.as_object_mut(), live.as_object()) {
        keep(rule, live, RULE);
    }
    for service in [&route.primary, &route.canary] {
        let (Some(backend), Some(live)) = (backend_mut(rule, service), backend(live, service)) else {
            continue;
        };
        if let (Some(backend), Some(live)) = (backend.as_object_mut(), live.as_object()) {
            keep(backend, live, BACKEND);
            if let Some(weight) = live.get("weight").filter(|_| written) {
                backend.insert("weight".into(), weight.clone());
            }
        }
    }
    wanted
}

/// What the copy does.
pub(super) fn weights(spec: &Fields, route: &RouteSpec, name: &str) -> Result<Weights, RouterError> {
    let rule = rule(spec, &route.primary).ok_or_else(|| missing(&route.primary, route, name))?;
    let (primary, canary) = shares(rule, route).ok_or_else(|| RouterError::Invalid {
        message: format!("APISIX route {name}.{} has no weights for {}", route.namespace, route.primary),
    })?;
    let total = primary + canary;
    Ok(Weights::canary(Weight::clamped((canary * 100 + total / 2) / total)))
}

/// Makes the copy do `weights`.
pub(super) fn set_weights(
    spec: &mut Fields,
    route: &RouteSpec,
    name: &str,
    weights: Weights,
) -> Result<(), RouterError> {
    let rule = rule_mut(spec, &route.primary).ok_or_else(|| missing(&route.primary, route, name))?;
    let pattern = backend(rule, &route.primary).cloned().unwrap_or_default();
    for (service, weight) in [(&route.primary, weights.primary), (&route.canary, weights.canary)] {
        if let Some(backend) = backend_mut(rule, service) {
            backend["weight"] = weight.percent().into();
        } else if let Some(list) = rule.get_mut("backends").and_then(Value::as_array_mut) {
            list.push(weighted(&pattern, service, weight));
        }
    }
    Ok(())
}

/// Both weights as written; `None` when they are not there, or both 0. Numbers are APISIX's, shares of their sum.
fn shares(rule: &Value, route: &RouteSpec) -> Option<(i64, i64)> {
    let weight = |service: &str| {
        let weight = backend(rule, service)?.get("weight")?.as_i64()?;
        (0..=i64::from(i32::MAX)).contains(&weight).then_some(weight)
    };
    let (primary, canary) = (weight(&route.primary)?, weight(&route.canary)?);
    (primary + canary > 0).then_some((primary, canary))
}

fn weighted(backend: &Value, service: &str, weight: Weight) -> Value {
    let mut backend = backend.clone();
    if let Some(fields) = backend.as_object_mut() {
        fields.insert("serviceName".into(), service.into());
        fields.insert("weight".into(), weight.percent().into());
    }
    backend
}

/// Adds what `live` has beyond `ours`.
fn keep(wanted: &mut Fields, live: &Fields, ours: &[&str]) {
    for (field, value) in live.iter().filter(|(field, _)| !ours.contains(&field.as_str())) {
        wanted.entry(field).or_insert_with(|| value.clone());
    }
}

/// Flagger names the user's route, even when it searched the copy.
fn missing(service: &str, route: &RouteSpec, name: &str) -> RouterError {
    let namespace = &route.namespace;
    RouterError::Invalid {
        message: format!("Can not find {service} backend on apisix route {name}.{namespace} "),
    }
}

fn rules(spec: &Fields) -> &[Value] {
    spec.get("http").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn rule<'a>(spec: &'a Fields, service: &str) -> Option<&'a Value> {
    rules(spec).iter().find(|rule| backend(rule, service).is_some())
}

fn rule_mut<'a>(spec: &'a mut Fields, service: &str) -> Option<&'a mut Value> {
    let rules = spec.get_mut("http")?.as_array_mut()?;
    rules.iter_mut().find(|rule| backend(rule, service).is_some())
}

fn backends(rule: &Value) -> &[Value] {
    rule.get("backends").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn backend<'a>(rule: &'a Value, service: &str) -> Option<&'a Value> {
    backends(rule).iter().find(|backend| is(backend, service))
}

fn backend_mut<'a>(rule: &'a mut Value, service: &str) -> Option<&'a mut Value> {
    rule.get_mut("backends")?.as_array_mut()?.iter_mut().find(|backend| is(backend, service))
}

fn is(backend: &Value, service: &str) -> bool {
    backend.get("serviceName").and_then(Value::as_str) == Some(service)
}
