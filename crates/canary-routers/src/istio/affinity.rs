//! Session affinity: rules that keep a client, known by a cookie, on the version that it met first.
//!
//! The cookies come with the route. Nothing is drawn here, so that a repeated call writes the same rules.

use canary_core::{Affinity, RouteSpec};
use serde_json::{Value, json};

use super::routes::{conditions, destinations, merged};
use super::view::{Fields, HttpRoute};
use super::weights::Split;
use crate::cookie::{Cookie, DAY, SET_COOKIE, escaped};

/// The rules made from the `weighted` one, which comes last. `Err` says which cookie is missing.
pub(super) fn rules(
    weighted: &HttpRoute,
    route: &RouteSpec,
    affinity: &Affinity,
    split: &Split,
) -> Result<Vec<HttpRoute>, &'static str> {
    if split.canary == 0 {
        // The cookie of the run that just ended, or of the one before while no other began.
        let over = affinity.cookie.as_deref().or(affinity.previous_cookie.as_deref());
        let over = over.map(|text| Cookie::parse(text, &affinity.cookie_name));
        let expiring = over.map(|cookie| expiring_rule(weighted, route, &cookie, split));
        return Ok(expiring.into_iter().chain([weighted.clone()]).collect());
    }
    let cookie = affinity.cookie.as_deref().ok_or("session affinity needs the cookie of the canary")?;
    let cookie = Cookie::parse(cookie, &affinity.cookie_name);
    let mut last = weighted.clone();
    let max_age = if affinity.max_age == 0 { DAY } else { affinity.max_age };
    give_cookie(&mut last, &route.canary, &cookie.set(max_age, &affinity.attributes));
    let mut rules = vec![sticky_rule(weighted, route, &cookie, (0, 100))];
    if let Some(name) = affinity.primary_cookie_name.as_deref().filter(|name| !name.is_empty()) {
        let cookie =
            affinity.primary_cookie.as_deref().ok_or("session affinity needs the cookie of the primary")?;
        let cookie = Cookie::parse(cookie, name);
        give_cookie(&mut last, &route.primary, &cookie.set(affinity.primary_max_age, &affinity.attributes));
        rules.push(sticky_rule(weighted, route, &cookie, (100, 0)));
    }
    rules.push(last);
    Ok(rules)
}

/// The rules as they would be without cookies: what a check for drift compares, because cookies change with the rollout.
pub(super) fn without_cookies(rules: &[HttpRoute], affinity: &Affinity) -> Vec<HttpRoute> {
    let plain = rules.iter().filter(|rule| !is_sticky(rule, affinity)).cloned().map(|mut rule| {
        for destination in rule.route.iter_mut().flatten() {
            destination.headers = None;
        }
        rule
    });
    plain.collect()
}

/// Whether the rule is for holders of a cookie of ours. (Under a former name it is not: the rules are then compared whole.)
fn is_sticky(rule: &HttpRoute, affinity: &Affinity) -> bool {
    let names = [Some(&affinity.cookie_name), affinity.primary_cookie_name.as_ref()];
    let names: Vec<&String> = names.into_iter().flatten().filter(|name| !name.is_empty()).collect();
    rule.r#match.iter().flatten().any(|condition| {
        let regex = condition.pointer("/headers/Cookie/regex").and_then(Value::as_str).unwrap_or_default();
        names.iter().any(|name| regex.contains(name.as_str()) || regex.contains(&escaped(name)))
    })
}

fn sticky_rule(
    weighted: &HttpRoute,
    route: &RouteSpec,
    cookie: &Cookie<'_>,
    weights: (i64, i64),
) -> HttpRoute {
    HttpRoute {
        r#match: conditions(&merged(&[cookie.condition()], &route.matches)),
        route: Some(destinations(route, weights.0, weights.1)),
        ..weighted.clone()
    }
}

/// Tells holders of a cookie that is no longer used to forget it.
fn expiring_rule(weighted: &HttpRoute, route: &RouteSpec, cookie: &Cookie<'_>, split: &Split) -> HttpRoute {
    let mut rule = sticky_rule(weighted, route, cookie, (split.primary, split.canary));
    add_response_header(&mut rule.headers, &cookie.forget());
    rule
}

fn give_cookie(rule: &mut HttpRoute, host: &str, set_cookie: &str) {
    for destination in rule.route.iter_mut().flatten().filter(|d| d.destination.host == host) {
        add_response_header(&mut destination.headers, set_cookie);
    }
}

fn add_response_header(headers: &mut Option<Fields>, set_cookie: &str) {
    let headers = headers.get_or_insert_default();
    let response = headers.entry("response").or_insert_with(|| json!({}));
    response["add"][SET_COOKIE] = Value::from(set_cookie);
}
