//! The primary's `HorizontalPodAutoscaler`, as JSON.
//! It scales the primary by what the target is scaled by, between bounds of its own if the canary sets them.

use canary_core::{Autoscaler, WorkloadSpec};
use serde_json::{Value, json};

use super::Kind;
use crate::fields::{Fields, edit, fields_at, into_fields, set_map};
use crate::generated::{owner_reference, primary_name, without_toolkit};

/// A new one. Flagger copies labels and no annotations.
pub(super) fn created(target: &Value, spec: &WorkloadSpec, scaler: &Autoscaler) -> Value {
    let resource = Kind::Horizontal.resource();
    let mut object = into_fields(json!({
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {
            "name": primary_name(&scaler.name),
            "namespace": spec.namespace,
            "ownerReferences": [owner_reference(&spec.owner)],
        },
        "spec": desired(target, spec, scaler),
    }));
    edit(&mut object, "metadata", |metadata| {
        set_map(metadata, "labels", without_toolkit(fields_at(target, "/metadata/labels")));
    });
    Value::Object(object)
}

/// `present` with the spec that it should have; `None` when it has it. Its labels and annotations are nobody's reason to
/// write (Flagger compares and never changes them, and so writes at every tick).
pub(super) fn updated(
    present: &Value,
    target: &Value,
    spec: &WorkloadSpec,
    scaler: &Autoscaler,
) -> Option<Value> {
    let wanted = desired(target, spec, scaler);
    if with_minimum(wanted.clone()) == with_minimum(fields_at(present, "/spec")) {
        return None;
    }
    let mut object = into_fields(present.clone());
    object.insert("spec".into(), Value::Object(wanted));
    Some(Value::Object(object))
}

fn desired(target: &Value, spec: &WorkloadSpec, scaler: &Autoscaler) -> Fields {
    let mut fields = fields_at(target, "/spec");
    edit(&mut fields, "scaleTargetRef", |reference| {
        reference.insert("name".into(), primary_name(&spec.target).into());
    });
    for (key, bound) in [("minReplicas", scaler.primary_min), ("maxReplicas", scaler.primary_max)] {
        if let Some(bound) = bound {
            fields.insert(key.into(), bound.into());
        }
    }
    fields
}

/// An absent minimum is one.
fn with_minimum(mut fields: Fields) -> Fields {
    if fields.get("minReplicas").is_none_or(Value::is_null) {
        fields.insert("minReplicas".into(), 1.into());
    }
    fields
}
