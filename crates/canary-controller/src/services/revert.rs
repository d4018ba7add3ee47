//! The Service that clients use, given back when its canary goes.
//! Not for Services that the canary owns: they go with it.

use serde_json::Value;

use super::ServicesSpec;
use crate::fields::{edit, into_fields, list_at, text_at};
use crate::generated::FLUX_OPT_OUT;

/// What kubectl keeps of what its user applied.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// `present` selecting what its user wrote, or the target, and open to Flux again; `None` when there is nothing to do.
///
/// A selector that is missing from what the user applied would leave the Service with no pods, so the target's is used.
pub(super) fn reverted(present: &Value, spec: ServicesSpec<'_>) -> Option<Value> {
    let goes_along = list_at(present, "/metadata/ownerReferences").iter().any(|owner| {
        owner.get("controller").and_then(Value::as_bool) == Some(true)
            && text_at(owner, "/kind") == Some(spec.owner.kind.as_str())
    });
    if goes_along {
        return None;
    }
    let applied = present
        .pointer("/metadata/annotations")
        .and_then(|all| all.get(LAST_APPLIED)?.as_str())
        .and_then(|text| serde_json::from_str::<Value>(text).ok())
        .and_then(|applied| applied.pointer("/spec/selector").cloned())
        .filter(|selector| selector.as_object().is_some_and(|map| !map.is_empty()));
    let selector = &spec.pods.selector;
    let selector = applied.unwrap_or_else(|| {
        Value::Object([(selector.key.clone(), selector.value.as_str().into())].into_iter().collect())
    });
    let mut object = into_fields(present.clone());
    edit(&mut object, "spec", |fields| drop(fields.insert("selector".into(), selector)));
    edit(&mut object, "metadata", |metadata| {
        edit(metadata, "annotations", |annotations| {
            annotations.retain(|key, value| !FLUX_OPT_OUT.iter().any(|(k, v)| key == k && value == v));
        });
    });
    (Value::Object(object.clone()) != *present).then_some(Value::Object(object))
}
