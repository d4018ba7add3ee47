//! The content of a TrafficRoute as a canary asks for it.

use canary_core::RouteSpec;
use serde_json::json;

use super::tag;
use super::view::{Share, Split, TrafficRouteSpec};

/// Makes `spec` what the canary asks for, with the weights of `weights`.
pub(super) fn fill(spec: &mut TrafficRouteSpec, route: &RouteSpec, weights: Split) {
    spec.sources = Some(vec![json!({ "match": tag::any() })]);
    spec.destinations = Some(vec![json!({ "match": tag::of(&route.apex, route) })]);
    split(spec, route, weights);
}

/// Makes the split hold both Services, and keeps all else.
pub(super) fn split(spec: &mut TrafficRouteSpec, route: &RouteSpec, weights: Split) {
    let share = |service: &str, weight| Share {
        weight: Some(weight),
        destination: tag::of(service, route),
        rest: spec.to(service, route).map(|share| share.rest.clone()).unwrap_or_default(),
    };
    let shares = vec![share(&route.primary, weights.primary), share(&route.canary, weights.canary)];
    let conf = spec.conf.get_or_insert_default();
    conf.split = Some(shares);
    conf.destination = None;
}
