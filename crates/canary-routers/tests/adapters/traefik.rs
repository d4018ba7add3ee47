use std::sync::Arc;

use canary_core::{RouteSpec, Router};
use canary_routers::LiveObjects;
use canary_routers::kube::Client;
use canary_routers::kube::core::ApiResource;
use canary_sandbox::contract::RouterAdapter;
use serde_json::{Value, json};

/// Traefik.
pub struct Traefik;

impl RouterAdapter for Traefik {
    fn router(&self, client: Client) -> Arc<dyn Router> {
        Arc::new(canary_routers::Traefik::new(Arc::new(LiveObjects::new(client))))
    }

    fn kinds(&self) -> Vec<ApiResource> {
        canary_routers::Traefik::kinds()
    }

    fn existing(&self, route: &RouteSpec) -> Option<Value> {
        Some(json!({
            "apiVersion": "traefik.io/v1alpha1", "kind": "TraefikService", "metadata": {"name": route.apex},
            "spec": {"weighted": {"services": [{"name": "podinfo-old", "port": 80}]}},
        }))
    }

    fn spoil(&self, object: &mut Value) {
        object["spec"]["weighted"]["services"][0]["port"] = json!(1);
    }

    fn personalise(&self, object: &mut Value) {
        object["spec"]["weighted"]["sticky"] = json!({"cookie": {"name": "mine"}});
    }
}
