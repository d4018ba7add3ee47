//! The parts of a RouteTable that we touch, and the shares in them. What they do not name stays in `rest`.

use canary_core::{RouteSpec, Weights};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::upstreams;
use crate::share::percentages;

type Fields = Map<String, Value>;

/// `RouteTable.spec`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct RouteTableSpec {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) routes: Option<Vec<Route>>,
    #[serde(flatten)]
    pub(super) rest: Fields,
}

/// `RouteTable.spec.routes[]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Route {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) matchers: Option<Vec<Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) inheritable_path_matchers: Option<bool>,
    #[serde(default, rename = "routeAction", skip_serializing_if = "Option::is_none")]
    pub(super) action: Option<RouteAction>,
    /// The name and the options, for two.
    #[serde(flatten)]
    pub(super) rest: Fields,
}

/// `routeAction`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct RouteAction {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) multi: Option<Multi>,
    #[serde(flatten)]
    pub(super) rest: Fields,
}

/// `routeAction.multi`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Multi {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) destinations: Option<Vec<Weighted>>,
    #[serde(flatten)]
    pub(super) rest: Fields,
}

/// A destination with its share. Nothing is written for 0, as Gloo itself does.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Weighted {
    #[serde(default)]
    pub(super) destination: Fields,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) weight: Option<i64>,
    #[serde(flatten)]
    pub(super) rest: Fields,
}

impl Weighted {
    fn is(&self, upstream: &str, route: &RouteSpec) -> bool {
        let text = |field: &str| self.destination.get("upstream").and_then(|u| u.get(field)?.as_str());
        text("name") == Some(upstream) && text("namespace").is_none_or(|found| found == route.namespace)
    }
}

impl Route {
    /// The destination that is the Upstream of that version.
    pub(super) fn to(&self, version: &str, route: &RouteSpec) -> Option<&Weighted> {
        let multi = self.action.as_ref()?.multi.as_ref()?;
        let name = upstreams::name(route, version);
        multi.destinations.iter().flatten().find(|destination| destination.is(&name, route))
    }

    /// Whether it leads to one of our Upstreams.
    pub(super) fn is_ours(&self, route: &RouteSpec) -> bool {
        self.to("primary", route).is_some() || self.to("canary", route).is_some()
    }
}

impl RouteTableSpec {
    /// Whether a route leads to one of our Upstreams.
    pub(super) fn is_ours(&self, route: &RouteSpec) -> bool {
        self.routes.iter().flatten().any(|one| one.is_ours(route))
    }
}

/// The weights of both Upstreams as written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Split {
    pub(super) primary: i64,
    pub(super) canary: i64,
}

impl Split {
    /// Everything on the primary.
    pub(super) const PRIMARY: Self = Self { primary: 100, canary: 0 };

    /// What the route that splits says; `None` when there is none, or it gives both nothing.
    pub(super) fn read(spec: &RouteTableSpec, route: &RouteSpec) -> Option<Self> {
        let found = spec.routes.iter().flatten().find(|one| one.to("canary", route).is_some())?;
        let weight = |version| found.to(version, route).and_then(|to| to.weight).unwrap_or(0);
        let split = Self { primary: weight("primary"), canary: weight("canary") };
        split.weights().map(|_| split)
    }

    /// As percentages.
    pub(super) fn weights(self) -> Option<Weights> {
        percentages(self.primary, self.canary)
    }
}
