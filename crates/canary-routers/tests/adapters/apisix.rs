use std::sync::Arc;

use canary_core::{RouteSpec, Router};
use canary_routers::LiveObjects;
use canary_routers::kube::Client;
use canary_routers::kube::core::ApiResource;
use canary_sandbox::contract::RouterAdapter;
use serde_json::{Value, json};

/// APISIX, which copies the user's route.
pub struct Apisix;

impl RouterAdapter for Apisix {
    fn router(&self, client: Client) -> Arc<dyn Router> {
        Arc::new(canary_routers::Apisix::new(Arc::new(LiveObjects::new(client))))
    }

    fn kinds(&self) -> Vec<ApiResource> {
        canary_routers::Apisix::kinds()
    }

    fn complete(&self, route: &mut RouteSpec) {
        route.route = Some("shop".into());
    }

    fn live_name(&self, _: &RouteSpec) -> String {
        "shop-podinfo-canary".into()
    }

    fn needs(&self, route: &RouteSpec) -> Vec<Value> {
        vec![json!({
            "apiVersion": "apisix.apache.org/v2", "kind": "ApisixRoute", "metadata": {"name": "shop"},
            "spec": {"http": [{
                "name": "main",
                "match": {"hosts": ["app.example.com"], "paths": ["/*"]},
                "backends": [{"serviceName": route.apex, "servicePort": 80}],
            }]},
        })]
    }

    fn spoil(&self, object: &mut Value) {
        object["spec"]["http"][0]["priority"] = json!(1);
    }

    fn personalise(&self, object: &mut Value) {
        object["spec"]["ingressClassName"] = json!("mine");
    }
}
