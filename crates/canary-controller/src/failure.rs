//! Errors of reads and writes in the words that events show: what was tried on which object, then the API's answer.
//! Not for deciding what follows from them.

use canary_core::WorkloadError;
use canary_routers::ObjectError;

/// Says what was being done when an object could not be read or written.
pub(crate) trait Explain<T> {
    /// Puts `doing` and a colon before the API's answer.
    fn explain(self, doing: impl FnOnce() -> String) -> Result<T, WorkloadError>;
}

impl<T> Explain<T> for Result<T, ObjectError> {
    fn explain(self, doing: impl FnOnce() -> String) -> Result<T, WorkloadError> {
        self.map_err(|error| {
            let message = format!("{}: {error}", doing());
            match error {
                // A write that finds nothing: the object went away after it was read.
                ObjectError::NotFound(_) | ObjectError::Conflict(_) | ObjectError::AlreadyExists(_) => {
                    WorkloadError::Api { message, conflict: true }
                }
                ObjectError::Invalid(_) | ObjectError::Malformed { .. } => WorkloadError::Invalid { message },
                ObjectError::NotServed(_) | ObjectError::Forbidden(_) | ObjectError::Unavailable(_) | _ => {
                    WorkloadError::Api { message, conflict: false }
                }
            }
        })
    }
}

/// Adds to an error what it was a part of.
pub(crate) trait Within<T> {
    /// Puts `whole` before the message.
    fn within(self, whole: impl FnOnce() -> String) -> Result<T, WorkloadError>;
}

impl<T> Within<T> for Result<T, WorkloadError> {
    fn within(self, whole: impl FnOnce() -> String) -> Result<T, WorkloadError> {
        self.map_err(|error| {
            let message = format!("{}: {error}", whole());
            match error {
                WorkloadError::Api { conflict, .. } => WorkloadError::Api { message, conflict },
                WorkloadError::Missing { .. } => WorkloadError::Missing { message },
                WorkloadError::Invalid { .. } => WorkloadError::Invalid { message },
                WorkloadError::MovedOn { .. } => WorkloadError::MovedOn { message },
                _ => WorkloadError::Api { message, conflict: false },
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conflict_stays_a_conflict_under_a_longer_message() {
        let refused: Result<(), _> = Err(ObjectError::Conflict("object was modified".into()));
        let error =
            refused.explain(|| "service podinfo update error".into()).within(|| "whole failed".into());
        let error = error.unwrap_err();
        assert_eq!(error.to_string(), "whole failed: service podinfo update error: object was modified");
        assert_eq!(error.category(), "conflict");
    }

    #[test]
    fn what_the_api_server_finds_invalid_is_not_tried_again() {
        let refused: Result<(), _> = Err(ObjectError::Invalid("spec.x: wrong".into()));
        assert!(!refused.explain(|| "creating".into()).unwrap_err().is_retryable());
        let down: Result<(), _> = Err(ObjectError::Unavailable("down".into()));
        assert!(down.explain(|| "creating".into()).unwrap_err().is_retryable());
    }
}
