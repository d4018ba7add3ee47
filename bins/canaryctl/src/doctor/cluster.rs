//! Objects, of the files first and then of the cluster: what is applied together is there together.

use kube::api::DynamicObject;
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client};
use serde_json::Value;

use crate::manifests::Manifest;

/// Plurals of the kinds that canaries refer to and that do not follow the rule.
const IRREGULAR: [(&str, &str); 2] = [("Ingress", "ingresses"), ("HTTPProxy", "httpproxies")];

pub(super) struct Cluster {
    client: Client,
    files: Vec<Manifest>,
}

/// An object and where it is.
pub(super) struct Found {
    pub(super) object: Value,
    pub(super) origin: &'static str,
}

impl Cluster {
    pub(super) fn new(client: Client, files: Vec<Manifest>) -> Self {
        Self { client, files }
    }

    /// An object by its name; an error is one of the API server.
    pub(super) async fn find(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Found>, String> {
        if let Some(manifest) = self.files.iter().find(|manifest| manifest.is(kind, namespace, name)) {
            return Ok(Some(Found { object: manifest.object.clone(), origin: "files" }));
        }
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        let kind = GroupVersionKind::gvk(group, version, kind);
        let irregular = IRREGULAR.iter().find(|(name, _)| *name == kind.kind);
        let resource = match irregular {
            Some((_, plural)) => ApiResource::from_gvk_with_plural(&kind, plural),
            None => ApiResource::from_gvk(&kind),
        };
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &resource);
        match api.get_opt(name).await {
            Ok(found) => {
                let object =
                    found.map(serde_json::to_value).transpose().map_err(|error| error.to_string())?;
                Ok(object.map(|object| Found { object, origin: "cluster" }))
            }
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(None),
            Err(kube::Error::Api(status)) => Err(status.message.clone()),
            Err(error) => Err(error.to_string()),
        }
    }
}
