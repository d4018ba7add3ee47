//! The primary as an object: a new one, and one that gets the target's template.
//! Not for reading or writing it.

use canary_core::WorkloadSpec;
use serde_json::{Value, json};

use super::WorkloadSettings;
use super::source::Source;
use super::template;
use crate::fields::{copy, edit, fields_at, into_fields, number_at, set_map};
use crate::generated::{
    by_prefix, of_workload_controllers, owner_reference, primary_labels, primary_name, without_toolkit,
};

/// A new primary of that target.
pub(super) fn created(source: &Source, spec: &WorkloadSpec, settings: &WorkloadSettings) -> Value {
    let resource = source.kind.resource();
    let (key, value) = (source.selector.key.as_str(), source.selector.primary_value());
    let mut object = into_fields(json!({
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {
            "name": primary_name(&spec.target),
            "namespace": spec.namespace,
            "ownerReferences": [owner_reference(&spec.owner)],
        },
        "spec": {"selector": {"matchLabels": {key: value}}, "template": source.converted(spec, settings)},
    }));
    edit(&mut object, "metadata", |metadata| {
        let labels = by_prefix(fields_at(&source.object, "/metadata/labels"), &settings.include_label_prefix);
        set_map(metadata, "labels", primary_labels(labels, key, &value));
        let (_, annotations) = of_workload_controllers(fields_at(&source.object, "/metadata/annotations"));
        set_map(metadata, "annotations", without_toolkit(annotations));
    });
    edit(&mut object, "spec", |fields| {
        copy(&source.object["spec"], fields, source.kind.copied_fields());
        if source.kind.has_replicas() {
            fields.insert("replicas".into(), running_replicas(&source.object).unwrap_or(1).into());
        }
    });
    Value::Object(object)
}

/// `primary` with the target's template, strategy, chosen labels and annotations. It stays equal when it has them.
///
/// The number of pods is taken over when no autoscaler sets it, but never zero: a target at rest (Flagger copies that
/// too) would take the service down with it.
pub(super) fn promoted(
    source: &Source,
    spec: &WorkloadSpec,
    settings: &WorkloadSettings,
    primary: &Value,
) -> Value {
    let mut object = into_fields(primary.clone());
    edit(&mut object, "metadata", |metadata| {
        let prefixes = &settings.include_label_prefix;
        let labels = by_prefix(fields_at(&source.object, "/metadata/labels"), prefixes);
        let (key, value) = (&source.selector.key, source.selector.primary_value());
        set_map(metadata, "labels", primary_labels(labels, key, &value));
        let (_, chosen) = of_workload_controllers(fields_at(&source.object, "/metadata/annotations"));
        let (mut annotations, _) = of_workload_controllers(fields_at(primary, "/metadata/annotations"));
        annotations.extend(by_prefix(chosen, prefixes));
        set_map(metadata, "annotations", annotations);
    });
    edit(&mut object, "spec", |fields| {
        copy(&source.object["spec"], fields, source.kind.copied_fields());
        if source.kind.has_replicas()
            && spec.autoscaler.is_none()
            && let Some(replicas) = running_replicas(&source.object)
        {
            fields.insert("replicas".into(), replicas.into());
        }
        let present = fields.remove("template").unwrap_or_default();
        fields.insert("template".into(), template::replaced(&present, &source.converted(spec, settings)));
    });
    Value::Object(object)
}

/// The number of pods that a workload asks for, unless it is none.
pub(super) fn running_replicas(workload: &Value) -> Option<i64> {
    number_at(workload, "/spec/replicas").filter(|replicas| *replicas > 0)
}
