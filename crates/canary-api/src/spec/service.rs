//! `Canary.spec.service` with types.

use canary_core::{CorsPolicy, Headers, HttpMatch, Metadata, Retries, Rewrite, TargetPort};
use serde::Deserialize;
use serde_json::Value;

/// How Services and routes are made.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ServiceSpec {
    /// Name of the apex Service.
    pub name: Option<String>,
    /// Port of the Services.
    pub port: i32,
    /// Name of the port.
    pub port_name: Option<String>,
    /// Port of the containers.
    pub target_port: Option<TargetPort>,
    /// Application protocol of the port.
    pub app_protocol: Option<String>,
    /// Traffic distribution of created Services.
    pub traffic_distribution: Option<String>,
    /// The other ports of the containers are served too.
    pub port_discovery: bool,
    /// Services are created without a cluster IP.
    pub headless: bool,
    /// Time limit of requests, as written.
    pub timeout: Option<String>,
    /// Time limit between gateway and backend, as written.
    pub backend_timeout: Option<String>,
    /// Istio gateways.
    pub gateways: Vec<String>,
    /// Gateway API parents, as written, with the schema's defaults.
    pub gateway_refs: Vec<Value>,
    /// Hosts.
    pub hosts: Vec<String>,
    /// The `VirtualService` is a delegate.
    pub delegation: bool,
    /// Traffic policy, as written.
    pub traffic_policy: Option<Value>,
    /// Conditions of the route.
    #[serde(rename = "match")]
    pub matches: Vec<HttpMatch>,
    /// Rewriting.
    pub rewrite: Option<Rewrite>,
    /// Retries.
    pub retries: Option<Retries>,
    /// Changes of headers.
    pub headers: Option<Headers>,
    /// Backends that always get a copy, as written, with the schema's defaults.
    pub mirror: Vec<Value>,
    /// Cross-origin resource sharing.
    pub cors_policy: Option<CorsPolicy>,
    /// App Mesh mesh.
    pub mesh_name: Option<String>,
    /// App Mesh backends.
    pub backends: Vec<String>,
    /// Metadata of the apex Service and of routes.
    pub apex: Option<Metadata>,
    /// Metadata of the primary Service.
    pub primary: Option<Metadata>,
    /// Metadata of the canary Service.
    pub canary: Option<Metadata>,
    /// Keys of metadata that is kept as found.
    pub unmanaged_metadata: Option<UnmanagedMetadata>,
}

/// Keys of metadata that others put on generated Services.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct UnmanagedMetadata {
    /// Keys of labels.
    pub labels: Vec<String>,
    /// Keys of annotations.
    pub annotations: Vec<String>,
}
