//! The user's own configuration of a VirtualService that we take over: saved first, given back last.
//!
//! Only the first one is kept. (Flagger overwrites it at each correction and so gives back one of its own.)

use canary_core::RouteSpec;
use serde::Deserialize;

use super::adoption::is_ours;
use super::view::{VirtualService, VirtualServiceSpec};

/// What `kubectl apply` keeps; where it exists, it is the user's word.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Where the spec is kept else, as JSON.
const ORIGINAL: &str = "flagger.kubernetes.io/original-configuration";

/// Saves the spec of `live`, which is about to be replaced, in the metadata of `wanted`.
pub(super) fn save(wanted: &mut VirtualService, live: &VirtualService, route: &RouteSpec) {
    let saved = [LAST_APPLIED, ORIGINAL].iter().any(|key| live.metadata.annotation(key).is_some());
    // In another cluster our objects have no owner; there the rules tell.
    let ours = route.owner.as_ref().is_some_and(|owner| live.metadata.belongs_to(owner))
        || live.spec.http.iter().flatten().any(|rule| is_ours(rule, route))
        || live.spec.tcp.iter().flatten().any(|rule| is_ours(rule, route));
    if saved || ours {
        return;
    }
    if let Ok(spec) = serde_json::to_string(&live.spec) {
        wanted.metadata.annotations.get_or_insert_default().insert(ORIGINAL.to_owned(), spec);
    }
}

/// Puts the user's spec back; whether there was one. `Err` names the annotation that cannot be read.
pub(super) fn restore(object: &mut VirtualService) -> Result<bool, &'static str> {
    #[derive(Deserialize)]
    struct Applied {
        spec: VirtualServiceSpec,
    }
    if let Some(applied) = object.metadata.annotation(LAST_APPLIED) {
        let applied: Applied = serde_json::from_str(applied).map_err(|_| LAST_APPLIED)?;
        object.spec = applied.spec;
    } else if let Some(spec) = object.metadata.annotation(ORIGINAL) {
        object.spec = serde_json::from_str(spec).map_err(|_| ORIGINAL)?;
    } else {
        return Ok(false);
    }
    object.metadata.release();
    // Used up: a canary that takes the object over again is to save what it finds then.
    if let Some(annotations) = &mut object.metadata.annotations {
        annotations.remove(ORIGINAL);
    }
    Ok(true)
}
