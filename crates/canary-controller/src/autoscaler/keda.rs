//! The primary's `ScaledObject`, as JSON, with unknown fields of KEDA passed through.
//! Not for pausing the target's.

use canary_core::{Autoscaler, WorkloadSpec};
use serde_json::{Value, json};

use super::Kind;
use crate::fields::{Fields, each_mut, edit, fields_at, into_fields, set_map, text_at};
use crate::generated::{owner_reference, primary_name, without_toolkit};

/// The beginning of the annotations by which KEDA is paused. A primary made while the target rests must not rest too.
const PAUSED: &str = "autoscaling.keda.sh/paused";

/// A new one. Annotations are copied, because one of them hands over an existing autoscaler.
pub(super) fn created(target: &Value, spec: &WorkloadSpec, scaler: &Autoscaler) -> Value {
    let resource = Kind::Keda.resource();
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
        let mut annotations = without_toolkit(fields_at(target, "/metadata/annotations"));
        annotations.retain(|key, _| !key.starts_with(PAUSED));
        set_map(metadata, "annotations", annotations);
    });
    Value::Object(object)
}

/// `present` with the spec that it should have; `None` when it has it. Its labels and annotations stay.
pub(super) fn updated(
    present: &Value,
    target: &Value,
    spec: &WorkloadSpec,
    scaler: &Autoscaler,
) -> Option<Value> {
    let wanted = desired(target, spec, scaler);
    if wanted == fields_at(present, "/spec") {
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
    edit(&mut fields, "advanced", |advanced| {
        edit(advanced, "horizontalPodAutoscalerConfig", |config| {
            if let Some(name) = config.get("name").and_then(Value::as_str).filter(|name| !name.is_empty()) {
                let name = primary_name(name);
                config.insert("name".into(), name.into());
            }
        });
    });
    for (key, bound) in [("minReplicaCount", scaler.primary_min), ("maxReplicaCount", scaler.primary_max)] {
        if let Some(bound) = bound {
            fields.insert(key.into(), bound.into());
        }
    }
    let mut fields = Value::Object(fields);
    for trigger in each_mut(&mut fields, "triggers") {
        let name = text_at(trigger, "/name").unwrap_or_default().to_owned();
        let Some(metadata) = trigger.get_mut("metadata").and_then(Value::as_object_mut) else { continue };
        match &scaler.primary_queries {
            Some(queries) => {
                if let Some(query) = queries.get(&name) {
                    metadata.insert("query".into(), query.as_str().into());
                }
            }
            None => {
                if let Some(query) = metadata.get("query").and_then(Value::as_str) {
                    let query = for_primary(query, &spec.target);
                    metadata.insert("query".into(), query.into());
                }
            }
        }
    }
    into_fields(fields)
}

/// The query with the primary in the place of the target. What names the primary already stays.
fn for_primary(query: &str, target: &str) -> String {
    let (primary, canary) = (primary_name(target), format!("{target}-canary"));
    if target.is_empty() {
        return query.to_owned();
    }
    let mut out = String::new();
    let mut rest = query;
    while let Some(at) = rest.find(target) {
        out.push_str(&rest[..at]);
        out.push_str(&primary);
        let found = &rest[at..];
        let length = [&primary, &canary]
            .iter()
            .find(|name| found.starts_with(name.as_str()))
            .map_or(target.len(), |name| name.len());
        rest = &found[length..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_ask_for_the_primary() {
        for (query, expected) in [
            (r#"rate(x{app="podinfo"})"#, r#"rate(x{app="podinfo-primary"})"#),
            ("podinfo-canary podinfo podinfo-.*", "podinfo-primary podinfo-primary podinfo-primary-.*"),
            ("podinfo-primary", "podinfo-primary"),
            ("nothing of it", "nothing of it"),
        ] {
            assert_eq!(for_primary(query, "podinfo"), expected);
        }
    }
}
