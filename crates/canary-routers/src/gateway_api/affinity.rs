//! Session affinity: rules that keep a client, known by a cookie, on the version that it met first.

use canary_core::{Affinity, RouteSpec};

use super::filters::add_response_header;
use super::matching::{matches, merged};
use super::routes::{Abilities, backends};
use super::view::Rule;
use super::weights::Split;
use crate::cookie::{COOKIE, Cookie, DAY, SET_COOKIE, escaped};

/// The rules made from the `weighted` one, which comes last. `Err` says which cookie is missing.
pub(super) fn rules(
    weighted: &Rule,
    route: &RouteSpec,
    affinity: &Affinity,
    split: Split,
    abilities: Abilities,
) -> Result<Vec<Rule>, String> {
    if split.canary == 0 {
        // The cookie of the run that just ended, or of the one before while no other began.
        let over = affinity.cookie.as_deref().or(affinity.previous_cookie.as_deref());
        let Some(over) = over else { return Ok(vec![weighted.clone()]) };
        let cookie = Cookie::parse(over, &affinity.cookie_name);
        let mut expiring = sticky_rule(weighted, route, &cookie, (split.primary, 0))?;
        add_response_header(&mut expiring.filters, SET_COOKIE, &cookie.forget());
        return Ok(vec![expiring, weighted.clone()]);
    }
    let cookie = affinity.cookie.as_deref().ok_or("session affinity needs the cookie of the canary")?;
    let cookie = Cookie::parse(cookie, &affinity.cookie_name);
    let mut last = weighted.clone();
    let max_age = if affinity.max_age == 0 { DAY } else { affinity.max_age };
    give_cookie(&mut last, &route.canary, &cookie.set(max_age, &affinity.attributes));
    let mut rules = vec![sticky_rule(weighted, route, &cookie, (0, 100))?];
    let primary = affinity.primary_cookie_name.as_deref().filter(|name| !name.is_empty());
    if let Some(name) = primary.filter(|_| abilities.primary_cookie) {
        let cookie =
            affinity.primary_cookie.as_deref().ok_or("session affinity needs the cookie of the primary")?;
        let cookie = Cookie::parse(cookie, name);
        give_cookie(&mut last, &route.primary, &cookie.set(affinity.primary_max_age, &affinity.attributes));
        rules.push(sticky_rule(weighted, route, &cookie, (100, 0))?);
    }
    rules.push(last);
    Ok(rules)
}

/// The rules as they would be without cookies: what a check for drift compares, because cookies change with the rollout.
pub(super) fn without_cookies(rules: &[Rule], affinity: &Affinity) -> Vec<Rule> {
    let plain = rules.iter().filter(|rule| !is_sticky(rule, affinity)).cloned().map(|mut rule| {
        for backend in rule.backend_refs.iter_mut().flatten() {
            backend.filters = None;
        }
        rule
    });
    plain.collect()
}

/// Whether the rule is for holders of a cookie of ours.
fn is_sticky(rule: &Rule, affinity: &Affinity) -> bool {
    let names = [Some(&affinity.cookie_name), affinity.primary_cookie_name.as_ref()];
    let names: Vec<&String> = names.into_iter().flatten().filter(|name| !name.is_empty()).collect();
    let headers = rule.matches.iter().flatten().filter_map(|one| one["headers"].as_array()).flatten();
    headers.filter(|header| header["name"] == COOKIE && header["type"] == "RegularExpression").any(|header| {
        let regex = header["value"].as_str().unwrap_or_default();
        names.iter().any(|name| regex.contains(name.as_str()) || regex.contains(&escaped(name)))
    })
}

fn sticky_rule(
    weighted: &Rule,
    route: &RouteSpec,
    cookie: &Cookie<'_>,
    weights: (i64, i64),
) -> Result<Rule, String> {
    Ok(Rule {
        matches: Some(matches(&merged(&[cookie.condition()], &route.matches))?),
        backend_refs: Some(backends(route, weights.0, weights.1)),
        ..weighted.clone()
    })
}

fn give_cookie(rule: &mut Rule, service: &str, set_cookie: &str) {
    for backend in rule.backend_refs.iter_mut().flatten().filter(|backend| backend.name == service) {
        add_response_header(&mut backend.filters, SET_COOKIE, set_cookie);
    }
}
