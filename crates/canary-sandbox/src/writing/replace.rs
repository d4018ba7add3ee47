//! PUT and PATCH, of an object or of its status.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::metadata::{adopt, faults, metadata_mut, text};
use crate::cluster::{Cluster, Resource};
use crate::errors::{ApiError, Cause};
use crate::kinds::BuiltIn;
use crate::patch::PatchKind;
use crate::store::Object;

/// Which part of an object is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Main,
    Status,
}

impl Cluster {
    /// Applies a patch to the object as it is.
    pub(crate) fn patch(
        &mut self,
        resource: &Resource,
        name: &str,
        part: Part,
        (kind, patch): (PatchKind, &Value),
        dry_run: bool,
    ) -> Result<Object, ApiError> {
        let current = resource.form(false).value(self.get(resource, name)?);
        let patched = kind.apply(&current, patch)?;
        self.replace(resource, name, part, patched, dry_run)
    }

    /// Replaces the object, or its status, provided that its version is the stated one.
    pub(crate) fn replace(
        &mut self,
        resource: &Resource,
        name: &str,
        part: Part,
        mut object: Value,
        dry_run: bool,
    ) -> Result<Object, ApiError> {
        let about = resource.kind.about();
        let traits = resource.version.traits;
        adopt(resource, &mut object)?;
        let stated = text(&object, "name");
        if stated != name {
            let text = if stated.is_empty() {
                "name must be provided".to_owned()
            } else {
                format!("the name of the object ({stated}) does not match the name on the URL ({name})")
            };
            return Err(ApiError::bad_request(text));
        }
        let old = match self.get(resource, name) {
            Ok(old) => Arc::clone(old),
            Err(_) if traits.put_creates && part == Part::Main => {
                return self.create(resource, object, dry_run);
            }
            Err(error) => return Err(error),
        };
        check_version(resource, name, &object, &old)?;
        if part == Part::Status {
            object = with_status(resource, &old, object);
        }
        keep_metadata(&mut object, &old)?;
        if part == Part::Main && traits.status {
            carry(&mut object, &old, "status");
        }
        let mut object = resource.admit(object, Some(&old))?;
        let mut causes = faults(resource, &object);
        causes.extend(deletion_faults(&object, &old));
        causes.extend(resource.faults(&object, Some(&old)));
        if !causes.is_empty() {
            return Err(ApiError::invalid(about, name, &causes));
        }
        if part == Part::Main && traits.generation && wants_differ(resource, &object, &old) {
            let generation = old["metadata"]["generation"].as_i64().unwrap_or(0) + 1;
            object["metadata"]["generation"] = generation.into();
        }
        if object == *old {
            return Ok(old);
        }
        if dry_run {
            return Ok(Arc::new(object));
        }
        if is_finished(resource, &object) {
            let namespace = resource.namespace.clone();
            let last = self.expel(resource.id, &namespace, name);
            return Ok(last.unwrap_or(old));
        }
        Ok(self.commit(resource.id, object))
    }
}

fn check_version(resource: &Resource, name: &str, object: &Value, old: &Value) -> Result<(), ApiError> {
    let about = resource.kind.about();
    let (stated, actual) = (text(object, "uid"), text(old, "uid"));
    if !stated.is_empty() && stated != actual {
        let text =
            format!("Precondition failed: UID in precondition: {stated}, UID in object meta: {actual}");
        return Err(ApiError::conflict(about, name, &text));
    }
    match text(object, "resourceVersion") {
        "" | "0" if resource.version.traits.unconditional => Ok(()),
        "" | "0" => {
            let zero = if resource.kind.builtin.is_none() { json!("0x0") } else { json!(0) };
            let cause = Cause::invalid("metadata.resourceVersion", &zero, "must be specified for an update");
            Err(ApiError::invalid_resource(about, name, &[cause]))
        }
        stated if stated.parse::<u64>().is_err() => {
            Err(ApiError::new(500, "", format!("strconv.ParseUint: parsing {stated:?}: invalid syntax")))
        }
        stated if stated != text(old, "resourceVersion") => Err(ApiError::modified(about, name)),
        _ => Ok(()),
    }
}

/// The old object with the new status. Annotations of built-in kinds go with it, as real controllers use.
fn with_status(resource: &Resource, old: &Value, mut new: Value) -> Value {
    let mut object = old.clone();
    if let (Some(map), Some(new)) = (object.as_object_mut(), new.as_object_mut()) {
        match new.remove("status") {
            Some(status) => map.insert("status".into(), status),
            None => map.remove("status"),
        };
        if resource.kind.builtin.is_some()
            && let Some(metadata) = map.get_mut("metadata").and_then(Value::as_object_mut)
        {
            match new.get_mut("metadata").map(|m| m["annotations"].take()) {
                Some(annotations @ Value::Object(_)) => metadata.insert("annotations".into(), annotations),
                _ => metadata.remove("annotations"),
            };
        }
    }
    object
}

fn carry(object: &mut Value, old: &Value, key: &str) {
    let Some(map) = object.as_object_mut() else { return };
    match old.get(key) {
        Some(value) => map.insert(key.to_owned(), value.clone()),
        None => map.remove(key),
    };
}

/// What belongs to the server stays as it is.
fn keep_metadata(object: &mut Value, old: &Value) -> Result<(), ApiError> {
    let deleting = old["metadata"]["deletionTimestamp"].is_string();
    let metadata = metadata_mut(object)?;
    let mut keys = vec!["uid", "creationTimestamp", "generation", "resourceVersion", "generateName"];
    if deleting {
        keys.extend(["deletionTimestamp", "deletionGracePeriodSeconds"]);
    }
    for key in keys {
        match old["metadata"].get(key) {
            Some(value) => metadata.insert(key.to_owned(), value.clone()),
            None => metadata.remove(key),
        };
    }
    Ok(())
}

fn deletion_faults(object: &Value, old: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let stated = &object["metadata"]["deletionTimestamp"];
    if stated != &old["metadata"]["deletionTimestamp"] {
        causes.push(Cause::invalid("metadata.deletionTimestamp", stated, "field is immutable"));
    }
    let list = |value: &Value| value["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
    let old_list = list(old);
    let added: Vec<Value> = list(object).into_iter().filter(|f| !old_list.contains(f)).collect();
    if old["metadata"]["deletionTimestamp"].is_string() && !added.is_empty() {
        let added: Vec<&str> = added.iter().filter_map(Value::as_str).collect();
        let text = format!(
            "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
            added.iter().map(|f| format!("{f:?}")).collect::<Vec<_>>().join(", ")
        );
        causes.push(Cause::forbidden("metadata.finalizers", &text));
    }
    causes
}

/// Whether the object differs in what is wanted, which its generation counts.
fn wants_differ(resource: &Resource, new: &Value, old: &Value) -> bool {
    let counted = |value: &Value| -> Map<String, Value> {
        let uncounted = |key: &str| key == "metadata" || resource.version.traits.status && key == "status";
        let fields = value.as_object().into_iter().flatten();
        fields.filter(|(key, _)| !uncounted(key)).map(|(k, v)| (k.clone(), v.clone())).collect()
    };
    // A Deployment's annotations count, since a roll-back used to be one.
    let annotations = resource.kind.builtin == Some(BuiltIn::Deployment)
        && new["metadata"]["annotations"] != old["metadata"]["annotations"];
    annotations || counted(new) != counted(old)
}

/// Whether nothing holds a deleted object any more.
fn is_finished(resource: &Resource, object: &Value) -> bool {
    let metadata = &object["metadata"];
    metadata["deletionTimestamp"].is_string()
        && metadata["finalizers"].as_array().is_none_or(Vec::is_empty)
        && resource.kind.builtin != Some(BuiltIn::Namespace)
}
