//! ConfigMaps and Secrets that a pod template uses: which, whether they changed, and the copies that the primary uses.
//! Not for deciding what a change leads to.

use std::collections::BTreeMap;

use canary_core::{Owner, WorkloadError};
use canary_routers::{ObjectError, Objects};
use serde_json::Value;

use crate::canonical;
use crate::failure::{Explain as _, Within as _};
use crate::fields::text_at;
use crate::generated::primary_name;

mod copies;
mod references;
#[cfg(test)]
mod tests;

pub(crate) use references::ConfigKind;

/// Objects with this annotation at `disable…` are shared with the primary, as they are.
const OPT_OUT: &str = "flagger.app/config-tracking";

/// Secrets of other types belong to somebody who keeps them up to date for both.
const SECRET_TYPES: [&str; 4] =
    ["Opaque", "kubernetes.io/basic-auth", "kubernetes.io/ssh-auth", "kubernetes.io/tls"];

/// The tracked objects of one pod template, as they are now.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Configs(BTreeMap<(ConfigKind, String), Value>);

impl Configs {
    /// Reads what `template` uses. An optional object that is missing is passed over; any failure to read is an error,
    /// since a missing answer is not a change.
    pub(crate) async fn collect(
        objects: &dyn Objects,
        namespace: &str,
        template: &Value,
    ) -> Result<Self, WorkloadError> {
        let mut found = BTreeMap::new();
        for (kind, name, required) in references::used(template) {
            // Flagger says it twice, and so do the events that people search for.
            let doing = || {
                let once = format!("{} {name}.{namespace} get query error", kind.noun());
                format!("GetTargetConfigs failed: {once}: {once}")
            };
            match objects.get(&kind.resource(), namespace, &name).await.explain(doing)? {
                Some(object) if is_tracked(kind, &object) => {
                    found.insert((kind, name), object);
                }
                Some(_) => {}
                None if required => {
                    let absent = ObjectError::absent(&kind.resource(), &name);
                    return Err(WorkloadError::Missing { message: format!("{}: {absent}", doing()) });
                }
                None => {
                    tracing::debug!(kind = kind.noun(), %name, %namespace, "an optional config does not exist");
                }
            }
        }
        Ok(Self(found))
    }

    /// Checksums by `configmap/<name>` or `secret/<name>`, as the status keeps them.
    pub(crate) fn checksums(&self) -> BTreeMap<String, String> {
        let entry = |((kind, name), object): (&(ConfigKind, String), &Value)| {
            (format!("{}/{name}", kind.noun()), canonical::digest(object.get("data").unwrap_or(&Value::Null)))
        };
        self.0.iter().map(entry).collect()
    }

    /// Makes the primary's copies equal to what was read. A copy that is so already is not written.
    pub(crate) async fn write_copies(
        &self,
        objects: &dyn Objects,
        owner: &Owner,
        prefixes: &[String],
    ) -> Result<(), WorkloadError> {
        for ((kind, name), source) in &self.0 {
            let namespace = text_at(source, "/metadata/namespace").unwrap_or_default();
            let copy = primary_name(name);
            let noun = kind.noun();
            let present = present_copy(objects, *kind, name, source).await?;
            match present {
                None => {
                    let object = copies::created(*kind, source, name, owner, prefixes);
                    create_copy(objects, *kind, &object).await?;
                }
                // The type of a Secret cannot be changed, so a copy of another type makes room for a new one.
                Some(present) if present.get("type") != source.get("type") => {
                    let object = copies::created(*kind, source, name, owner, prefixes);
                    let deleted = objects.delete(&kind.resource(), namespace, &copy).await;
                    deleted
                        .explain(|| format!("updating {noun} {copy}.{namespace} failed"))
                        .within(copying_failed)?;
                    create_copy(objects, *kind, &object).await?;
                }
                Some(present) => {
                    let object = copies::updated(&present, source, owner, prefixes);
                    if object == present {
                        continue;
                    }
                    let replaced = objects.replace(&kind.resource(), &object).await;
                    replaced
                        .explain(|| format!("updating {noun} {copy}.{namespace} failed"))
                        .within(copying_failed)?;
                }
            }
            tracing::info!(kind = noun, name = %copy, %namespace, "the primary's copy of a config was written");
        }
        Ok(())
    }

    /// Whether the primary has copies of all that was read, with the content that the checksums are made of.
    pub(crate) async fn are_copied(&self, objects: &dyn Objects) -> Result<bool, WorkloadError> {
        for ((kind, name), source) in &self.0 {
            let copy = present_copy(objects, *kind, name, source).await?;
            if copy.is_none_or(|copy| copy.get("data") != source.get("data")) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Makes copies anew that `primary` uses and that somebody deleted: none of its pods starts without them.
    pub(crate) async fn restore_copies(
        &self,
        objects: &dyn Objects,
        primary: &Value,
        owner: &Owner,
        prefixes: &[String],
    ) -> Result<(), WorkloadError> {
        let used = references::used(primary);
        for ((kind, name), source) in &self.0 {
            let copy = primary_name(name);
            if used.iter().any(|(k, n, _)| k == kind && *n == copy)
                && present_copy(objects, *kind, name, source).await?.is_none()
            {
                let object = copies::created(*kind, source, name, owner, prefixes);
                create_copy(objects, *kind, &object).await?;
            }
        }
        Ok(())
    }

    /// Lets a pod spec use the copies of what is tracked.
    pub(crate) fn rename(&self, pod_spec: &mut Value) {
        references::visit(pod_spec, &mut |kind, name, _| {
            if let Some(text) = name.as_str()
                && self.0.contains_key(&(kind, text.to_owned()))
            {
                *name = primary_name(text).into();
            }
        });
    }
}

fn copying_failed() -> String {
    "CreatePrimaryConfigs failed".into()
}

/// The primary's copy of that config, if it exists.
async fn present_copy(
    objects: &dyn Objects,
    kind: ConfigKind,
    name: &str,
    source: &Value,
) -> Result<Option<Value>, WorkloadError> {
    let namespace = text_at(source, "/metadata/namespace").unwrap_or_default();
    let (copy, noun) = (primary_name(name), kind.noun());
    let present = objects.get(&kind.resource(), namespace, &copy).await;
    present.explain(|| format!("{noun} {copy}.{namespace} get query failed ")).within(copying_failed)
}

async fn create_copy(objects: &dyn Objects, kind: ConfigKind, object: &Value) -> Result<(), WorkloadError> {
    let created = objects.create(&kind.resource(), object).await;
    let text = |path| text_at(object, path).unwrap_or_default();
    let (name, namespace) = (text("/metadata/name"), text("/metadata/namespace"));
    created
        .explain(|| format!("creating {} {name}.{namespace} failed", kind.noun()))
        .within(copying_failed)?;
    Ok(())
}

fn is_tracked(kind: ConfigKind, object: &Value) -> bool {
    let annotation =
        object.pointer("/metadata/annotations").and_then(|all| all.get(OPT_OUT)).and_then(Value::as_str);
    if annotation.is_some_and(|value| value.starts_with("disable")) {
        return false;
    }
    match kind {
        ConfigKind::ConfigMap => true,
        ConfigKind::Secret => text_at(object, "/type").is_some_and(|kind| SECRET_TYPES.contains(&kind)),
    }
}
