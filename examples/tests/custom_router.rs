//! The router of the example keeps the contract of routers.

#[path = "../custom_router.rs"]
#[allow(dead_code, unreachable_pub, reason = "it is a program, of which this tests the router")]
mod custom_router;

use std::sync::Arc;

use canary_core::{RouteSpec, Router};
use canary_routers::LiveObjects;
use canary_routers::kube::Client;
use canary_routers::kube::core::ApiResource;
use canary_sandbox::contract::RouterAdapter;
use canary_sandbox::router_contract;
use serde_json::{Value, json};

// ANCHOR: adapter
struct Adapter;

impl RouterAdapter for Adapter {
    fn router(&self, client: Client) -> Arc<dyn Router> {
        Arc::new(custom_router::Balancer(Arc::new(LiveObjects::new(client))))
    }

    fn kinds(&self) -> Vec<ApiResource> {
        vec![custom_router::config_maps()]
    }

    fn live_name(&self, route: &RouteSpec) -> String {
        format!("{}-balancer", route.apex)
    }

    /// Something of ours that somebody else changes: the router has to put it right.
    fn spoil(&self, object: &mut Value) {
        object["data"]["primary"] = json!("elsewhere");
    }

    /// Something of the user's: the router has to leave it alone.
    fn personalise(&self, object: &mut Value) {
        object["data"]["timeout"] = json!("30s");
    }
}

router_contract!(balancer, Adapter);
// ANCHOR_END: adapter
