use std::sync::Arc;

use canary_core::Router;
use canary_routers::kube::Client;
use canary_routers::kube::core::ApiResource;
use canary_sandbox::contract::RouterAdapter;
use serde_json::Value;

/// Plain Kubernetes: nothing to write.
pub struct Kubernetes;

impl RouterAdapter for Kubernetes {
    fn router(&self, _: Client) -> Arc<dyn Router> {
        Arc::new(canary_routers::Kubernetes)
    }

    fn kinds(&self) -> Vec<ApiResource> {
        Vec::new()
    }

    fn spoil(&self, _: &mut Value) {}

    fn personalise(&self, _: &mut Value) {}
}
