//! Defaults and faults of the built-in kinds, one file a family.
//!
//! Only what progressive delivery meets; a field without a rule here is stored as it came.

mod autoscaler;
mod configuration;
mod pod;
mod quantity;
mod service;
mod workload;

use serde_json::{Map, Value, json};

pub(crate) use service::wants_address;

use crate::errors::Cause;
use crate::kinds::BuiltIn;

/// Rewrites what clients may write in several ways, so that it can be read as the kind's type.
pub(crate) fn readable(builtin: BuiltIn, mut object: Value) -> Value {
    match builtin {
        BuiltIn::Secret => configuration::fold_string_data(&mut object),
        BuiltIn::Pod => pod::readable(&mut object["spec"]),
        BuiltIn::Autoscaler => autoscaler::readable(&mut object),
        BuiltIn::Deployment | BuiltIn::ReplicaSet | BuiltIn::DaemonSet => {
            if let Some(spec) = object.pointer_mut("/spec/template/spec") {
                pod::readable(spec);
            }
        }
        BuiltIn::Namespace
        | BuiltIn::Service
        | BuiltIn::ConfigMap
        | BuiltIn::Event
        | BuiltIn::Node
        | BuiltIn::ServiceAccount
        | BuiltIn::Lease
        | BuiltIn::Ingress
        | BuiltIn::Definition => {}
    }
    object
}

/// The object with its defaults; `old` is what it replaces.
pub(crate) fn apply(builtin: BuiltIn, mut object: Value, old: Option<&Value>) -> Value {
    match builtin {
        BuiltIn::Namespace => configuration::namespace(&mut object, old),
        BuiltIn::Pod => {
            pod::apply(&mut object["spec"]);
            if old.is_none() {
                object["status"] = json!({ "phase": "Pending", "qosClass": "BestEffort" });
            }
        }
        BuiltIn::Service => service::apply(&mut object, old),
        BuiltIn::Secret => set(&mut object, "type", || "Opaque".into()),
        BuiltIn::Deployment => workload::deployment(&mut object, old),
        BuiltIn::ReplicaSet => workload::replica_set(&mut object, old),
        BuiltIn::DaemonSet => workload::daemon_set(&mut object, old),
        BuiltIn::Autoscaler => autoscaler::apply(&mut object, old),
        BuiltIn::Ingress if old.is_none() => object["status"] = json!({ "loadBalancer": {} }),
        BuiltIn::Definition => configuration::definition(&mut object),
        BuiltIn::ConfigMap
        | BuiltIn::Event
        | BuiltIn::Node
        | BuiltIn::ServiceAccount
        | BuiltIn::Lease
        | BuiltIn::Ingress => {}
    }
    object
}

/// What the server refuses in an object that has its defaults.
pub(crate) fn faults(builtin: BuiltIn, object: &Value, old: Option<&Value>) -> Vec<Cause> {
    match builtin {
        BuiltIn::Pod => pod::faults(&object["spec"], "spec"),
        BuiltIn::Service => service::faults(object, old),
        BuiltIn::ConfigMap | BuiltIn::Secret => configuration::faults(builtin, object, old),
        BuiltIn::Deployment | BuiltIn::ReplicaSet | BuiltIn::DaemonSet => workload::faults(object, old),
        BuiltIn::Autoscaler => autoscaler::faults(object),
        BuiltIn::Namespace
        | BuiltIn::Event
        | BuiltIn::Node
        | BuiltIn::ServiceAccount
        | BuiltIn::Lease
        | BuiltIn::Ingress
        | BuiltIn::Definition => Vec::new(),
    }
}

/// Puts a value where there is none.
fn set(object: &mut Value, key: &str, default: impl FnOnce() -> Value) {
    if let Some(map) = object.as_object_mut()
        && map.get(key).is_none_or(|v| v.is_null() || v == "")
    {
        map.insert(key.to_owned(), default());
    }
}

/// The map under `key`, made if there is none.
fn child<'a>(object: &'a mut Value, key: &str) -> &'a mut Value {
    set(object, key, || Value::Object(Map::new()));
    &mut object[key]
}

fn each<'a>(object: &'a mut Value, key: &str) -> impl Iterator<Item = &'a mut Value> {
    object.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten()
}

#[cfg(test)]
mod tests;
