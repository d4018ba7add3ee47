//! What was tried on which object, and how its failure reads in an event.
//!
//! The texts are the caller's, because Flagger words them differently from router to router.

use canary_core::RouterError;
use kube::core::ApiResource;

use crate::ObjectError;
use crate::objects::resource_name;

/// One read or write that may fail.
///
/// ```
/// use canary_core::RouterError;
/// use canary_routers::kube::core::{ApiResource, GroupVersionKind};
/// use canary_routers::{Attempt, ObjectError};
///
/// let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("acme.io", "v1", "Split"));
/// let attempt = Attempt::new("Split podinfo.test update error: ", "update", &kind);
/// let error = attempt.failed(ObjectError::Conflict("the object has been modified".into()));
/// assert_eq!(error.to_string(), "Split podinfo.test update error: the object has been modified");
/// assert_eq!(error.category(), "conflict");
/// ```
#[derive(Clone, Debug)]
pub struct Attempt<'a> {
    text: String,
    verb: &'static str,
    kind: &'a ApiResource,
}

impl<'a> Attempt<'a> {
    /// An attempt to `verb` (as in a role: `get`, `create`, `update`) an object of `kind`. `text` names the object and ends
    /// where the API's message shall follow.
    pub fn new(text: impl Into<String>, verb: &'static str, kind: &'a ApiResource) -> Self {
        Self { text: text.into(), verb, kind }
    }

    /// The error of a router whose attempt failed with `error`.
    pub fn failed(&self, error: ObjectError) -> RouterError {
        let text = &self.text;
        let resource = resource_name(self.kind);
        match error {
            ObjectError::NotServed(message) => RouterError::NotInstalled {
                message: format!(
                    "{text}{message} (is the CRD {resource} installed, with {}?)",
                    self.kind.version
                ),
            },
            ObjectError::Forbidden(message) if !message.contains(&self.kind.plural) => RouterError::Api {
                message: format!(
                    "{text}{message} (the role of the controller lacks {:?} on {resource})",
                    self.verb
                ),
                conflict: false,
            },
            ObjectError::Invalid(message) => RouterError::Invalid { message: format!("{text}{message}") },
            ObjectError::Malformed { object, source } => {
                RouterError::Invalid { message: format!("{text}{object} cannot be decoded: {source}") }
            }
            ObjectError::NotFound(_)
            | ObjectError::Conflict(_)
            | ObjectError::AlreadyExists(_)
            | ObjectError::Forbidden(_)
            | ObjectError::Unavailable(_) => {
                RouterError::Api { conflict: error.is_conflict(), message: format!("{text}{error}") }
            }
        }
    }
}
