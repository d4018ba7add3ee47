//! What a write takes over from the live object: fields that a newer Istio or somebody else added to routes of ours.
//!
//! A block that the canary does not ask for (no `retries`, say) goes as a whole; half a policy would mean something else.

use canary_core::RouteSpec;

use super::view::{Destination, Fields, HttpRoute, Route, RouteDestination, TcpRoute};

/// The fields that a canary sets in each block. Others in the same block survive.
const REWRITE: &[&str] = &["uri", "authority"];
const RETRIES: &[&str] = &["attempts", "perTryTimeout", "retryOn"];
const HEADERS: &[&str] = &["request", "response"];
const CORS: &[&str] = &[
    "allowOrigin",
    "allowOrigins",
    "allowMethods",
    "allowHeaders",
    "exposeHeaders",
    "maxAge",
    "allowCredentials",
];

/// `wanted` routes, each with what its live counterpart has beyond the fields that we know.
pub(super) fn adopt<R: Route>(wanted: Vec<R>, live: &[R], route: &RouteSpec) -> Vec<R> {
    let ours: Vec<&R> = live.iter().filter(|r| is_ours(*r, route)).collect();
    // With another number of rules than before (cookies came or went) all of them descend from the weighted one.
    let weighted = ours.iter().rfind(|r| r.to(&route.canary).is_some()).or(ours.last()).copied();
    let same_rules = ours.len() == wanted.len();
    let adopted = wanted.into_iter().enumerate().map(|(index, rule)| {
        let counterpart = if same_rules { ours.get(index).copied() } else { weighted };
        match counterpart {
            Some(live) => rule.adopting(live),
            None => rule,
        }
    });
    adopted.collect()
}

/// Whether the route leads to one of our two Services.
pub(super) fn is_ours<R: Route>(rule: &R, route: &RouteSpec) -> bool {
    rule.to(&route.primary).is_some() || rule.to(&route.canary).is_some()
}

/// Makes `live` hold `wanted`. An empty list and no list are the same to Istio, so that one is not replaced by the other.
pub(super) fn set_list<T: PartialEq>(live: &mut Option<Vec<T>>, wanted: Vec<T>) {
    if !wanted.is_empty() {
        *live = Some(wanted);
    } else if live.as_ref().is_some_and(|list| !list.is_empty()) {
        *live = None;
    }
}

impl Route for HttpRoute {
    fn destinations(&self) -> &[RouteDestination] {
        self.route.as_deref().unwrap_or_default()
    }

    fn adopting(mut self, live: &Self) -> Self {
        let matches = self.r#match.take().unwrap_or_default();
        self.r#match.clone_from(&live.r#match);
        set_list(&mut self.r#match, matches);
        self.route = self.route.map(|list| destinations(list, live));
        adopt_block(&mut self.rewrite, live.rewrite.as_ref(), REWRITE);
        adopt_block(&mut self.retries, live.retries.as_ref(), RETRIES);
        adopt_block(&mut self.headers, live.headers.as_ref(), HEADERS);
        adopt_block(&mut self.cors_policy, live.cors_policy.as_ref(), CORS);
        if let (Some(mirror), Some(live)) = (&mut self.mirror, &live.mirror) {
            adopt_destination(mirror, live);
        }
        self.rest.clone_from(&live.rest);
        self
    }
}

impl Route for TcpRoute {
    fn destinations(&self) -> &[RouteDestination] {
        self.route.as_deref().unwrap_or_default()
    }

    fn adopting(mut self, live: &Self) -> Self {
        let matches = self.r#match.take().unwrap_or_default();
        self.r#match.clone_from(&live.r#match);
        set_list(&mut self.r#match, matches);
        self.route = self.route.map(|list| destinations(list, live));
        self.rest.clone_from(&live.rest);
        self
    }
}

fn destinations<R: Route>(wanted: Vec<RouteDestination>, live: &R) -> Vec<RouteDestination> {
    let adopted = wanted.into_iter().map(|mut destination| {
        if let Some(live) = live.to(&destination.destination.host) {
            adopt_destination(&mut destination.destination, &live.destination);
            destination.rest.clone_from(&live.rest);
        }
        destination
    });
    adopted.collect()
}

fn adopt_destination(wanted: &mut Destination, live: &Destination) {
    if wanted.host == live.host {
        wanted.rest.clone_from(&live.rest);
    }
}

/// Adds to `wanted`, if there is such a block, the fields of `live` other than `ours`.
pub(super) fn adopt_block(wanted: &mut Option<Fields>, live: Option<&Fields>, ours: &[&str]) {
    if let (Some(wanted), Some(live)) = (wanted, live) {
        for (field, value) in live.iter().filter(|(field, _)| !ours.contains(&field.as_str())) {
            wanted.entry(field).or_insert_with(|| value.clone());
        }
    }
}
