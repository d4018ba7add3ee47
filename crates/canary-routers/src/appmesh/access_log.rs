//! The access log of a node's proxy, which an annotation of the Canary switches on.
//!
//! A route does not carry the Canary's annotations, so its owner is asked.

use canary_core::{RouteSpec, RouterError};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

use crate::{Attempt, Objects};

const SWITCH: &str = "appmesh.flagger.app/accesslog";

/// Whether the Canary asks for the access log. One in another cluster than the mesh cannot be asked.
pub(super) async fn is_enabled(objects: &dyn Objects, route: &RouteSpec) -> Result<bool, RouterError> {
    let Some(owner) = &route.owner else { return Ok(false) };
    let (group, version) = owner.api_version.split_once('/').unwrap_or(("", &owner.api_version));
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &owner.kind));
    let canary = objects.get(&kind, &route.namespace, &owner.name).await.map_err(|error| {
        let object = format!("{} {}.{}", owner.kind, owner.name, route.namespace);
        Attempt::new(format!("reconcileVirtualNode failed: {object} get query error: "), "get", &kind)
            .failed(error)
    })?;
    let switch = canary.as_ref().and_then(|canary| canary["metadata"]["annotations"][SWITCH].as_str());
    Ok(switch == Some("enabled"))
}

/// The field `logging`. Without the annotation it is the user's, unless it is what the annotation brought.
pub(super) fn logging(enabled: bool, live: Option<&Value>) -> Option<Value> {
    let ours = json!({ "accessLog": { "file": { "path": "/dev/stdout" } } });
    if enabled { Some(ours) } else { live.filter(|live| **live != ours).cloned() }
}
