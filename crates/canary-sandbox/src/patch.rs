//! Applying a patch of one of the media types that a server accepts.

use serde_json::Value;

use crate::errors::ApiError;
use crate::strategic;

/// Media types of patches, without `application/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PatchKind {
    Merge,
    Json,
    Strategic,
}

impl PatchKind {
    /// Server-side apply is refused: it needs the ownership of every field, which nothing here keeps.
    pub(crate) fn from_content_type(content_type: &str, custom: bool) -> Result<Self, ApiError> {
        match content_type.split(';').next().unwrap_or_default().trim() {
            "application/merge-patch+json" => Ok(Self::Merge),
            "application/json-patch+json" => Ok(Self::Json),
            "application/strategic-merge-patch+json" if !custom => Ok(Self::Strategic),
            "application/strategic-merge-patch+json" => Err(ApiError::unsupported_media(
                "the body of the request was in an unknown format - accepted media types include: \
                 application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml, \
                 application/apply-patch+cbor",
            )),
            "application/apply-patch+yaml" | "application/apply-patch+cbor" => {
                Err(ApiError::unsupported_media(
                    "server-side apply is not supported by this in-process API server",
                ))
            }
            _ => Err(ApiError::unsupported_media("415: Unsupported Media Type")),
        }
    }

    /// The object after the patch.
    pub(crate) fn apply(self, object: &Value, patch: &Value) -> Result<Value, ApiError> {
        let mut patched = object.clone();
        match self {
            Self::Merge => json_patch::merge(&mut patched, patch),
            Self::Strategic => strategic::merge(&mut patched, patch),
            Self::Json => {
                let operations: json_patch::Patch = serde_json::from_value(patch.clone())
                    .map_err(|error| ApiError::bad_request(format!("error decoding patch: {error}")))?;
                json_patch::patch(&mut patched, &operations).map_err(|_| ApiError::inapplicable())?;
            }
        }
        if patched.is_object() { Ok(patched) } else { Err(ApiError::inapplicable()) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_failing_test_operation_applies_nothing() {
        let object = json!({ "spec": { "a": 1 } });
        let patch =
            json!([{ "op": "test", "path": "/spec/a", "value": 2 }, { "op": "remove", "path": "/spec/a" }]);
        assert_eq!(PatchKind::Json.apply(&object, &patch).unwrap_err().code, 422);
        let patch =
            json!([{ "op": "test", "path": "/spec/a", "value": 1 }, { "op": "remove", "path": "/spec/a" }]);
        assert_eq!(PatchKind::Json.apply(&object, &patch).unwrap(), json!({ "spec": {} }));
    }

    #[test]
    fn strategic_patches_are_for_built_in_kinds() {
        let kind = "application/strategic-merge-patch+json";
        assert_eq!(PatchKind::from_content_type(kind, false).unwrap(), PatchKind::Strategic);
        assert_eq!(PatchKind::from_content_type(kind, true).unwrap_err().code, 415);
    }
}
