//! Objects, of the files first and then of the cluster: what is applied together is there together.

use kube::api::{DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client};
use serde_json::Value;

use crate::live::nearest;
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
        let resource = resource(api_version, kind);
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
    /// What is said of an object that is not there, with the one that may have been meant: of a name that is nearly the same, or
    /// in another namespace. Who may not list gets no proposal.
    pub(super) async fn absent(&self, api_version: &str, kind: &str, namespace: &str, name: &str) -> String {
        let resource = resource(api_version, kind);
        let here: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &resource);
        let all: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
        let listed = match all.list_metadata(&ListParams::default()).await {
            Err(_) => here.list_metadata(&ListParams::default()).await,
            listed => listed,
        };
        let listed = listed.map(|list| list.items).unwrap_or_default().into_iter();
        let listed =
            listed.map(|o| (o.metadata.namespace.unwrap_or_default(), o.metadata.name.unwrap_or_default()));
        let of_files = self.files.iter().filter(|manifest| manifest.text("/kind") == kind);
        let of_files =
            of_files.map(|m| (m.text("/metadata/namespace").to_owned(), m.text("/metadata/name").to_owned()));
        let there: Vec<(String, String)> = listed.chain(of_files).collect();
        let names: Vec<&str> =
            there.iter().filter(|(n, _)| n == namespace).map(|(_, name)| name.as_str()).collect();
        let elsewhere = there.iter().find(|(n, other)| other == name && n != namespace);
        let proposal = match (elsewhere, nearest(name, &names)) {
            (Some((other, _)), _) => format!("; there is one in namespace {other:?}"),
            (None, Some(near)) => format!("; did you mean {near:?}?"),
            (None, None) => String::new(),
        };
        format!("{kind} {name}.{namespace} does not exist{proposal}")
    }
}

fn resource(api_version: &str, kind: &str) -> ApiResource {
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    let kind = GroupVersionKind::gvk(group, version, kind);
    match IRREGULAR.iter().find(|(name, _)| *name == kind.kind) {
        Some((_, plural)) => ApiResource::from_gvk_with_plural(&kind, plural),
        None => ApiResource::from_gvk(&kind),
    }
}
