//! The access log of a node's proxy, which an annotation of the Canary switches on.

use canary_core::RouteSpec;
use serde_json::{Value, json};

const SWITCH: &str = "appmesh.flagger.app/accesslog";

/// The field `logging`. Without the annotation it is the user's, unless it is what the annotation brought.
pub(super) fn logging(route: &RouteSpec, live: Option<&Value>) -> Option<Value> {
    let ours = json!({ "accessLog": { "file": { "path": "/dev/stdout" } } });
    let enabled = route.canary_annotations.get(SWITCH).is_some_and(|switch| switch == "enabled");
    if enabled { Some(ours) } else { live.filter(|live| **live != ours).cloned() }
}
