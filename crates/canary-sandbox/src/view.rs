//! Reading and writing objects past the API, for tests and simulators.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use crate::cluster::{Cluster, Resource};
use crate::errors::ApiError;
use crate::patch::PatchKind;
use crate::pods::PodCount;
use crate::writing::Part;

/// The state of the cluster at one moment.
pub struct View<'a> {
    cluster: &'a Cluster,
}

impl<'a> View<'a> {
    pub(crate) fn new(cluster: &'a Cluster) -> Self {
        Self { cluster }
    }

    /// The cluster's time.
    pub fn now(&self) -> Timestamp {
        self.cluster.now
    }

    /// The object, with its type; resources are named as kubectl does, `deployments.apps`.
    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        let id = self.cluster.kinds.find_resource(resource)?;
        let object = self.cluster.store.table(id).get(namespace, name)?;
        Some(self.cluster.stored(id, namespace).form(false).value(object))
    }

    /// The object as it is stored, without its type. It costs no copy.
    pub fn peek(&self, resource: &str, namespace: &str, name: &str) -> Option<&'a Value> {
        let id = self.cluster.kinds.find_resource(resource)?;
        self.cluster.store.table(id).get(namespace, name).map(|object| &**object)
    }

    /// The objects of a kind in one namespace, or in all (`""`).
    pub fn list(&self, resource: &str, namespace: &str) -> Vec<Value> {
        let Some(id) = self.cluster.kinds.find_resource(resource) else { return Vec::new() };
        let form = self.cluster.stored(id, namespace).form(false);
        self.cluster.store.table(id).iter(namespace).map(|object| form.value(object)).collect()
    }

    /// Counts the pods of a namespace that carry all these labels.
    pub fn pods(&self, namespace: &str, labels: &serde_json::Map<String, Value>) -> PodCount {
        self.cluster.count_pods(namespace, labels)
    }
}

/// Why an object could not be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// No kind of that name is served: its definition is missing.
    #[error("no kind {kind:?} of {group_or_version:?} is served; put its CustomResourceDefinition first")]
    UnknownKind {
        /// The kind or resource.
        kind: String,
        /// The `apiVersion`, or empty.
        group_or_version: String,
    },
    /// The server refuses it.
    #[error("{message}")]
    Refused {
        /// The HTTP status.
        code: u16,
        /// The server's message.
        message: String,
    },
}

impl From<ApiError> for WriteError {
    fn from(error: ApiError) -> Self {
        Self::Refused { code: error.code, message: error.message }
    }
}

impl Cluster {
    fn named(&self, resource: &str, namespace: &str) -> Result<Resource, WriteError> {
        let id = self.kinds.find_resource(resource);
        let id = id.ok_or_else(|| WriteError::UnknownKind {
            kind: resource.to_owned(),
            group_or_version: String::new(),
        })?;
        Ok(self.stored(id, namespace))
    }

    /// Creates or replaces an object with its status, and its namespace before it.
    pub(crate) fn put_object(&mut self, mut object: Value) -> Result<Value, WriteError> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (api_version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", &api_version));
        let found = self.kinds.find_kind(group, &kind);
        let unknown =
            || WriteError::UnknownKind { kind: kind.clone(), group_or_version: api_version.clone() };
        let id = found.ok_or_else(unknown)?;
        let definition = Arc::clone(self.kinds.get(id));
        let version = definition.version(version).cloned().ok_or_else(unknown)?;
        let mut namespace = text(&object["metadata"]["namespace"]);
        if definition.namespaced {
            if namespace.is_empty() {
                namespace.push_str("default");
            }
            self.make_namespace(&namespace);
        }
        let resource = Resource { id, group: group.to_owned(), kind: definition, version, namespace };
        let name = text(&object["metadata"]["name"]);
        let status = object.get("status").filter(|s| s.is_object()).cloned();
        let exists = self.store.table(id).get(&resource.namespace, &name).is_some();
        let mut stored = if exists {
            let current = self.get(&resource, &name)?;
            object["metadata"]["resourceVersion"] = current["metadata"]["resourceVersion"].clone();
            object["metadata"]["uid"] = current["metadata"]["uid"].clone();
            self.replace(&resource, &name, Part::Main, object, false)?
        } else {
            self.create(&resource, object, false)?
        };
        if let Some(status) = status {
            let name = text(&stored["metadata"]["name"]);
            stored = self.set_status(id, &resource.namespace, &name, &status).unwrap_or(stored);
        }
        Ok(resource.form(false).value(&stored))
    }

    pub(crate) fn patch_object(
        &mut self,
        resource: &str,
        namespace: &str,
        name: &str,
        patch: &Value,
    ) -> Result<Value, WriteError> {
        let resource = self.named(resource, namespace)?;
        let mut stored = self.patch(&resource, name, Part::Main, (PatchKind::Merge, patch), false)?;
        if let Some(status) = patch.get("status") {
            let mut merged = stored["status"].clone();
            json_patch::merge(&mut merged, status);
            stored = self.set_status(resource.id, namespace, name, &merged).unwrap_or(stored);
        }
        Ok(resource.form(false).value(&stored))
    }

    pub(crate) fn delete_object(
        &mut self,
        resource: &str,
        namespace: &str,
        name: &str,
    ) -> Result<(), WriteError> {
        let resource = self.named(resource, namespace)?;
        self.delete(&resource, name, &Value::Null, false)?;
        Ok(())
    }
}
