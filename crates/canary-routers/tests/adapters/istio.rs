use std::sync::Arc;

use canary_core::{RouteSpec, Router};
use canary_routers::LiveObjects;
use canary_routers::kube::Client;
use canary_routers::kube::core::ApiResource;
use canary_sandbox::contract::RouterAdapter;
use serde_json::{Value, json};

/// Istio behind a gateway.
pub struct Istio;

impl RouterAdapter for Istio {
    fn router(&self, client: Client) -> Arc<dyn Router> {
        Arc::new(canary_routers::Istio::new(Arc::new(LiveObjects::new(client))))
    }

    fn kinds(&self) -> Vec<ApiResource> {
        canary_routers::Istio::kinds(canary_routers::Istio::VERSION).into_iter().rev().collect()
    }

    fn complete(&self, route: &mut RouteSpec) {
        route.gateways = vec!["infra/gateway".into()];
        route.hosts = vec!["app.example.com".into()];
    }

    fn existing(&self, route: &RouteSpec) -> Option<Value> {
        Some(json!({
            "apiVersion": "networking.istio.io/v1beta1", "kind": "VirtualService",
            "metadata": {"name": route.apex},
            "spec": {
                "hosts": ["old.example.com"],
                "http": [{"route": [{"destination": {"host": "podinfo-old"}}], "timeout": "5s"}],
            },
        }))
    }

    fn spoil(&self, object: &mut Value) {
        object["spec"]["hosts"] = json!(["elsewhere.example.com"]);
    }

    fn personalise(&self, object: &mut Value) {
        object["spec"]["exportTo"] = json!(["."]);
        object["spec"]["http"][0]["name"] = json!("mine");
    }
}
