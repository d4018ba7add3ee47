use std::sync::Arc;

use canary_core::{RouteSpec, Router};
use canary_routers::LiveObjects;
use canary_routers::kube::Client;
use canary_routers::kube::core::ApiResource;
use canary_sandbox::contract::RouterAdapter;
use serde_json::{Value, json};

/// Contour.
pub struct Contour;

impl RouterAdapter for Contour {
    fn router(&self, client: Client) -> Arc<dyn Router> {
        Arc::new(canary_routers::Contour::new(Arc::new(LiveObjects::new(client)), "contour"))
    }

    fn kinds(&self) -> Vec<ApiResource> {
        canary_routers::Contour::kinds()
    }

    fn existing(&self, route: &RouteSpec) -> Option<Value> {
        let services = json!([{"name": "podinfo-old", "port": 80}]);
        Some(json!({
            "apiVersion": "projectcontour.io/v1", "kind": "HTTPProxy", "metadata": {"name": route.apex},
            "spec": {"routes": [{"conditions": [{"prefix": "/old"}], "services": services}]},
        }))
    }

    fn spoil(&self, object: &mut Value) {
        object["spec"]["routes"][0]["services"][0]["port"] = json!(1);
    }

    fn personalise(&self, object: &mut Value) {
        object["spec"]["virtualhost"] = json!({"fqdn": "app.example.com"});
        object["spec"]["routes"][0]["enableWebsockets"] = json!(true);
    }
}
