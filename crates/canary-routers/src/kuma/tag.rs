//! How Kuma names a Service of Kubernetes: `NAME_NAMESPACE_svc_PORT`. None of the parts has a `_` in it.

use canary_core::RouteSpec;
use serde_json::{Value, json};

const KEY: &str = "kuma.io/service";

/// The tags that choose a Service of the canary's namespace.
pub(super) fn of(service: &str, route: &RouteSpec) -> Value {
    json!({ KEY: format!("{service}_{}_svc_{}", route.namespace, route.port) })
}

/// The tags that choose every Service.
pub(super) fn any() -> Value {
    json!({ KEY: "*" })
}

/// Name and namespace of the Service that the tags choose, if it is one of Kubernetes.
pub(super) fn service(tags: &Value) -> Option<(&str, &str)> {
    let mut parts = tags.get(KEY)?.as_str()?.split('_');
    let (name, namespace, kind) = (parts.next()?, parts.next()?, parts.next()?);
    (kind == "svc").then_some((name, namespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_known_by_name_and_namespace_whatever_its_port() {
        let mut route = RouteSpec::new("test", "podinfo", "podinfo");
        for port in [80, 9898] {
            route.port = port;
            assert_eq!(service(&of("podinfo-canary", &route)), Some(("podinfo-canary", "test")));
        }
        for tags in
            [any(), json!({ KEY: "backend" }), json!({ KEY: "a_b_c_80" }), json!(7), json!({ KEY: 7 })]
        {
            assert_eq!(service(&tags), None, "{tags}");
        }
    }
}
