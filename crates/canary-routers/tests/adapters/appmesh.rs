use std::sync::Arc;

use canary_core::{RouteSpec, Router};
use canary_routers::LiveObjects;
use canary_routers::kube::Client;
use canary_routers::kube::core::ApiResource;
use canary_sandbox::contract::RouterAdapter;
use serde_json::{Value, json};

/// App Mesh in one of its versions.
pub struct AppMesh(pub &'static str);

impl AppMesh {
    fn routes_kind(&self) -> &'static str {
        if self.0 == "v1beta1" { "VirtualService" } else { "VirtualRouter" }
    }
}

impl RouterAdapter for AppMesh {
    fn router(&self, client: Client) -> Arc<dyn Router> {
        Arc::new(canary_routers::AppMesh::new(Arc::new(LiveObjects::new(client)), self.0))
    }

    fn kinds(&self) -> Vec<ApiResource> {
        let mut kinds = canary_routers::AppMesh::kinds(self.0);
        kinds.sort_by_key(|kind| kind.kind != self.routes_kind());
        kinds
    }

    fn complete(&self, route: &mut RouteSpec) {
        route.mesh_name = Some("global".into());
    }

    fn live_name(&self, route: &RouteSpec) -> String {
        if self.0 == "v1beta1" { format!("{}.{}", route.apex, route.namespace) } else { route.apex.clone() }
    }

    fn existing(&self, route: &RouteSpec) -> Option<Value> {
        let (field, node) = if self.0 == "v1beta1" {
            ("http", json!({"virtualNodeName": "podinfo-old", "weight": 100}))
        } else {
            ("httpRoute", json!({"virtualNodeRef": {"name": "podinfo-old"}, "weight": 100}))
        };
        let action = json!({"weightedTargets": [node]});
        Some(json!({
            "apiVersion": format!("appmesh.k8s.aws/{}", self.0), "kind": self.routes_kind(),
            "metadata": {"name": self.live_name(route)},
            "spec": {"routes": [{"name": "old", field: {"match": {"prefix": "/"}, "action": action}}]},
        }))
    }

    fn spoil(&self, object: &mut Value) {
        let field = if self.0 == "v1beta1" { "http" } else { "httpRoute" };
        object["spec"]["routes"][0][field]["match"]["prefix"] = json!("/elsewhere");
    }

    fn personalise(&self, object: &mut Value) {
        object["spec"]["note"] = json!("mine");
    }
}
