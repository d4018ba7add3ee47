use std::sync::Arc;

use canary_core::{RouteSpec, Router};
use canary_routers::kube::Client;
use canary_routers::kube::core::ApiResource;
use canary_routers::{KnativeService, LiveObjects};
use canary_sandbox::contract::RouterAdapter;
use serde_json::{Value, json};

const REVISION: &str = "podinfo-00001";

/// Knative, which does at once what it is asked.
pub struct Knative;

impl RouterAdapter for Knative {
    fn router(&self, client: Client) -> Arc<dyn Router> {
        Arc::new(canary_routers::Knative::new(Arc::new(LiveObjects::new(client))))
    }

    fn kinds(&self) -> Vec<ApiResource> {
        vec![KnativeService::kind()]
    }

    fn live_name(&self, route: &RouteSpec) -> String {
        route.target.clone()
    }

    fn needs(&self, route: &RouteSpec) -> Vec<Value> {
        let template = json!({"spec": {"containers": [{"image": "podinfo:1"}]}});
        let spec = json!({"template": template, "traffic": [{"latestRevision": true, "percent": 100}]});
        let mut service = json!({
            "apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": {"name": route.target},
            "spec": spec,
        });
        service["status"] = self.status(&service).unwrap_or_default();
        vec![service]
    }

    fn spoil(&self, object: &mut Value) {
        if let Some(annotations) = object["metadata"]["annotations"].as_object_mut() {
            annotations.remove("flagger.app/primary-revision");
        }
    }

    fn personalise(&self, object: &mut Value) {
        object["spec"]["template"]["spec"]["timeoutSeconds"] = json!(30);
    }

    fn status(&self, object: &Value) -> Option<Value> {
        let mut traffic = object["spec"]["traffic"].clone();
        for share in traffic.as_array_mut()? {
            share["revisionName"] = json!(REVISION);
        }
        Some(json!({"latestCreatedRevisionName": REVISION, "traffic": traffic}))
    }
}
