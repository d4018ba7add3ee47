use std::sync::Arc;

use canary_core::{RouteSpec, Router};
use canary_routers::LiveObjects;
use canary_routers::kube::Client;
use canary_routers::kube::core::ApiResource;
use canary_sandbox::contract::RouterAdapter;
use serde_json::{Value, json};

/// NGINX, which copies the user's Ingress.
pub struct Nginx;

impl RouterAdapter for Nginx {
    fn router(&self, client: Client) -> Arc<dyn Router> {
        let objects = Arc::new(LiveObjects::new(client));
        Arc::new(canary_routers::Nginx::new(objects, canary_routers::Nginx::PREFIX))
    }

    fn kinds(&self) -> Vec<ApiResource> {
        canary_routers::Nginx::kinds()
    }

    fn complete(&self, route: &mut RouteSpec) {
        route.ingress = Some("shop".into());
    }

    fn live_name(&self, _: &RouteSpec) -> String {
        "shop-canary".into()
    }

    fn needs(&self, route: &RouteSpec) -> Vec<Value> {
        let backend = json!({"service": {"name": route.apex, "port": {"number": 80}}});
        let paths = json!([{"path": "/", "pathType": "Prefix", "backend": backend}]);
        vec![json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "shop"},
            "spec": {"rules": [{"host": "app.example.com", "http": {"paths": paths}}]},
        })]
    }

    fn spoil(&self, object: &mut Value) {
        object["spec"]["rules"][0]["host"] = json!("elsewhere.example.com");
    }

    fn personalise(&self, object: &mut Value) {
        object["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-body-size"] = json!("8m");
    }
}
