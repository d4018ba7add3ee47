//! The content of a VirtualService as a canary asks for it: hosts, gateways and rules.
//!
//! Pure: what is live enters only as the [`Split`] to use. What is to survive of it is `adoption`'s business.

use canary_core::{HttpMatch, RouteSpec};
use serde::Serialize;
use serde_json::{Value, json};

use super::affinity;
use super::view::{Destination, Fields, HttpRoute, RouteDestination, TcpRoute};
use super::weights::Split;

/// Stands for all sidecars of the mesh.
const MESH: &str = "mesh";

/// Whether the rules are `tcp` rather than `http`.
pub(super) fn is_tcp(route: &RouteSpec) -> bool {
    route.app_protocol.as_deref().is_some_and(|protocol| protocol.eq_ignore_ascii_case("tcp"))
}

/// Whether hosts and gateways are missing, as they must for a delegate.
pub(super) fn may_delegate(route: &RouteSpec) -> bool {
    route.hosts.is_empty() && route.gateways.is_empty()
}

/// The hosts that the rules are for; none for a delegate.
pub(super) fn hosts(route: &RouteSpec) -> Vec<String> {
    let mut hosts = route.hosts.clone();
    if !route.delegation && !hosts.iter().any(|host| *host == route.apex || host == "*") {
        hosts.push(route.apex.clone());
    }
    hosts
}

/// The gateways that the rules are for; none for a delegate.
pub(super) fn gateways(route: &RouteSpec) -> Vec<String> {
    if route.gateways.is_empty() && !route.delegation {
        vec![MESH.to_owned()]
    } else {
        route.gateways.clone()
    }
}

/// The http rules without cookies: one, or two for A/B testing.
pub(super) fn plain_http(route: &RouteSpec, split: &Split) -> Vec<HttpRoute> {
    if route.conditions.is_empty() {
        return vec![mirrored(weighted_rule(route, split), split)];
    }
    let chosen = HttpRoute {
        r#match: conditions(&merged(&route.conditions, &route.matches)),
        ..weighted_rule(route, split)
    };
    let everyone_else = HttpRoute {
        route: Some(vec![destination(route, &route.primary, split.primary)]),
        ..weighted_rule(route, split)
    };
    vec![chosen, everyone_else]
}

/// The http rules. `Err` says what the canary lacks.
pub(super) fn http(route: &RouteSpec, split: &Split) -> Result<Vec<HttpRoute>, &'static str> {
    match &route.affinity {
        // Flagger: A/B testing replaces the rules for cookies.
        Some(cookies) if route.conditions.is_empty() => {
            let mut rules = affinity::rules(&weighted_rule(route, split), route, cookies, split)?;
            // The mirror is read from the weighted rule, the last one, so it goes there.
            if let Some(last) = rules.pop() {
                rules.push(mirrored(last, split));
            }
            Ok(rules)
        }
        _ => Ok(plain_http(route, split)),
    }
}

/// The tcp rule. Istio knows no conditions on requests there, only ports.
pub(super) fn tcp(route: &RouteSpec, split: &Split) -> Vec<TcpRoute> {
    let port = |condition: &HttpMatch| match condition.port {
        Some(port) if port != 0 => json!({ "port": port }),
        _ => json!({}),
    };
    let matches: Vec<Value> = route.matches.iter().map(port).collect();
    vec![TcpRoute {
        r#match: (!matches.is_empty()).then_some(matches),
        route: Some(destinations(route, split.primary, split.canary)),
        rest: Fields::new(),
    }]
}

/// Every condition of an analysis together with every condition of the service. Of the former only headers and source
/// labels count when there are both.
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
            if !condition.source_labels.is_empty() {
                both.source_labels.clone_from(&condition.source_labels);
            }
            product.push(both);
        }
    }
    product
}

/// Conditions in Istio's form, which is ours; `None` for none.
pub(super) fn conditions(list: &[HttpMatch]) -> Option<Vec<Value>> {
    let list: Vec<Value> = list.iter().map(|condition| Value::Object(fields(condition))).collect();
    (!list.is_empty()).then_some(list)
}

/// Both destinations, primary first.
pub(super) fn destinations(route: &RouteSpec, primary: i64, canary: i64) -> Vec<RouteDestination> {
    vec![destination(route, &route.primary, primary), destination(route, &route.canary, canary)]
}

fn destination(route: &RouteSpec, host: &str, weight: i64) -> RouteDestination {
    // A gateway cannot choose among several ports of a Service; sidecars do by the port that was called.
    let behind_gateway = route.delegation || route.gateways.first().is_some_and(|gateway| gateway != MESH);
    let port = (route.port_discovery && behind_gateway).then(|| json!({ "number": route.port }));
    RouteDestination {
        destination: Destination { host: host.to_owned(), port, rest: Fields::new() },
        weight: Some(weight),
        ..RouteDestination::default()
    }
}

/// The rule that splits traffic, without its mirror: it is also the pattern of the rules for cookies.
fn weighted_rule(route: &RouteSpec, split: &Split) -> HttpRoute {
    let rewrite = route.rewrite.as_ref().map(|rewrite| {
        let mut fields = fields(rewrite);
        fields.remove("type"); // Gateway API only
        fields
    });
    HttpRoute {
        r#match: conditions(&route.matches),
        route: Some(destinations(route, split.primary, split.canary)),
        rewrite: rewrite.filter(|fields| !fields.is_empty()),
        timeout: route.timeout.clone().filter(|timeout| !timeout.is_empty()),
        retries: route.retries.as_ref().map(fields),
        cors_policy: route.cors_policy.as_ref().map(fields),
        headers: route.headers.as_ref().map(fields).filter(|fields| !fields.is_empty()),
        ..HttpRoute::default()
    }
}

fn mirrored(rule: HttpRoute, split: &Split) -> HttpRoute {
    let Some(mirror) = &split.mirror else { return rule };
    HttpRoute {
        mirror: Some(mirror.destination.clone()),
        mirror_percentage: mirror.percentage.clone(),
        ..rule
    }
}

fn fields<T: Serialize>(value: &T) -> Fields {
    match serde_json::to_value(value) {
        Ok(Value::Object(fields)) => fields,
        _ => Fields::new(),
    }
}
