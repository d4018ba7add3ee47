//! The subresource `scale` of kinds with replicas.

use serde_json::{Value, json};

use super::Part;
use super::metadata::text;
use crate::cluster::{Cluster, Resource};
use crate::errors::ApiError;
use crate::patch::PatchKind;

impl Cluster {
    /// The `Scale` of an object.
    pub(crate) fn scale_of(&self, resource: &Resource, name: &str) -> Result<Value, ApiError> {
        let object = self.get(resource, name)?;
        let metadata = &object["metadata"];
        let labels = object.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
        let selector: Vec<String> = labels
            .into_iter()
            .flatten()
            .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
            .collect();
        Ok(json!({
            "kind": "Scale", "apiVersion": "autoscaling/v1",
            "metadata": {
                "name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"],
                "resourceVersion": metadata["resourceVersion"], "creationTimestamp": metadata["creationTimestamp"],
            },
            "spec": { "replicas": object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(0) },
            "status": {
                "replicas": object.pointer("/status/replicas").and_then(Value::as_i64).unwrap_or(0),
                "selector": selector.join(","),
            },
        }))
    }

    pub(crate) fn patch_scale(
        &mut self,
        resource: &Resource,
        name: &str,
        (kind, patch): (PatchKind, &Value),
        dry_run: bool,
    ) -> Result<Value, ApiError> {
        let scale = kind.apply(&self.scale_of(resource, name)?, patch)?;
        self.replace_scale(resource, name, &scale, dry_run)
    }

    pub(crate) fn replace_scale(
        &mut self,
        resource: &Resource,
        name: &str,
        scale: &Value,
        dry_run: bool,
    ) -> Result<Value, ApiError> {
        let mut object = (**self.get(resource, name)?).clone();
        let version = text(scale, "resourceVersion");
        if !version.is_empty() {
            object["metadata"]["resourceVersion"] = version.into();
        }
        object["spec"]["replicas"] =
            scale.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(0).into();
        let written = self.replace(resource, name, Part::Main, object, dry_run)?;
        let mut answer = self.scale_of(resource, name)?;
        answer["spec"]["replicas"] = written["spec"]["replicas"].clone();
        Ok(answer)
    }
}
