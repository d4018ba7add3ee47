//! What the test reads and writes, whether or not there is an API server at the moment.

use std::collections::BTreeMap;

use kube::api::{DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use canary_tests::{ApiServer, all_ready};

/// Where everything is.
pub(crate) const NAMESPACE: &str = "default";

/// Objects by name.
pub(crate) type Objects = BTreeMap<String, Value>;

/// A client that may be refused, cut off or not answered at any time.
#[derive(Clone)]
pub(crate) struct Cluster(pub(crate) Client);

fn resource(kind: &str) -> ApiResource {
    let (group, version, plural) = match kind {
        "Canary" => ("flagger.app", "v1beta1", "canaries"),
        "Deployment" => ("apps", "v1", "deployments"),
        "ConfigMap" => ("", "v1", "configmaps"),
        "Service" => ("", "v1", "services"),
        "Event" => ("", "v1", "events"),
        "VirtualService" => ("networking.istio.io", "v1beta1", "virtualservices"),
        other => panic!("the plural of {other} is not known here"),
    };
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
}

impl Cluster {
    pub(crate) fn of(server: &ApiServer) -> anyhow::Result<Self> {
        Ok(Self(server.client()?))
    }

    fn api(&self, kind: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.0.clone(), NAMESPACE, &resource(kind))
    }

    pub(crate) async fn create(&self, object: Value) -> anyhow::Result<()> {
        let kind = object["kind"].as_str().unwrap_or_default().to_owned();
        let object: DynamicObject = serde_json::from_value(object)?;
        match self.api(&kind).create(&PostParams::default(), &object).await {
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            other => other.map(drop).map_err(Into::into),
        }
    }

    /// Every object of that kind, as it is stored.
    pub(crate) async fn list(&self, kind: &str) -> anyhow::Result<Objects> {
        let listed = self.api(kind).list(&ListParams::default()).await?;
        let pair = |object: DynamicObject| Ok((object.name_any(), serde_json::to_value(object)?));
        listed.items.into_iter().map(pair).collect()
    }

    pub(crate) async fn change(&self, kind: &str, name: &str, patch: &Value) -> anyhow::Result<()> {
        let patch = Patch::Strategic(patch);
        self.api(kind).patch(name, &PatchParams::default(), &patch).await?;
        Ok(())
    }

    /// Does what the controllers of a cluster would do: whatever is asked for is ready.
    pub(crate) async fn make_ready(&self, deployments: &Objects) -> anyhow::Result<()> {
        for (name, found) in deployments {
            let generation = found["metadata"]["generation"].as_i64().unwrap_or_default();
            if found["status"]["observedGeneration"] == generation {
                continue;
            }
            let status = all_ready(generation, found["spec"]["replicas"].as_u64().unwrap_or(1));
            let patch = Patch::Merge(json!({"status": status}));
            self.api("Deployment").patch_status(name, &PatchParams::default(), &patch).await?;
        }
        Ok(())
    }
}
