//! Upstreams: where Gloo finds the pods of each version, and with which settings it calls them.

use canary_core::{RouteSpec, RouterError};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Map, Value, json};

use crate::{Attempt, ObjectError, Objects};

/// What an Upstream takes over from the one that `spec.upstreamRef` names.
const TAKEN_OVER: &[&str] = &[
    "labels",
    "sslConfig",
    "circuitBreakers",
    "connectionConfig",
    "loadBalancerConfig",
    "useHttp2",
    "initialStreamWindowSize",
    "initialConnectionWindowSize",
    "httpProxyHostName",
];

/// The Upstream of one version.
pub(super) struct Upstream<'a> {
    /// As errors name it.
    pub(super) version: &'static str,
    pub(super) name: String,
    service: &'a str,
}

impl<'a> Upstream<'a> {
    /// Those of the primary and of the canary, in the order in which they are made.
    pub(super) fn both(route: &'a RouteSpec) -> [Self; 2] {
        [
            Self { version: "primary", name: name(route, "primary"), service: &route.primary },
            Self { version: "canary", name: name(route, "canary"), service: &route.canary },
        ]
    }

    /// The labels of the pods, as the Service selects them.
    ///
    /// With the mesh in another cluster, which a route without an owner tells, the Service cannot be read; its selector is
    /// then made from that of the target.
    pub(super) async fn selector(
        &self,
        route: &RouteSpec,
        objects: &dyn Objects,
        failing: &impl Fn(String) -> String,
    ) -> Result<Value, RouterError> {
        if let (None, Some((key, value))) = (&route.owner, &route.selector) {
            let suffix = if self.service == route.primary { "-primary" } else { "" };
            return Ok(json!({ key: format!("{value}{suffix}") }));
        }
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Service"));
        let query = failing(format!("service {}.{} get query error: ", self.service, route.namespace));
        let attempt = Attempt::new(query, "get", &kind);
        let found = objects.get(&kind, &route.namespace, self.service).await;
        let service = found.map_err(|error| attempt.failed(error))?;
        let service = service.ok_or_else(|| attempt.failed(ObjectError::absent(&kind, self.service)))?;
        Ok(service["spec"]["selector"].clone())
    }
}

/// The spec of an Upstream that is created.
pub(super) fn first(
    route: &RouteSpec,
    upstream: &Upstream<'_>,
    selector: Value,
    template: Option<&Value>,
) -> Value {
    let mut live = json!({ "kube": {} });
    if !selector.is_null() {
        live["kube"]["selector"] = selector;
    }
    repaired(route, upstream, &live, template)
}

/// The live spec, leading to the right Service and with the settings of the template.
pub(super) fn repaired(
    route: &RouteSpec,
    upstream: &Upstream<'_>,
    live: &Value,
    template: Option<&Value>,
) -> Value {
    let mut spec = object(live);
    let mut kube = spec.get("kube").map(object).unwrap_or_default();
    kube.insert("serviceName".to_owned(), upstream.service.into());
    kube.insert("serviceNamespace".to_owned(), route.namespace.clone().into());
    kube.insert("servicePort".to_owned(), route.port.into());
    spec.insert("kube".to_owned(), Value::Object(kube));
    if let Some(template) = template {
        for field in TAKEN_OVER {
            match template.get(field) {
                Some(value) => spec.insert((*field).to_owned(), value.clone()),
                None => spec.remove(*field),
            };
        }
    }
    Value::Object(spec)
}

/// The name of an Upstream, which says its version and port.
pub(super) fn name(route: &RouteSpec, version: &str) -> String {
    format!("{}-{}-{version}upstream-{}", route.namespace, route.apex, route.port)
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}
