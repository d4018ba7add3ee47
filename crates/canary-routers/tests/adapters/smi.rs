use std::sync::Arc;

use canary_core::{RouteSpec, Router};
use canary_routers::LiveObjects;
use canary_routers::kube::Client;
use canary_routers::kube::core::ApiResource;
use canary_sandbox::contract::RouterAdapter;
use serde_json::{Value, json};

/// A mesh with SMI, in one of its versions.
pub struct Smi(pub &'static str);

impl RouterAdapter for Smi {
    fn router(&self, client: Client) -> Arc<dyn Router> {
        Arc::new(canary_routers::Smi::new(Arc::new(LiveObjects::new(client)), self.0))
    }

    fn kinds(&self) -> Vec<ApiResource> {
        canary_routers::Smi::kinds(self.0)
    }

    fn existing(&self, route: &RouteSpec) -> Option<Value> {
        let weight = if self.0 == "v1alpha1" { json!("1") } else { json!(100) };
        Some(json!({
            "apiVersion": format!("split.smi-spec.io/{}", self.0), "kind": "TrafficSplit",
            "metadata": {"name": route.apex},
            "spec": {"service": "podinfo", "backends": [{"service": "podinfo-old", "weight": weight}]},
        }))
    }

    fn spoil(&self, object: &mut Value) {
        object["spec"]["service"] = json!("elsewhere");
    }

    fn personalise(&self, object: &mut Value) {
        object["spec"]["matches"] = json!([{"kind": "HTTPRouteGroup", "name": "mine"}]);
    }
}
