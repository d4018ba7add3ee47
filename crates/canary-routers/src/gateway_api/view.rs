//! The parts of an HTTPRoute that we touch. What they do not name stays in `rest`.

use canary_core::RouteSpec;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Fields that are not looked into.
pub(super) type Fields = Map<String, Value>;

/// `HTTPRoute.spec`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HttpRouteSpec {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) parent_refs: Option<Vec<Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) hostnames: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rules: Option<Vec<Rule>>,
    #[serde(flatten)]
    pub(super) rest: Fields,
}

/// `HTTPRoute.spec.rules[]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rule {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) matches: Option<Vec<Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) filters: Option<Vec<Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) backend_refs: Option<Vec<BackendRef>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) timeouts: Option<Fields>,
    #[serde(flatten)]
    pub(super) rest: Fields,
}

/// A Service with its share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct BackendRef {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) group: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<String>,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) namespace: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) port: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) weight: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) filters: Option<Vec<Value>>,
    #[serde(flatten)]
    pub(super) rest: Fields,
}

impl BackendRef {
    /// Whether it is that Service in the canary's namespace.
    fn is(&self, service: &str, route: &RouteSpec) -> bool {
        let here = self.namespace.as_ref().is_none_or(|namespace| *namespace == route.namespace);
        let kind = self.kind.as_deref().unwrap_or("Service");
        here && kind == "Service" && self.name == service
    }
}

impl Rule {
    /// The backend that is that Service.
    pub(super) fn to(&self, service: &str, route: &RouteSpec) -> Option<&BackendRef> {
        self.backend_refs.iter().flatten().find(|backend| backend.is(service, route))
    }

    /// Whether it leads to one of our two Services.
    pub(super) fn is_ours(&self, route: &RouteSpec) -> bool {
        self.to(&route.primary, route).is_some() || self.to(&route.canary, route).is_some()
    }
}
