use std::sync::Arc;

use canary_core::{RouteSpec, Router};
use canary_routers::LiveObjects;
use canary_routers::kube::Client;
use canary_routers::kube::core::ApiResource;
use canary_sandbox::contract::RouterAdapter;
use serde_json::{Value, json};

/// Gloo.
pub struct Gloo;

impl RouterAdapter for Gloo {
    fn router(&self, client: Client) -> Arc<dyn Router> {
        Arc::new(canary_routers::Gloo::new(Arc::new(LiveObjects::new(client))))
    }

    fn kinds(&self) -> Vec<ApiResource> {
        canary_routers::Gloo::kinds().into_iter().rev().collect()
    }

    fn existing(&self, route: &RouteSpec) -> Option<Value> {
        let old = json!({"upstream": {"name": "podinfo-old", "namespace": route.namespace}});
        Some(json!({
            "apiVersion": "gateway.solo.io/v1", "kind": "RouteTable", "metadata": {"name": route.apex},
            "spec": {"routes": [{"matchers": [{"prefix": "/old"}], "routeAction": {"single": old}}]},
        }))
    }

    fn spoil(&self, object: &mut Value) {
        object["spec"]["routes"][0]["inheritablePathMatchers"] = json!(false);
    }

    fn personalise(&self, object: &mut Value) {
        object["spec"]["routes"][0]["options"] = json!({"timeout": "30s"});
    }
}
