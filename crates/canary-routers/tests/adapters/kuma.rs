use std::sync::Arc;

use canary_core::{RouteSpec, Router};
use canary_routers::LiveObjects;
use canary_routers::kube::Client;
use canary_routers::kube::core::ApiResource;
use canary_sandbox::contract::RouterAdapter;
use serde_json::{Value, json};

/// Kuma, whose objects belong to the whole cluster.
pub struct Kuma;

impl RouterAdapter for Kuma {
    fn router(&self, client: Client) -> Arc<dyn Router> {
        Arc::new(canary_routers::Kuma::new(Arc::new(LiveObjects::new(client))))
    }

    fn kinds(&self) -> Vec<ApiResource> {
        canary_routers::Kuma::kinds()
    }

    fn is_cluster_scoped(&self, _: &ApiResource) -> bool {
        true
    }

    fn complete(&self, route: &mut RouteSpec) {
        // One name for each namespace, since the objects have none.
        let apex = format!("pod-{}", route.namespace);
        (route.primary, route.canary) = (format!("{apex}-primary"), format!("{apex}-canary"));
        route.apex = apex;
    }

    fn existing(&self, route: &RouteSpec) -> Option<Value> {
        let any = json!([{"match": {"kuma.io/service": "*"}}]);
        let old = json!({"kuma.io/service": format!("podinfo-old_{}_svc_80", route.namespace)});
        Some(json!({
            "apiVersion": "kuma.io/v1alpha1", "kind": "TrafficRoute", "metadata": {"name": route.apex},
            "mesh": "default", "spec": {"sources": any, "destinations": any, "conf": {"destination": old}},
        }))
    }

    fn spoil(&self, object: &mut Value) {
        object["spec"]["sources"] = json!([{"match": {"kuma.io/service": "elsewhere"}}]);
    }

    fn personalise(&self, object: &mut Value) {
        object["spec"]["conf"]["loadBalancer"] = json!({"roundRobin": {}});
    }
}
