//! The content of an HTTPRoute as a canary asks for it, and what of the live one stays.

use canary_core::RouteSpec;
use serde_json::{Value, json};

use super::matching::{matches, merged};
use super::view::{BackendRef, Fields, HttpRouteSpec, Rule};
use super::weights::Split;
use super::{affinity, filters};

/// What an API version knows beyond weights, matches and filters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Abilities {
    /// `timeouts` and the CORS filter.
    pub(super) policies: bool,
    /// A cookie that keeps clients on the primary. Flagger has it with v1 alone.
    pub(super) primary_cookie: bool,
}

/// Makes `spec` what the canary asks for, with the weights of `split`. `Err` says what cannot be had.
pub(super) fn fill(
    spec: &mut HttpRouteSpec,
    route: &RouteSpec,
    split: Split,
    abilities: Abilities,
) -> Result<(), String> {
    spec.parent_refs = Some(parents(route)?);
    if !route.hosts.is_empty() {
        spec.hostnames = Some(route.hosts.clone());
    } else if spec.hostnames.as_ref().is_some_and(|hosts| !hosts.is_empty()) {
        spec.hostnames = None;
    }
    let rules = rules(route, split, abilities)?;
    spec.rules = Some(adopt(rules, spec.rules.as_deref().unwrap_or_default(), route));
    Ok(())
}

/// Like [`fill`], for a route that nobody asked to change: rules for cookies may be those of another moment.
pub(super) fn repair(
    spec: &mut HttpRouteSpec,
    route: &RouteSpec,
    abilities: Abilities,
) -> Result<(), String> {
    let split = Split::read(spec, route).unwrap_or(Split::PRIMARY);
    let live = spec.rules.take();
    let mut plain = HttpRouteSpec { rules: live.clone(), ..spec.clone() };
    if let (Some(affinity), true) = (&route.affinity, route.conditions.is_empty()) {
        let rules = plain_rules(route, split, abilities)?;
        let live = live.unwrap_or_default();
        let wanted = affinity::without_cookies(&adopt(rules, &live, route), affinity);
        if wanted == affinity::without_cookies(&live, affinity) {
            let mut without = route.clone();
            without.affinity = None;
            fill(&mut plain, &without, split, abilities)?;
            *spec = HttpRouteSpec { rules: Some(live), ..plain };
            return Ok(());
        }
    }
    fill(&mut plain, route, split, abilities)?;
    *spec = plain;
    Ok(())
}

/// The rules without cookies: one, or two for A/B testing.
pub(super) fn plain_rules(
    route: &RouteSpec,
    split: Split,
    abilities: Abilities,
) -> Result<Vec<Rule>, String> {
    let service = weighted_rule(route, split, abilities)?;
    if route.conditions.is_empty() {
        return Ok(vec![mirrored(service, route, split)]);
    }
    let chosen =
        Rule { matches: Some(matches(&merged(&route.conditions, &route.matches))?), ..service.clone() };
    let everyone_else = Rule { backend_refs: Some(vec![backend(route, &route.primary, 100)]), ..service };
    Ok(vec![mirrored(chosen, route, split), everyone_else])
}

/// Both backends, primary first.
pub(super) fn backends(route: &RouteSpec, primary: i64, canary: i64) -> Vec<BackendRef> {
    vec![backend(route, &route.primary, primary), backend(route, &route.canary, canary)]
}

/// Whether a rule leads to one of our two Services.
pub(super) fn is_ours(spec: &HttpRouteSpec, route: &RouteSpec) -> bool {
    spec.rules.iter().flatten().any(|rule| rule.is_ours(route))
}

fn rules(route: &RouteSpec, split: Split, abilities: Abilities) -> Result<Vec<Rule>, String> {
    match &route.affinity {
        // Flagger: A/B testing replaces the rules for cookies.
        Some(cookies) if route.conditions.is_empty() => {
            let weighted = weighted_rule(route, split, abilities)?;
            let mut rules = affinity::rules(&weighted, route, cookies, split, abilities)?;
            // The mirror is read from the rule that splits, the last one, so it goes there.
            if let Some(last) = rules.pop() {
                rules.push(mirrored(last, route, split));
            }
            Ok(rules)
        }
        _ => plain_rules(route, split, abilities),
    }
}

fn parents(route: &RouteSpec) -> Result<Vec<Value>, String> {
    if route.gateway_refs.is_empty() {
        return Err("GatewayRefs must be specified when using Gateway API as a provider.".to_owned());
    }
    let complete = |parent: &Value| {
        let mut parent = parent.clone();
        if let Some(fields) = parent.as_object_mut() {
            fields.entry("group").or_insert_with(|| "gateway.networking.k8s.io".into());
            fields.entry("kind").or_insert_with(|| "Gateway".into());
        }
        parent
    };
    Ok(route.gateway_refs.iter().map(complete).collect())
}

/// The rule that splits traffic, without its mirror: it is also the pattern of the rules for cookies.
fn weighted_rule(route: &RouteSpec, split: Split, abilities: Abilities) -> Result<Rule, String> {
    let mut timeouts = Fields::new();
    for (field, text) in [("request", &route.timeout), ("backendRequest", &route.backend_timeout)] {
        if let (true, Some(text)) = (abilities.policies, text.as_ref().filter(|text| !text.is_empty())) {
            timeouts.insert(field.to_owned(), json!(text));
        }
    }
    let filters = filters::filters(route, abilities.policies);
    Ok(Rule {
        matches: Some(matches(&route.matches)?),
        filters: (!filters.is_empty()).then_some(filters),
        backend_refs: Some(backends(route, split.primary, split.canary)),
        timeouts: (!timeouts.is_empty()).then_some(timeouts),
        rest: Fields::new(),
    })
}

fn mirrored(mut rule: Rule, route: &RouteSpec, split: Split) -> Rule {
    let there = rule.filters.iter().flatten().any(|filter| filters::mirrors_to(filter, &route.canary));
    if split.mirror && !there {
        rule.filters.get_or_insert_default().push(filters::mirror(route));
    }
    rule
}

fn backend(route: &RouteSpec, service: &str, weight: i64) -> BackendRef {
    BackendRef {
        group: Some(String::new()),
        kind: Some("Service".to_owned()),
        name: service.to_owned(),
        port: Some(route.port.into()),
        weight: Some(weight),
        ..BackendRef::default()
    }
}

/// `wanted` rules, each with what its live counterpart has beyond the fields that we know.
fn adopt(wanted: Vec<Rule>, live: &[Rule], route: &RouteSpec) -> Vec<Rule> {
    let ours: Vec<&Rule> = live.iter().filter(|rule| rule.is_ours(route)).collect();
    // With another number of rules than before (cookies came or went) all of them descend from the one that splits.
    let weighted = ours.iter().rfind(|r| r.to(&route.canary, route).is_some()).or(ours.last()).copied();
    let same_rules = ours.len() == wanted.len();
    let adopted = wanted.into_iter().enumerate().map(|(index, mut rule)| {
        let counterpart = if same_rules { ours.get(index).copied() } else { weighted };
        let Some(live) = counterpart else { return rule };
        rule.filters = filters::adopt(rule.filters, live.filters.as_ref());
        for backend in rule.backend_refs.iter_mut().flatten() {
            if let Some(live) = live.to(&backend.name, route) {
                backend.namespace.clone_from(&live.namespace);
                backend.filters = filters::adopt(backend.filters.take(), live.filters.as_ref());
                backend.rest.clone_from(&live.rest);
            }
        }
        rule.rest.clone_from(&live.rest);
        if !same_rules {
            rule.rest.remove("name"); // unique within a route
        }
        rule
    });
    adopted.collect()
}
