//! The parts of a TrafficRoute that we touch, and the shares in them. What they do not name stays in `rest`.

use canary_core::{RouteSpec, Weights};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::tag;
use crate::share::percentages;

type Fields = Map<String, Value>;

/// `TrafficRoute.spec`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct TrafficRouteSpec {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sources: Option<Vec<Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) destinations: Option<Vec<Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) conf: Option<Conf>,
    #[serde(flatten)]
    pub(super) rest: Fields,
}

/// `TrafficRoute.spec.conf`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Conf {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) split: Option<Vec<Share>>,
    /// The one destination, in place of a split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) destination: Option<Value>,
    /// The load balancer and rules for HTTP, for two.
    #[serde(flatten)]
    pub(super) rest: Fields,
}

/// A Service with its share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Share {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) weight: Option<i64>,
    #[serde(default)]
    pub(super) destination: Value,
    #[serde(flatten)]
    pub(super) rest: Fields,
}

impl TrafficRouteSpec {
    fn shares(&self) -> impl Iterator<Item = &Share> {
        self.conf.iter().flat_map(|conf| conf.split.iter().flatten())
    }

    /// The share of that Service in the canary's namespace.
    pub(super) fn to(&self, service: &str, route: &RouteSpec) -> Option<&Share> {
        let sought = (service, route.namespace.as_str());
        self.shares().find(|share| tag::service(&share.destination) == Some(sought))
    }

    /// Whether it leads to one of our two Services.
    pub(super) fn is_ours(&self, route: &RouteSpec) -> bool {
        self.to(&route.primary, route).is_some() || self.to(&route.canary, route).is_some()
    }

    /// The namespace that it is for, if that is another one than the canary's.
    pub(super) fn stranger(&self, route: &RouteSpec) -> Option<Stranger<'_>> {
        if self.is_ours(route) {
            return None;
        }
        let namesake = |name: &str| name == route.primary || name == route.canary;
        let mut services = self.shares().filter_map(|share| tag::service(&share.destination));
        if let Some((_, namespace)) = services.find(|(name, _)| namesake(name)) {
            return Some(Stranger { namespace, canary: true });
        }
        let matches = self.destinations.iter().flatten().filter_map(|one| tag::service(one.get("match")?));
        let mut elsewhere = matches.filter(|(_, namespace)| *namespace != route.namespace);
        elsewhere.next().map(|(_, namespace)| Stranger { namespace, canary: false })
    }
}

/// Whose a TrafficRoute is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stranger<'a> {
    pub(super) namespace: &'a str,
    /// Whether it leads to a primary or canary of the name of ours.
    pub(super) canary: bool,
}

/// The weights of both Services as written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Split {
    pub(super) primary: i64,
    pub(super) canary: i64,
}

impl Split {
    /// Everything on the primary.
    pub(super) const PRIMARY: Self = Self { primary: 100, canary: 0 };

    /// What the split says; `None` when it does not mention our Services, or gives both nothing.
    pub(super) fn read(spec: &TrafficRouteSpec, route: &RouteSpec) -> Option<Self> {
        let weight = |service: &str| spec.to(service, route).and_then(|share| share.weight).unwrap_or(0);
        let split = Self { primary: weight(&route.primary), canary: weight(&route.canary) };
        split.weights().map(|_| split)
    }

    /// As percentages.
    pub(super) fn weights(self) -> Option<Weights> {
        percentages(self.primary, self.canary)
    }
}
