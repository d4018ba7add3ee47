//! What a reconcile makes of a spec: a first one, or the live one with what the canary asks for.
//!
//! Weights and mirror stay as they are. Moving them is the rollout's business, never a repair's.

use canary_core::RouteSpec;
use serde_json::Value;

use super::adoption::{adopt, adopt_block, is_ours, set_list};
use super::view::{Fields, Route, VirtualServiceSpec};
use super::weights::Split;
use super::{affinity, routes};

/// The canary's policy as written, with what the live one has beyond the fields that Flagger knows.
pub(super) fn traffic_policy(route: &RouteSpec, live: Option<&Value>) -> Option<Value> {
    const OURS: &[&str] = &["loadBalancer", "connectionPool", "outlierDetection", "tls", "portLevelSettings"];
    let mut wanted = route.traffic_policy.as_ref().and_then(Value::as_object).cloned();
    adopt_block(&mut wanted, live.and_then(Value::as_object), OURS);
    wanted.map(Value::Object)
}

/// The spec of an object that is created. Nobody holds a cookie yet.
pub(super) fn first_spec(route: &RouteSpec) -> VirtualServiceSpec {
    let tcp = routes::is_tcp(route);
    VirtualServiceSpec {
        hosts: Some(routes::hosts(route)), // always written: an empty list makes a delegate
        gateways: Some(routes::gateways(route)).filter(|gateways| !gateways.is_empty()),
        http: (!tcp).then(|| routes::plain_http(route, &Split::PRIMARY)),
        tcp: tcp.then(|| routes::tcp(route, &Split::PRIMARY)),
        rest: Fields::new(),
    }
}

/// Makes `spec` what the canary asks for, weights and mirror aside. `Err` says what the canary lacks.
pub(super) fn repair(spec: &mut VirtualServiceSpec, route: &RouteSpec) -> Result<(), &'static str> {
    set_list(&mut spec.hosts, routes::hosts(route));
    set_list(&mut spec.gateways, routes::gateways(route));
    let split = Split::read_any(spec, route).unwrap_or(Split::PRIMARY);
    // Of the other protocol's rules only those go that are ours, from before the canary changed its protocol.
    if routes::is_tcp(route) {
        spec.tcp = Some(adopt(routes::tcp(route, &split), spec.tcp.as_deref().unwrap_or_default(), route));
        if spec.http.as_deref().unwrap_or_default().iter().any(|rule| is_ours(rule, route)) {
            spec.http = others(spec.http.take(), route);
        }
        return Ok(());
    }
    if spec.tcp.as_deref().unwrap_or_default().iter().any(|rule| is_ours(rule, route)) {
        spec.tcp = others(spec.tcp.take(), route);
    }
    let live = spec.http.as_deref().unwrap_or_default();
    let plain = adopt(routes::plain_http(route, &split), live, route);
    let sound = route.affinity.as_ref().is_some_and(|affinity| {
        let live = affinity::without_cookies(live, affinity);
        live == affinity::without_cookies(&plain, affinity)
    });
    if !sound {
        spec.http = Some(adopt(routes::http(route, &split)?, live, route));
    }
    Ok(())
}

fn others<R: Route>(list: Option<Vec<R>>, route: &RouteSpec) -> Option<Vec<R>> {
    let others: Vec<R> = list.unwrap_or_default().into_iter().filter(|rule| !is_ours(rule, route)).collect();
    (!others.is_empty()).then_some(others)
}
