//! How routers read and write Kubernetes objects: by kind, as JSON, so that fields nobody here knows survive a write.
//!
//! Reads may come from a cache; writes are conditional. Not for watches, which are the caller's business.

use async_trait::async_trait;
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::ApiResource;
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads and writes objects of any kind.
#[async_trait]
pub trait Objects: Send + Sync {
    /// The object, or `None` when it does not exist. An implementation with a cache confirms an absence before it says so.
    async fn get(
        &self,
        kind: &ApiResource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>, ObjectError>;

    /// All objects of that kind in the namespace, read from the API server.
    async fn list(&self, kind: &ApiResource, namespace: &str) -> Result<Vec<Value>, ObjectError>;

    /// Creates `object` (its metadata names it) and returns it as stored.
    async fn create(&self, kind: &ApiResource, object: &Value) -> Result<Value, ObjectError>;

    /// Replaces `object`, provided that its `metadata.resourceVersion` is still the present one, and returns it as stored.
    async fn replace(&self, kind: &ApiResource, object: &Value) -> Result<Value, ObjectError>;

    /// Applies a JSON merge patch (a `metadata.resourceVersion` in it makes it conditional) and returns the object as
    /// stored.
    async fn merge(
        &self,
        kind: &ApiResource,
        namespace: &str,
        name: &str,
        patch: &Value,
    ) -> Result<Value, ObjectError>;

    /// Deletes the object; one that is gone already is fine.
    async fn delete(&self, kind: &ApiResource, namespace: &str, name: &str) -> Result<(), ObjectError>;
}

const _: Option<&dyn Objects> = None; // stays object-safe

impl dyn Objects + '_ {
    /// The object as a type of the caller's.
    pub async fn get_as<T: DeserializeOwned>(
        &self,
        kind: &ApiResource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<T>, ObjectError> {
        match self.get(kind, namespace, name).await? {
            None => Ok(None),
            Some(value) => serde_json::from_value(value).map(Some).map_err(|source| ObjectError::Malformed {
                object: format!("{} {name}.{namespace}", kind.kind),
                source,
            }),
        }
    }
}

/// Why an object could not be read or written. Display is the API server's own message, as events show it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// It does not exist (or its kind is not served: see [`ObjectError::NotServed`]).
    #[error("{0}")]
    NotFound(String),
    /// Its kind is not served: the CRD is not installed.
    #[error("{0}")]
    NotServed(String),
    /// It changed since it was read.
    #[error("{0}")]
    Conflict(String),
    /// It exists already.
    #[error("{0}")]
    AlreadyExists(String),
    /// The service account may not.
    #[error("{0}")]
    Forbidden(String),
    /// The API server refused its content.
    #[error("{0}")]
    Invalid(String),
    /// It does not have the form of its kind.
    #[error("{object} cannot be decoded")]
    Malformed {
        /// Kind, name and namespace.
        object: String,
        /// Which field.
        #[source]
        source: serde_json::Error,
    },
    /// The API server could not be reached or failed.
    #[error("{0}")]
    Unavailable(String),
}

impl ObjectError {
    /// Sorts an error of the client.
    pub fn from_kube(error: &kube::Error) -> Self {
        let kube::Error::Api(status) = error else {
            return Self::Unavailable(chain(error));
        };
        let message = if status.message.is_empty() { status.reason.clone() } else { status.message.clone() };
        match status.code {
            // An unknown resource is a plain-text 404 of the server's mux, or a Status without details.
            404 if status.details.as_ref().is_none_or(|d| d.name.is_empty()) => Self::NotServed(message),
            404 => Self::NotFound(message),
            409 if status.is_already_exists() => Self::AlreadyExists(message),
            409 => Self::Conflict(message),
            401 | 403 => Self::Forbidden(message),
            400 | 422 => Self::Invalid(message),
            _ => Self::Unavailable(message),
        }
    }

    /// The message of an absence that a cache knows of, in the API server's words.
    pub fn absent(kind: &ApiResource, name: &str) -> Self {
        let resource = if kind.group.is_empty() {
            kind.plural.clone()
        } else {
            format!("{}.{}", kind.plural, kind.group)
        };
        Self::NotFound(format!("{resource} \"{name}\" not found"))
    }

    /// Fine where the object is not there, which some callers expect.
    fn unless_absent(self) -> Result<(), Self> {
        if matches!(self, Self::NotFound(_)) { Ok(()) } else { Err(self) }
    }

    /// Whether the object changed since it was read: decide again.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict(_) | Self::AlreadyExists(_))
    }

    /// A short stable name for logs and metrics.
    pub fn category(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "not-found",
            Self::NotServed(_) => "not-served",
            Self::Conflict(_) => "conflict",
            Self::AlreadyExists(_) => "already-exists",
            Self::Forbidden(_) => "forbidden",
            Self::Invalid(_) => "invalid",
            Self::Malformed { .. } => "malformed",
            Self::Unavailable(_) => "unavailable",
        }
    }
}

/// The name of a kind in the API server's messages, such as `virtualservices.networking.istio.io`.
pub(crate) fn resource_name(kind: &ApiResource) -> String {
    if kind.group.is_empty() { kind.plural.clone() } else { format!("{}.{}", kind.plural, kind.group) }
}

/// An error and its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// [`Objects`] without a cache: each read is a request.
#[derive(Clone)]
pub struct LiveObjects {
    client: Client,
}

impl LiveObjects {
    /// Objects of the cluster that `client` talks to.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    fn api(&self, kind: &ApiResource, namespace: &str) -> Api<DynamicObject> {
        if namespace.is_empty() {
            Api::all_with(self.client.clone(), kind)
        } else {
            Api::namespaced_with(self.client.clone(), namespace, kind)
        }
    }
}

#[async_trait]
impl Objects for LiveObjects {
    async fn get(
        &self,
        kind: &ApiResource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>, ObjectError> {
        match self.api(kind, namespace).get(name).await {
            Ok(object) => to_value(&object).map(Some),
            Err(error) => ObjectError::from_kube(&error).unless_absent().map(|()| None),
        }
    }

    async fn list(&self, kind: &ApiResource, namespace: &str) -> Result<Vec<Value>, ObjectError> {
        let found = self.api(kind, namespace).list(&ListParams::default()).await;
        found.map_err(|e| ObjectError::from_kube(&e))?.items.iter().map(to_value).collect()
    }

    async fn create(&self, kind: &ApiResource, object: &Value) -> Result<Value, ObjectError> {
        let object = to_object(kind, object)?;
        let namespace = object.metadata.namespace.clone().unwrap_or_default();
        let answer = self.api(kind, &namespace).create(&PostParams::default(), &object).await;
        to_value(&answer.map_err(|e| ObjectError::from_kube(&e))?)
    }

    async fn replace(&self, kind: &ApiResource, object: &Value) -> Result<Value, ObjectError> {
        let object = to_object(kind, object)?;
        let namespace = object.metadata.namespace.clone().unwrap_or_default();
        let name = object.metadata.name.clone().unwrap_or_default();
        let answer = self.api(kind, &namespace).replace(&name, &PostParams::default(), &object).await;
        to_value(&answer.map_err(|e| ObjectError::from_kube(&e))?)
    }

    async fn merge(
        &self,
        kind: &ApiResource,
        namespace: &str,
        name: &str,
        patch: &Value,
    ) -> Result<Value, ObjectError> {
        let answer =
            self.api(kind, namespace).patch(name, &PatchParams::default(), &Patch::Merge(patch)).await;
        to_value(&answer.map_err(|e| ObjectError::from_kube(&e))?)
    }

    async fn delete(&self, kind: &ApiResource, namespace: &str, name: &str) -> Result<(), ObjectError> {
        match self.api(kind, namespace).delete(name, &DeleteParams::default()).await {
            Ok(_) => Ok(()),
            Err(error) => ObjectError::from_kube(&error).unless_absent(),
        }
    }
}

fn to_value(object: &DynamicObject) -> Result<Value, ObjectError> {
    serde_json::to_value(object)
        .map_err(|source| ObjectError::Malformed { object: "answer of the API server".into(), source })
}

fn to_object(kind: &ApiResource, object: &Value) -> Result<DynamicObject, ObjectError> {
    let mut object: DynamicObject = serde_json::from_value(object.clone())
        .map_err(|source| ObjectError::Malformed { object: kind.kind.clone(), source })?;
    object.types.get_or_insert_with(|| kube::core::TypeMeta {
        api_version: kind.api_version.clone(),
        kind: kind.kind.clone(),
    });
    Ok(object)
}

#[cfg(test)]
mod tests {
    use kube::core::Status;
    use kube::core::response::StatusDetails;

    use super::*;

    #[test]
    fn answers_of_the_api_are_told_apart_by_code_reason_and_details() {
        let about = |name: &str| StatusDetails {
            name: name.into(),
            group: String::new(),
            kind: String::new(),
            uid: String::new(),
            causes: Vec::new(),
            retry_after_seconds: 0,
        };
        let named = || about("podinfo");
        let cases = [
            (404, "NotFound", Some(named()), "not-found"),
            (404, "NotFound", Some(about("")), "not-served"),
            (404, "NotFound", None, "not-served"),
            (409, "AlreadyExists", Some(named()), "already-exists"),
            (409, "Conflict", Some(named()), "conflict"),
            (403, "Forbidden", Some(named()), "forbidden"),
            (401, "Unauthorized", None, "forbidden"),
            (422, "Invalid", Some(named()), "invalid"),
            (400, "BadRequest", None, "invalid"),
            (503, "ServiceUnavailable", None, "unavailable"),
        ];
        for (code, reason, details, expected) in cases {
            let status = Status { details, ..Status::failure("what happened", reason).with_code(code) };
            let error = ObjectError::from_kube(&kube::Error::Api(Box::new(status)));
            assert_eq!(
                (error.category(), error.to_string()),
                (expected, "what happened".to_owned()),
                "{code} {reason}"
            );
        }
    }

    #[test]
    fn an_answer_without_a_message_shows_its_reason() {
        let status = Status::failure("", "Conflict").with_code(409);
        assert_eq!(ObjectError::from_kube(&kube::Error::Api(Box::new(status))).to_string(), "Conflict");
    }
}
