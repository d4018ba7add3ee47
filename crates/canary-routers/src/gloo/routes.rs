//! The content of a RouteTable as a canary asks for it, and what of the live one stays.

use canary_core::RouteSpec;
use serde_json::{Map, Value, json};

use super::upstreams;
use super::view::{Multi, Route, RouteAction, RouteTableSpec, Split, Weighted};

/// Makes the routes what the canary asks for. With A/B testing, the first is for requests that meet `condition`, and a
/// second one keeps all others on the primary.
pub(super) fn fill(spec: &mut RouteTableSpec, route: &RouteSpec, condition: Option<Value>, split: Split) {
    let both = vec![("primary", split.primary), ("canary", split.canary)];
    let wanted = match condition {
        None => vec![(None, both)],
        Some(condition) => vec![(Some(vec![condition]), both), (None, vec![("primary", 100)])],
    };
    let live: Vec<&Route> = spec.routes.iter().flatten().filter(|one| one.is_ours(route)).collect();
    let routes = wanted.into_iter().enumerate().map(|(index, (matchers, shares))| {
        let found = live.get(index).copied();
        built(matchers, &shares, route, found)
    });
    spec.routes = Some(routes.collect());
}

/// A route, with what its live counterpart has beyond the fields that we know.
fn built(
    matchers: Option<Vec<Value>>,
    shares: &[(&str, i64)],
    route: &RouteSpec,
    live: Option<&Route>,
) -> Route {
    let action = live.and_then(|live| live.action.as_ref());
    let multi = action.and_then(|action| action.multi.as_ref());
    let destinations = shares.iter().map(|(version, share)| Weighted {
        destination: destination(route, version, live),
        weight: (*share > 0).then_some(*share),
        rest: live.and_then(|live| live.to(version, route)).map_or_else(Map::new, |to| to.rest.clone()),
    });
    Route {
        matchers,
        inheritable_path_matchers: Some(true),
        action: Some(RouteAction {
            multi: Some(Multi {
                destinations: Some(destinations.collect()),
                rest: multi.map(|multi| multi.rest.clone()).unwrap_or_default(),
            }),
            rest: action.map(|action| action.rest.clone()).unwrap_or_default(),
        }),
        rest: live.map(|live| live.rest.clone()).unwrap_or_default(),
    }
}

fn destination(route: &RouteSpec, version: &str, live: Option<&Route>) -> Map<String, Value> {
    let live = live.and_then(|live| live.to(version, route));
    let mut destination = live.map(|to| to.destination.clone()).unwrap_or_default();
    let upstream = json!({ "name": upstreams::name(route, version), "namespace": route.namespace });
    destination.insert("upstream".to_owned(), upstream);
    destination
}
