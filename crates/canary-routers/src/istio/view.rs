//! The parts of Istio's objects that we touch. What they do not name stays in `rest`, at every level.
//!
//! Lists and texts are optional, not empty, so that an object read and written back is the same object.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ObjectMetadata;

/// Fields of an object by name.
pub(super) type Fields = Map<String, Value>;

/// `VirtualService`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct VirtualService {
    pub(super) metadata: ObjectMetadata,
    #[serde(default)]
    pub(super) spec: VirtualServiceSpec,
    #[serde(flatten)]
    pub(super) rest: Fields,
}

/// `VirtualService.spec`, in the order in which Flagger saves it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct VirtualServiceSpec {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) hosts: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) gateways: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) http: Option<Vec<HttpRoute>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tcp: Option<Vec<TcpRoute>>,
    #[serde(flatten)]
    pub(super) rest: Fields,
}

/// `VirtualService.spec.http[]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HttpRoute {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) r#match: Option<Vec<Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) route: Option<Vec<RouteDestination>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rewrite: Option<Fields>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) timeout: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) retries: Option<Fields>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) mirror: Option<Destination>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) mirror_percentage: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cors_policy: Option<Fields>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) headers: Option<Fields>,
    #[serde(flatten)]
    pub(super) rest: Fields,
}

/// `VirtualService.spec.tcp[]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct TcpRoute {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) r#match: Option<Vec<Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) route: Option<Vec<RouteDestination>>,
    #[serde(flatten)]
    pub(super) rest: Fields,
}

/// A destination with its share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct RouteDestination {
    pub(super) destination: Destination,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) weight: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) headers: Option<Fields>,
    #[serde(flatten)]
    pub(super) rest: Fields,
}

/// A Service, and which port of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Destination {
    #[serde(default)]
    pub(super) host: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) port: Option<Value>,
    #[serde(flatten)]
    pub(super) rest: Fields,
}

/// `DestinationRule`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct DestinationRule {
    pub(super) metadata: ObjectMetadata,
    #[serde(default)]
    pub(super) spec: DestinationRuleSpec,
    #[serde(flatten)]
    pub(super) rest: Fields,
}

/// `DestinationRule.spec`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DestinationRuleSpec {
    #[serde(default)]
    pub(super) host: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) traffic_policy: Option<Value>,
    #[serde(flatten)]
    pub(super) rest: Fields,
}

/// What a route of either protocol has.
pub(super) trait Route: Sized {
    /// The name of its list in the spec.
    fn destinations(&self) -> &[RouteDestination];

    /// This route with what `live` has beyond the fields that we know.
    fn adopting(self, live: &Self) -> Self;

    /// The destination with that host.
    fn to(&self, host: &str) -> Option<&RouteDestination> {
        self.destinations().iter().find(|d| d.destination.host == host)
    }
}
