//! Virtual nodes: what proxies listen on, by which name they are found, and whom they may call.

use canary_core::{RouteSpec, TargetPort};
use serde_json::{Value, json};

use super::milliseconds::milliseconds;
use super::version::Version;

/// The fields of a node that a canary may ask for or not, and those that would contradict ours. In v1beta1 timeouts are the
/// user's own.
pub(super) fn fields(version: Version) -> &'static [&'static str] {
    match version {
        Version::V1beta1 => &["awsCloudMap", "backends", "logging"],
        Version::V1beta2 => &["awsCloudMap", "backends", "logging", "timeout"],
    }
}

/// A node: its object, and the Service that its proxies stand for.
pub(super) struct Node<'a> {
    pub(super) name: &'a str,
    service: &'a str,
}

/// The nodes in the order in which they are made. In v1beta1 the apex has one, of the primary.
pub(super) fn all(version: Version, route: &RouteSpec) -> Vec<Node<'_>> {
    let node = |name| Node { name, service: name };
    let (primary, canary) = (node(route.primary.as_str()), node(route.canary.as_str()));
    match version {
        Version::V1beta1 => {
            vec![Node { name: &route.apex, service: &route.primary }, primary, canary]
        }
        Version::V1beta2 => vec![primary, canary],
    }
}

/// The protocol of listeners.
pub(super) fn protocol(route: &RouteSpec) -> &'static str {
    if route.port_name.contains("grpc") { "grpc" } else { "http" }
}

/// The port that proxies listen on.
pub(super) fn port(version: Version, route: &RouteSpec) -> i32 {
    match (version, &route.target_port) {
        (Version::V1beta2, Some(TargetPort::Number(port))) if *port > 0 => *port,
        _ => route.port,
    }
}

/// The listeners of a node or router, without policies.
pub(super) fn listeners(version: Version, route: &RouteSpec) -> Value {
    json!([{ "portMapping": { "port": port(version, route), "protocol": protocol(route) } }])
}

/// A timeout in v1beta2's form, if the canary has one that can be read.
pub(super) fn timeout(route: &RouteSpec) -> Option<Value> {
    let value = milliseconds(route.timeout.as_deref()?)?;
    Some(json!({ "perRequest": { "unit": "ms", "value": value } }))
}

/// The spec of a node. `Err` says what is not known.
pub(super) fn spec(
    version: Version,
    route: &RouteSpec,
    node: &Node<'_>,
    logging: Option<Value>,
) -> Result<Value, &'static str> {
    let mut spec = json!({ "listeners": listeners(version, route) });
    match version {
        Version::V1beta1 => {
            spec["meshName"] = json!(route.mesh_name);
            spec["serviceDiscovery"] =
                json!({ "dns": { "hostName": format!("{}.{}", node.service, route.namespace) } });
        }
        Version::V1beta2 => {
            let (key, target) =
                route.selector.as_ref().ok_or("cannot select pods: their label is not known")?;
            let primary = format!("{target}-primary");
            let value = if node.name == route.primary { &primary } else { target };
            spec["podSelector"] = json!({ "matchLabels": { key: value } });
            spec["serviceDiscovery"] = json!({ "dns": { "hostname": hostname(node.service, route) } });
            if let Some(timeout) = timeout(route) {
                spec["listeners"][0]["timeout"] = json!({ "http": timeout });
            }
        }
    }
    if !route.backends.is_empty() {
        let backends: Vec<Value> = route.backends.iter().map(|name| backend(version, name)).collect();
        spec["backends"] = Value::Array(backends);
    }
    if let Some(logging) = logging {
        spec["logging"] = logging;
    }
    Ok(spec)
}

/// Whether a node leads to one of our two Services.
pub(super) fn is_ours(spec: &Value, route: &RouteSpec) -> bool {
    let dns = &spec["serviceDiscovery"]["dns"];
    let host = dns["hostName"].as_str().or(dns["hostname"].as_str()).unwrap_or_default();
    [&route.primary, &route.canary]
        .into_iter()
        .any(|service| host == format!("{service}.{}", route.namespace) || host == hostname(service, route))
}

/// The trailing dot keeps resolvers from trying their search domains.
fn hostname(service: &str, route: &RouteSpec) -> String {
    format!("{service}.{}.svc.cluster.local.", route.namespace)
}

fn backend(version: Version, name: &str) -> Value {
    let service = match version {
        Version::V1beta1 => json!({ "virtualServiceName": name }),
        Version::V1beta2 if name.starts_with("arn:aws") => json!({ "virtualServiceARN": name }),
        Version::V1beta2 => json!({ "virtualServiceRef": { "name": name } }),
    };
    json!({ "virtualService": service })
}
