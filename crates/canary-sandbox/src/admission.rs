//! What a server does to an object before it stores it: fields of unknown names go, defaults come, faults are found.

use k8s_openapi::api::{apps, autoscaling, coordination, core, networking};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cluster::{Cluster, Resource};
use crate::errors::{ApiError, Cause};
use crate::kinds::BuiltIn;
use crate::store::Object;
use crate::{defaults, definitions, events};

impl Resource {
    /// The object in the form in which it is stored.
    pub(crate) fn admit(&self, object: Value, old: Option<&Object>) -> Result<Value, ApiError> {
        let Some(builtin) = self.kind.builtin else {
            let mut object = object;
            if let Some(schema) = &self.version.schema {
                schema.fill(&mut object, true);
            }
            return Ok(object);
        };
        let object = if self.group == "events.k8s.io" { events::to_old(&object) } else { object };
        let object = normalise(builtin, defaults::readable(builtin, object)).map_err(|error| {
            let (kind, version) = (&self.kind.kind, &self.version.name);
            ApiError::bad_request(format!(
                "{kind} in version {version:?} cannot be handled as a {kind}: json: {error}"
            ))
        })?;
        Ok(defaults::apply(builtin, object, old.map(|o| &**o)))
    }

    /// What is wrong with an admitted object, metadata aside.
    pub(crate) fn faults(&self, object: &Value, old: Option<&Object>) -> Vec<Cause> {
        match self.kind.builtin {
            None => self.version.schema.as_ref().map(|s| s.validate(object)).unwrap_or_default(),
            Some(BuiltIn::Event) => events::faults(object, self.group == "events.k8s.io"),
            Some(BuiltIn::Definition) => definitions::faults(object),
            Some(builtin) => defaults::faults(builtin, object, old.map(|o| &**o)),
        }
    }
}

impl Cluster {
    /// Gives a new Service its addresses.
    pub(crate) fn allocate(&mut self, resource: &Resource, object: &mut Value) {
        if resource.kind.builtin == Some(BuiltIn::Service) && defaults::wants_address(object) {
            let count = self.draw();
            let address = format!("10.96.{}.{}", count / 250 % 256, count % 250 + 1);
            object["spec"]["clusterIP"] = address.as_str().into();
            object["spec"]["clusterIPs"] = Value::from(vec![address]);
        }
    }
}

/// Reads an object as its type and writes it again: unknown fields go, wrong types are errors.
fn normalise(builtin: BuiltIn, object: Value) -> Result<Value, serde_json::Error> {
    fn through<T: DeserializeOwned + Serialize>(mut object: Value) -> Result<Value, serde_json::Error> {
        // The generated types keep what is unknown out, but not a server's own metadata.
        let metadata = object["metadata"].take();
        let _: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta =
            serde_json::from_value(metadata.clone())?;
        let typed: T = serde_json::from_value(object)?;
        let mut object = serde_json::to_value(typed)?;
        object["metadata"] = metadata;
        if let Some(map) = object.as_object_mut() {
            map.remove("kind");
            map.remove("apiVersion");
        }
        Ok(object)
    }
    let mut object = match builtin {
        BuiltIn::Namespace => through::<core::v1::Namespace>(object),
        BuiltIn::Pod => through::<core::v1::Pod>(object),
        BuiltIn::Service => through::<core::v1::Service>(object),
        BuiltIn::ConfigMap => through::<core::v1::ConfigMap>(object),
        BuiltIn::Secret => through::<core::v1::Secret>(object),
        BuiltIn::Event => through::<core::v1::Event>(object),
        BuiltIn::Node => through::<core::v1::Node>(object),
        BuiltIn::ServiceAccount => through::<core::v1::ServiceAccount>(object),
        BuiltIn::Deployment => through::<apps::v1::Deployment>(object),
        BuiltIn::ReplicaSet => through::<apps::v1::ReplicaSet>(object),
        BuiltIn::DaemonSet => through::<apps::v1::DaemonSet>(object),
        BuiltIn::Autoscaler => through::<autoscaling::v2::HorizontalPodAutoscaler>(object),
        BuiltIn::Lease => through::<coordination::v1::Lease>(object),
        BuiltIn::Ingress => through::<networking::v1::Ingress>(object),
        BuiltIn::Definition => through::<apiextensions::v1::CustomResourceDefinition>(object),
    }?;
    if builtin != BuiltIn::Definition {
        drop_empty_lists(&mut object);
    }
    Ok(object)
}

/// A server leaves out lists that are empty.
fn drop_empty_lists(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, inner| {
                drop_empty_lists(inner);
                inner.as_array().is_none_or(|list| !list.is_empty())
            });
        }
        Value::Array(list) => list.iter_mut().for_each(drop_empty_lists),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
