//! The parts of an HTTPProxy that we touch, and the shares in them. What they do not name stays in `rest`.

use canary_core::{RouteSpec, Weights};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::share::percentages;

/// Fields that are not looked into.
pub(super) type Fields = Map<String, Value>;

/// `HTTPProxy.spec`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HttpProxySpec {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ingress_class_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) routes: Option<Vec<Route>>,
    /// The virtual host and the includes, for two.
    #[serde(flatten)]
    pub(super) rest: Fields,
}

/// `HTTPProxy.spec.routes[]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Route {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) conditions: Option<Vec<Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) services: Option<Vec<Service>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) timeout_policy: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) retry_policy: Option<Value>,
    #[serde(flatten)]
    pub(super) rest: Fields,
}

/// A Service with its share. Nothing is written for 0, as Contour itself does.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Service {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) port: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) weight: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) request_headers_policy: Option<Fields>,
    #[serde(flatten)]
    pub(super) rest: Fields,
}

impl Route {
    /// The Service of that name.
    pub(super) fn to(&self, service: &str) -> Option<&Service> {
        self.services.iter().flatten().find(|found| found.name == service)
    }

    /// Whether it leads to one of our two Services.
    pub(super) fn is_ours(&self, route: &RouteSpec) -> bool {
        self.to(&route.primary).is_some() || self.to(&route.canary).is_some()
    }
}

impl HttpProxySpec {
    /// Whether a route leads to one of our two Services.
    pub(super) fn is_ours(&self, route: &RouteSpec) -> bool {
        self.routes.iter().flatten().any(|one| one.is_ours(route))
    }
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

    /// What the first route to one of ours says; `None` when there is none, or it gives both nothing. With A/B testing the
    /// second one is everyone else's.
    pub(super) fn read(spec: &HttpProxySpec, route: &RouteSpec) -> Option<Self> {
        let found = spec.routes.iter().flatten().find(|one| one.is_ours(route))?;
        let weight = |service: &str| found.to(service).and_then(|to| to.weight).unwrap_or(0);
        let split = Self { primary: weight(&route.primary), canary: weight(&route.canary) };
        split.weights().map(|_| split)
    }

    /// As percentages.
    pub(super) fn weights(self) -> Option<Weights> {
        percentages(self.primary, self.canary)
    }
}
