//! DELETE: at once, or marked until the finalizers are gone.

use serde_json::{Value, json};

use super::metadata::text;
use crate::cluster::{Cluster, Resource, stamp};
use crate::errors::ApiError;
use crate::kinds::BuiltIn;
use crate::ownership::FOREGROUND;
use crate::store::Object;

/// What came of a deletion.
#[derive(Clone, Debug)]
pub(crate) struct Deleted {
    pub(crate) object: Object,
    /// It is gone; otherwise it waits for its finalizers.
    pub(crate) gone: bool,
}

impl Cluster {
    /// Deletes an object. `options` is a `DeleteOptions`, or null.
    pub(crate) fn delete(
        &mut self,
        resource: &Resource,
        name: &str,
        options: &Value,
        dry_run: bool,
    ) -> Result<Deleted, ApiError> {
        let object = self.get(resource, name)?.clone();
        check_preconditions(resource, name, &object, &options["preconditions"])?;
        let policy = options["propagationPolicy"].as_str().unwrap_or("Background");
        let mut marked = (*object).clone();
        if policy == "Foreground" {
            let mut finalizers = marked["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
            finalizers.push(FOREGROUND.into());
            marked["metadata"]["finalizers"] = Value::Array(finalizers);
        }
        let is_namespace = resource.kind.builtin == Some(BuiltIn::Namespace);
        let held = marked["metadata"]["finalizers"].as_array().is_some_and(|f| !f.is_empty()) || is_namespace;
        if dry_run {
            return Ok(Deleted { object, gone: !held });
        }
        if policy == "Orphan" {
            self.orphan_dependents(text(&object, "uid"));
        }
        if !held {
            let namespace = resource.namespace.clone();
            let last = self.expel(resource.id, &namespace, name).unwrap_or(object);
            return Ok(Deleted { object: last, gone: true });
        }
        if object["metadata"]["deletionTimestamp"].is_string() {
            return Ok(Deleted { object, gone: false });
        }
        marked["metadata"]["deletionTimestamp"] = stamp(self.now);
        if is_namespace {
            marked["status"]["phase"] = "Terminating".into();
        } else {
            marked["metadata"]["deletionGracePeriodSeconds"] = 0.into();
        }
        if let Some(generation) = marked["metadata"]["generation"].as_i64() {
            marked["metadata"]["generation"] = (generation + 1).into();
        }
        let object = self.commit(resource.id, marked);
        if policy == "Foreground" {
            let uid = text(&object, "uid").to_owned();
            self.agenda.plan(self.now, crate::agenda::Work::Orphans(uid));
        }
        Ok(Deleted { object, gone: false })
    }

    /// Takes the references to an owner off its dependents.
    fn orphan_dependents(&mut self, uid: &str) {
        for (id, namespace, name) in self.ownership.dependents_of(uid) {
            let Some(dependent) = self.store.table(id).get(&namespace, &name) else { continue };
            let mut dependent = (**dependent).clone();
            if let Some(references) = dependent["metadata"]["ownerReferences"].as_array_mut() {
                references.retain(|reference| reference["uid"] != uid);
                if references.is_empty()
                    && let Some(metadata) = dependent["metadata"].as_object_mut()
                {
                    metadata.remove("ownerReferences"); // as a real server answers
                }
            }
            self.commit(id, dependent);
        }
    }
}

fn check_preconditions(
    resource: &Resource,
    name: &str,
    object: &Value,
    wanted: &Value,
) -> Result<(), ApiError> {
    let about = resource.kind.about();
    for (key, word, advice) in [
        ("uid", "UID", "The object might have been deleted and then recreated"),
        ("resourceVersion", "ResourceVersion", "The object might have been modified"),
    ] {
        let actual = text(object, key);
        if let Some(wanted) = wanted[key].as_str().filter(|wanted| *wanted != actual) {
            let text = format!(
                "the {word} in the precondition ({wanted}) does not match the {word} in record ({actual}). {advice}"
            );
            return Err(ApiError::precondition(about, name, &text));
        }
    }
    Ok(())
}

/// The answer to a deletion of an object of a kind that does not return it.
pub(crate) fn success(resource: &Resource, object: &Value) -> Value {
    let mut details = json!({
        "name": text(object, "name"), "kind": resource.kind.plural, "uid": text(object, "uid"),
    });
    if !resource.kind.group.is_empty() {
        details["group"] = resource.kind.group.as_str().into();
    }
    json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details })
}
