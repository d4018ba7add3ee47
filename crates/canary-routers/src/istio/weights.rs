//! Shares of traffic as a VirtualService holds them: read, kept, or made from what the rollout wants.
//!
//! The numbers are as written. Only [`Split::weights`] turns them into percentages.

use canary_core::{RouteSpec, Weight, Weights};
use serde_json::{Value, json};

use super::routes::is_tcp;
use super::view::{Destination, HttpRoute, Route, VirtualServiceSpec};

/// Istio's weights are 32-bit numbers.
const LARGEST: i64 = i32::MAX as i64;

/// The weights and the mirror of the weighted rule.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Split {
    pub(super) primary: i64,
    pub(super) canary: i64,
    pub(super) mirror: Option<Mirror>,
}

/// Where requests are copied to, and how many of them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mirror {
    pub(super) destination: Destination,
    pub(super) percentage: Option<Value>,
}

impl Split {
    /// Everything on the primary.
    pub(super) const PRIMARY: Self = Self { primary: 100, canary: 0, mirror: None };

    /// What a rollout wants.
    pub(super) fn wanted(weights: Weights, route: &RouteSpec) -> Self {
        let mirror = weights.mirror.then(|| Mirror {
            destination: Destination { host: route.canary.clone(), ..Destination::default() },
            percentage: route.mirror_weight.filter(|share| *share > 0).map(|share| json!({ "value": share })),
        });
        Self { primary: weights.primary.into(), canary: weights.canary.into(), mirror }
    }

    /// What the rules for the protocol of `route` say; `None` when they do not mention our Services, or give both nothing.
    pub(super) fn read(spec: &VirtualServiceSpec, route: &RouteSpec) -> Option<Self> {
        if is_tcp(route) { Self::of_tcp(spec, route) } else { Self::of_http(spec, route) }
    }

    /// What the rules of either protocol say, so that a canary that changes its protocol keeps its weights.
    pub(super) fn read_any(spec: &VirtualServiceSpec, route: &RouteSpec) -> Option<Self> {
        Self::read(spec, route).or_else(|| Self::of_http(spec, route)).or_else(|| Self::of_tcp(spec, route))
    }

    fn of_http(spec: &VirtualServiceSpec, route: &RouteSpec) -> Option<Self> {
        let rule = weighted(spec.http.as_deref()?, route)?;
        Self::of_rule(rule, mirror_of(rule), route)
    }

    fn of_tcp(spec: &VirtualServiceSpec, route: &RouteSpec) -> Option<Self> {
        Self::of_rule(weighted(spec.tcp.as_deref()?, route)?, None, route)
    }

    fn of_rule<R: Route>(rule: &R, mirror: Option<Mirror>, route: &RouteSpec) -> Option<Self> {
        let weight = |host: &str| rule.to(host).and_then(|d| d.weight).unwrap_or(0);
        let split = Self { primary: weight(&route.primary), canary: weight(&route.canary), mirror };
        (split.primary != 0 || split.canary != 0).then_some(split)
    }

    /// As percentages. A pair that somebody set by hand and that does not add up to 100 is what Istio makes of it: shares of
    /// the sum.
    pub(super) fn weights(&self, route: &RouteSpec) -> Weights {
        let (primary, canary) = (self.primary.clamp(0, LARGEST), self.canary.clamp(0, LARGEST));
        let total = (primary + canary).max(1);
        let canary = Weight::clamped((canary * 100 + total / 2) / total);
        let mirror = self.mirror.as_ref().is_some_and(|mirror| mirror.destination.host == route.canary);
        Weights { mirror, ..Weights::canary(canary) }
    }
}

/// The rule that splits traffic. Flagger: the last one that leads to the canary; rules for cookies come before it.
fn weighted<'a, R: Route>(rules: &'a [R], route: &RouteSpec) -> Option<&'a R> {
    rules.iter().rfind(|rule| rule.to(&route.canary).is_some())
}

fn mirror_of(rule: &HttpRoute) -> Option<Mirror> {
    let destination = rule.mirror.clone().filter(|mirror| !mirror.host.is_empty())?;
    Some(Mirror { destination, percentage: rule.mirror_percentage.clone() })
}
