//! A Service that exists, made what it should be. Flagger's rules but for one: labels and annotations that others put on
//! a Service of ours stay, and only our own keys are enforced.

use serde_json::Value;

use super::ServicesSpec;
use crate::fields::{Fields, copy, edit, fields_at, into_fields, list_at, number_at, set_map, text_at};
use crate::generated::FLUX_OPT_OUT;

/// `present` with the ports, the selector and, if it is ours, the metadata of `desired`; `None` when it has them.
pub(super) fn updated(present: &Value, desired: &Value, spec: ServicesSpec<'_>) -> Option<Value> {
    let mut object = into_fields(present.clone());
    let ports = with_node_ports(desired, present);
    if sorted(&ports) != sorted(list_at(present, "/spec/ports"))
        || present.pointer("/spec/selector") != desired.pointer("/spec/selector")
    {
        edit(&mut object, "spec", |fields| {
            fields.insert("ports".into(), ports.into());
            copy(&desired["spec"], fields, &["selector"]);
        });
    }
    if is_ours(present, spec) {
        edit(&mut object, "metadata", |metadata| {
            enforce(metadata, "labels", desired, &spec.options.unmanaged_labels);
            enforce(metadata, "annotations", desired, &spec.options.unmanaged_annotations);
        });
    }
    if Value::Object(object.clone()) == *present {
        return None;
    }
    // Whoever else made this Service must not undo our change.
    edit(&mut object, "metadata", |metadata| {
        edit(metadata, "annotations", |annotations| {
            for (key, value) in FLUX_OPT_OUT {
                let unmanaged = spec.options.unmanaged_annotations.iter().any(|k| k == key);
                if !(unmanaged && annotations.contains_key(key)) {
                    annotations.insert(key.into(), value.into());
                }
            }
        });
    });
    Some(Value::Object(object))
}

/// The desired ports, each with the node port that the port of its name has.
fn with_node_ports(desired: &Value, present: &Value) -> Vec<Value> {
    let node_port = |port: &Value| {
        let same =
            list_at(present, "/spec/ports").iter().find(|p| text_at(p, "/name") == text_at(port, "/name"))?;
        number_at(same, "/nodePort").filter(|number| *number > 0)
    };
    let carry = |port: &Value| {
        let mut fields = into_fields(port.clone());
        if let Some(number) = node_port(port) {
            fields.insert("nodePort".into(), number.into());
        }
        Value::Object(fields)
    };
    list_at(desired, "/spec/ports").iter().map(carry).collect()
}

fn sorted(ports: &[Value]) -> Vec<&Value> {
    let mut ports: Vec<&Value> = ports.iter().collect();
    ports.sort_by_key(|port| number_at(port, "/port"));
    ports
}

/// Flagger: the controller is the canary of that name, whatever its uid.
fn is_ours(present: &Value, spec: ServicesSpec<'_>) -> bool {
    list_at(present, "/metadata/ownerReferences").iter().any(|owner| {
        owner.get("controller").and_then(Value::as_bool) == Some(true)
            && text_at(owner, "/kind") == Some(spec.owner.kind.as_str())
            && text_at(owner, "/name") == Some(spec.owner.name.as_str())
    })
}

/// Sets our keys, except those that are not ours to manage and are there.
fn enforce(metadata: &mut Fields, field: &str, desired: &Value, unmanaged: &[String]) {
    let mut live = into_fields(metadata.remove(field).unwrap_or_default());
    for (key, value) in fields_at(desired, &format!("/metadata/{field}")) {
        if !(live.contains_key(&key) && unmanaged.contains(&key)) {
            live.insert(key, value);
        }
    }
    set_map(metadata, field, live);
}
