//! The user's own spec of an object that a router takes over: saved in an annotation first, given back last.
//!
//! Only the first one is kept, so that what a user gets back is what they wrote.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::viewed::Viewed;

/// Where the spec is kept, as JSON.
pub(crate) const ORIGINAL: &str = "flagger.kubernetes.io/original-configuration";

/// Saves the spec of `live`, which is about to be replaced, in the metadata of `wanted`.
pub(crate) fn save<S: Serialize>(wanted: &mut Viewed<S>, live: &Viewed<S>) {
    if live.metadata.annotation(ORIGINAL).is_some() {
        return;
    }
    if let Ok(spec) = serde_json::to_string(&live.spec) {
        wanted.metadata.annotations.get_or_insert_default().insert(ORIGINAL.to_owned(), spec);
    }
}

/// Puts the user's spec back, where one was saved, opens the object to Flux, and forgets the saved one: a canary that takes
/// the object over again is to save what it finds then. `Err` names the annotation that cannot be read.
pub(crate) fn restore<S: DeserializeOwned>(object: &mut Viewed<S>) -> Result<(), &'static str> {
    if let Some(spec) = object.metadata.annotation(ORIGINAL) {
        object.spec = serde_json::from_str(spec).map_err(|_| ORIGINAL)?;
        object.metadata.release();
    }
    if let Some(annotations) = &mut object.metadata.annotations {
        annotations.remove(ORIGINAL);
    }
    Ok(())
}
