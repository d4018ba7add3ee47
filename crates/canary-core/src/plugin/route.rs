//! What a router is told: names, conditions and policies, free of any mesh's and of the CRD's types.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Everything about one canary's routes.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct RouteSpec {
    /// Namespace of the canary and of its objects.
    pub namespace: String,
    /// Name of the canary.
    pub canary_name: String,
    /// Annotations of the canary itself. Some meshes take settings from there.
    pub canary_annotations: BTreeMap<String, String>,
    /// The provider text that chose the router, for example `smi:v1alpha2:osm`.
    pub provider: String,
    /// Owner of created objects; `None` when they live in another cluster.
    pub owner: Option<Owner>,
    /// Name of the Service that clients use.
    pub apex: String,
    /// Name of the Service of the primary.
    pub primary: String,
    /// Name of the Service of the canary.
    pub canary: String,
    /// Name of the target workload.
    pub target: String,
    /// `service.port`.
    pub port: i32,
    /// `service.portName`, `http` when unset.
    pub port_name: String,
    /// `service.targetPort`.
    pub target_port: Option<TargetPort>,
    /// `service.appProtocol`.
    pub app_protocol: Option<String>,
    /// `service.portDiscovery`.
    pub port_discovery: bool,
    /// `service.timeout`, as written.
    pub timeout: Option<String>,
    /// `service.backendTimeout`, as written.
    pub backend_timeout: Option<String>,
    /// `service.gateways`.
    pub gateways: Vec<String>,
    /// `service.gatewayRefs`, each as written.
    pub gateway_refs: Vec<Value>,
    /// `service.hosts`.
    pub hosts: Vec<String>,
    /// `service.delegation`.
    pub delegation: bool,
    /// `service.trafficPolicy`, as written.
    pub traffic_policy: Option<Value>,
    /// `service.match`.
    pub matches: Vec<HttpMatch>,
    /// `service.rewrite`.
    pub rewrite: Option<Rewrite>,
    /// `service.retries`.
    pub retries: Option<Retries>,
    /// `service.headers`.
    pub headers: Option<Headers>,
    /// `service.mirror`, each as written.
    pub static_mirrors: Vec<Value>,
    /// `service.corsPolicy`.
    pub cors_policy: Option<CorsPolicy>,
    /// `service.meshName`.
    pub mesh_name: Option<String>,
    /// `service.backends`.
    pub backends: Vec<String>,
    /// `service.apex`; `None` when the field is absent, which differs from empty for some routers.
    pub apex_metadata: Option<Metadata>,
    /// The label key that selects the target's pods, and its value.
    pub selector: Option<(String, String)>,
    /// `ingressRef.name`.
    pub ingress: Option<String>,
    /// `routeRef.name`.
    pub route: Option<String>,
    /// `upstreamRef`: namespace, if given, and name.
    pub upstream: Option<(Option<String>, String)>,
    /// `analysis.match` when the strategy is A/B testing; else empty.
    pub conditions: Vec<HttpMatch>,
    /// `analysis.mirrorWeight` when above 0.
    pub mirror_weight: Option<u8>,
    /// `analysis.sessionAffinity` with the cookies in force.
    pub affinity: Option<Affinity>,
}

impl RouteSpec {
    /// A spec with the three Service names derived from `apex`; every other field is empty and public.
    pub fn new(
        namespace: impl Into<String>,
        canary_name: impl Into<String>,
        apex: impl Into<String>,
    ) -> Self {
        let apex = apex.into();
        Self {
            namespace: namespace.into(),
            canary_name: canary_name.into(),
            primary: format!("{apex}-primary"),
            canary: format!("{apex}-canary"),
            target: apex.clone(),
            apex,
            port: 80,
            port_name: "http".into(),
            ..Self::default()
        }
    }
}

/// The object that created objects belong to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// API version, `flagger.app/v1beta1` for a Canary.
    pub api_version: String,
    /// Kind, `Canary`.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Uid.
    pub uid: String,
}

/// A port by number or by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TargetPort {
    /// The number of a container port.
    Number(i32),
    /// The name of a container port.
    Name(String),
}

/// Labels and annotations that a user wants on a generated object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// A condition on a text. At most one field is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StringMatch {
    /// The whole text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<String>,
    /// Its beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
    /// A regular expression (RE2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
}

/// A condition on a request, in Istio's form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpMatch {
    /// A name for the condition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<StringMatch>,
    /// Scheme.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<StringMatch>,
    /// Method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<StringMatch>,
    /// Authority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<StringMatch>,
    /// Headers, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, StringMatch>,
    /// Port of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<i64>,
    /// Labels of the calling workload.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub source_labels: BTreeMap<String, String>,
    /// Gateways that the condition is for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gateways: Vec<String>,
    /// Query parameters, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub query_params: BTreeMap<String, StringMatch>,
    /// Whether the case of the path matters not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore_uri_case: Option<bool>,
    /// Headers that must not match.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub without_headers: BTreeMap<String, StringMatch>,
    /// Namespace of the calling workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_namespace: Option<String>,
}

/// `service.rewrite`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rewrite {
    /// New path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// New authority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// `ReplacePrefixMatch`, or anything else for the full path (Gateway API only).
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// `service.retries`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Retries {
    /// Number of retries.
    #[serde(default)]
    pub attempts: i32,
    /// Time for each, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_try_timeout: Option<String>,
    /// Conditions, comma separated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_on: Option<String>,
}

/// `service.headers`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Headers {
    /// On the way to the workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<HeaderOperations>,
    /// On the way back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<HeaderOperations>,
}

/// What to do with headers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderOperations {
    /// Added beside what is there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub add: BTreeMap<String, String>,
    /// Replacing what is there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, String>,
    /// Removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
}

/// `service.corsPolicy`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CorsPolicy {
    /// Allowed origins, exact texts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_origin: Vec<String>,
    /// Allowed origins, conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_origins: Vec<StringMatch>,
    /// Allowed methods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_methods: Vec<String>,
    /// Allowed request headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_headers: Vec<String>,
    /// Exposed response headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expose_headers: Vec<String>,
    /// How long an answer may be kept, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<String>,
    /// Whether credentials may be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_credentials: Option<bool>,
}

/// Session affinity: cookie names, attributes and the cookies in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Affinity {
    /// Name of the canary's cookie.
    pub cookie_name: String,
    /// Name of the primary's cookie, when clients of the primary are to stay there.
    pub primary_cookie_name: Option<String>,
    /// The canary's cookie, `name=value`, while it has traffic.
    pub cookie: Option<String>,
    /// The primary's cookie, `name=value`.
    pub primary_cookie: Option<String>,
    /// The cookie of the run before, to be expired, `name=value`.
    pub previous_cookie: Option<String>,
    /// Life of the canary's cookie, seconds.
    pub max_age: i64,
    /// Life of the primary's cookie, seconds.
    pub primary_max_age: i64,
    /// Further attributes.
    pub attributes: CookieAttributes,
}

/// Attributes of `Set-Cookie`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // attributes of a cookie, each on or off
pub struct CookieAttributes {
    /// `Domain`.
    pub domain: Option<String>,
    /// `HttpOnly`.
    pub http_only: bool,
    /// `Partitioned`.
    pub partitioned: bool,
    /// `Path`.
    pub path: Option<String>,
    /// `SameSite`.
    pub same_site: Option<String>,
    /// `Secure`.
    pub secure: bool,
}
