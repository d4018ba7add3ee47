//! Writes to the metadata of a Canary: our finalizer, the orders of people, and the rollouts that are over.

use canary_api::kube::api::ObjectMeta;
use canary_api::{
    COMMAND_ANNOTATION, HISTORY_ANNOTATION, PastRollout, STEERING_ANNOTATION, history, with_rollout,
};
use canary_core::Steering;
use canary_routers::ObjectError;
use serde_json::{Value, json};

use crate::reconcile::Context;
use crate::subject::{FINALIZER, about, canary_kind, has_finalizer};

/// Tries of one write.
const TRIES: u32 = 5;

/// The same object, not another one of its name.
pub(crate) fn same_object(one: &Value, other: &Value) -> bool {
    one.pointer("/metadata/uid") == other.pointer("/metadata/uid")
}

/// Puts our finalizer on a Canary, or takes it off; others' stay.
pub(crate) async fn keep_finalizer(context: &Context, object: &Value, keep: bool) -> Result<(), ObjectError> {
    let patch = |found: &Value| {
        if has_finalizer(found) == keep {
            return Ok(None);
        }
        let all = found.pointer("/metadata/finalizers").and_then(Value::as_array);
        let mut finalizers: Vec<Value> =
            all.into_iter().flatten().filter(|n| *n != FINALIZER).cloned().collect();
        if keep {
            finalizers.push(FINALIZER.into());
        }
        Ok(Some(json!({"finalizers": finalizers})))
    };
    patch_metadata(context, object, patch).await
}

/// Writes the orders that stand. They were decided on a command and on earlier orders: if these are others by now, so may
/// be the decision, and nothing is written.
pub(crate) async fn steer(context: &Context, object: &Value, steering: &Steering) -> Result<(), ObjectError> {
    let text = encoded(steering);
    let patch = |found: &Value| {
        if annotation(found, STEERING_ANNOTATION) == Some(text.as_str()) {
            return Ok(None); // the answer to our own write was lost
        }
        for name in [COMMAND_ANNOTATION, STEERING_ANNOTATION] {
            if annotation(found, name) != annotation(object, name) {
                return Err(ObjectError::Conflict(format!("annotation {name} was changed meanwhile")));
            }
        }
        Ok(Some(json!({"annotations": {STEERING_ANNOTATION: text}})))
    };
    patch_metadata(context, object, patch).await
}

/// Adds a rollout to those that are over.
pub(crate) async fn record(
    context: &Context,
    object: &Value,
    rollout: &PastRollout,
) -> Result<(), ObjectError> {
    let patch = |found: &Value| {
        let metadata: ObjectMeta =
            found.get("metadata").cloned().and_then(|m| serde_json::from_value(m).ok()).unwrap_or_default();
        let before = history(&metadata);
        let after = with_rollout(before.clone(), rollout.clone());
        Ok((after != before).then(|| json!({"annotations": {HISTORY_ANNOTATION: encoded(&after)}})))
    };
    patch_metadata(context, object, patch).await
}

fn encoded(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default() // texts, numbers and times: always writable
}

pub(crate) fn annotation<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get("metadata")?.get("annotations")?.get(name)?.as_str()
}

/// Patches the metadata as it is now with what `patch` makes of it, on the version that it was made of.
async fn patch_metadata(
    context: &Context,
    object: &Value,
    patch: impl Fn(&Value) -> Result<Option<Value>, ObjectError>,
) -> Result<(), ObjectError> {
    let kind = canary_kind();
    let about = about(object);
    let (namespace, name) = (about.namespace, about.name);
    let cached = context.cache.peek(&kind, &(namespace.clone(), name.clone()));
    let mut found = cached.filter(|o| same_object(o, object)).unwrap_or_else(|| object.clone());
    for n in 1..=TRIES {
        let Some(mut metadata) = patch(&found)? else { return Ok(()) };
        metadata["resourceVersion"] = found.pointer("/metadata/resourceVersion").cloned().unwrap_or_default();
        match context.cache.live().merge(&kind, &namespace, &name, &json!({"metadata": metadata})).await {
            Ok(patched) => {
                context.cache.learn(&kind, patched);
                return Ok(());
            }
            Err(ObjectError::NotFound(_)) => return Ok(()),
            Err(ObjectError::Conflict(_)) if n < TRIES => {}
            Err(error) => return Err(error),
        }
        match context.cache.live().get(&kind, &namespace, &name).await? {
            Some(newer) if same_object(&newer, object) => {
                // Whoever decides again, because of what is new in it, must not see the old one once more.
                context.cache.learn(&kind, newer.clone());
                found = newer;
            }
            _ => return Ok(()),
        }
    }
    Ok(())
}
