use std::sync::Arc;

use canary_core::{RouteSpec, Router};
use canary_routers::LiveObjects;
use canary_routers::kube::Client;
use canary_routers::kube::core::ApiResource;
use canary_sandbox::contract::RouterAdapter;
use serde_json::{Value, json};

/// The Gateway API in one of its versions, with a gateway that accepts every route.
pub struct GatewayApi(pub &'static str);

impl RouterAdapter for GatewayApi {
    fn router(&self, client: Client) -> Arc<dyn Router> {
        Arc::new(canary_routers::GatewayApi::new(Arc::new(LiveObjects::new(client)), self.0))
    }

    fn kinds(&self) -> Vec<ApiResource> {
        canary_routers::GatewayApi::kinds(self.0)
    }

    fn complete(&self, route: &mut RouteSpec) {
        route.gateway_refs = vec![json!({"name": "gateway", "namespace": "infra"})];
        route.hosts = vec!["app.example.com".into()];
    }

    fn existing(&self, route: &RouteSpec) -> Option<Value> {
        Some(json!({
            "apiVersion": format!("gateway.networking.k8s.io/{}", self.0), "kind": "HTTPRoute",
            "metadata": {"name": route.apex},
            "spec": {
                "parentRefs": [{"name": "gateway", "namespace": "infra"}],
                "hostnames": ["old.example.com"],
                "rules": [{"backendRefs": [{"name": "podinfo-old", "port": 80}]}],
            },
        }))
    }

    fn spoil(&self, object: &mut Value) {
        object["spec"]["rules"][0]["backendRefs"][0]["port"] = json!(1);
    }

    fn personalise(&self, object: &mut Value) {
        let own = json!({"group": "example.com", "kind": "Filter", "name": "mine"});
        object["spec"]["rules"][0]["filters"] = json!([{"type": "ExtensionRef", "extensionRef": own}]);
    }

    fn status(&self, object: &Value) -> Option<Value> {
        let accepted = json!({
            "type": "Accepted", "status": "True", "reason": "Accepted", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": object["metadata"]["generation"],
        });
        let parents = object["spec"]["parentRefs"].as_array()?.iter().map(|parent| {
            json!({"parentRef": parent, "controllerName": "example.com/gateway", "conditions": [accepted]})
        });
        Some(json!({"parents": parents.collect::<Vec<_>>()}))
    }
}
