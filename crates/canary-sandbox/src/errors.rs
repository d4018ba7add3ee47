//! Refusals in the words of a Kubernetes API server.
//!
//! Clients tell them apart by code, reason and details; people read the message. Not for faults of the transport.

use serde_json::{Value, json};

/// A request that was not carried out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ApiError {
    pub(crate) code: u16,
    reason: &'static str,
    pub(crate) message: String,
    details: Value,
    /// The answer is text, as for paths that nobody serves.
    pub(crate) plain: bool,
}

/// One fault of an object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cause {
    pub(crate) field: String,
    reason: &'static str,
    message: String,
}

impl Cause {
    pub(crate) fn required(field: impl Into<String>, text: &str) -> Self {
        let message =
            if text.is_empty() { "Required value".into() } else { format!("Required value: {text}") };
        Self { field: field.into(), reason: "FieldValueRequired", message }
    }

    pub(crate) fn invalid(field: impl Into<String>, value: &Value, text: &str) -> Self {
        let message = format!("Invalid value: {value}: {text}");
        Self { field: field.into(), reason: "FieldValueInvalid", message }
    }

    pub(crate) fn mistyped(field: impl Into<String>, shown: &str, text: &str) -> Self {
        let message = format!("Invalid value: {shown:?}: {text}");
        Self { field: field.into(), reason: "FieldValueTypeInvalid", message }
    }

    pub(crate) fn unsupported(field: impl Into<String>, value: &Value, known: &[Value]) -> Self {
        let known: Vec<String> = known.iter().map(Value::to_string).collect();
        let message = format!("Unsupported value: {value}: supported values: {}", known.join(", "));
        Self { field: field.into(), reason: "FieldValueNotSupported", message }
    }

    pub(crate) fn duplicate(field: impl Into<String>, value: &Value) -> Self {
        Self {
            field: field.into(),
            reason: "FieldValueDuplicate",
            message: format!("Duplicate value: {value}"),
        }
    }

    pub(crate) fn forbidden(field: impl Into<String>, text: &str) -> Self {
        Self { field: field.into(), reason: "FieldValueForbidden", message: format!("Forbidden: {text}") }
    }

    fn sentence(&self) -> String {
        format!("{}: {}", self.field, self.message)
    }
}

/// Group, resource and kind of an object that an error is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About<'a> {
    pub(crate) group: &'a str,
    pub(crate) plural: &'a str,
    pub(crate) kind: &'a str,
}

impl About<'_> {
    fn qualified(&self, word: &str) -> String {
        if self.group.is_empty() { word.to_owned() } else { format!("{word}.{}", self.group) }
    }

    fn details(&self, name: &str, kind: &str) -> Value {
        let mut details = json!({ "kind": kind });
        if !name.is_empty() {
            details["name"] = name.into();
        }
        if !self.group.is_empty() {
            details["group"] = self.group.into();
        }
        details
    }
}

impl ApiError {
    pub(crate) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: Value::Null, plain: false }
    }

    /// A path that belongs to no group.
    pub(crate) fn no_such_path() -> Self {
        Self { plain: true, ..Self::new(404, "NotFound", "404 page not found\n") }
    }

    /// A resource that a known group does not have.
    pub(crate) fn no_such_resource() -> Self {
        let mut error = Self::new(404, "NotFound", "the server could not find the requested resource");
        error.details = json!({});
        error
    }

    pub(crate) fn not_found(about: About<'_>, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", about.qualified(about.plural));
        Self { details: about.details(name, about.plural), ..Self::new(404, "NotFound", message) }
    }

    pub(crate) fn already_exists(about: About<'_>, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", about.qualified(about.plural));
        Self { details: about.details(name, about.plural), ..Self::new(409, "AlreadyExists", message) }
    }

    pub(crate) fn modified(about: About<'_>, name: &str) -> Self {
        let text =
            "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(about, name, text)
    }

    pub(crate) fn conflict(about: About<'_>, name: &str, text: &str) -> Self {
        let message =
            format!("Operation cannot be fulfilled on {} \"{name}\": {text}", about.qualified(about.plural));
        Self { details: about.details(name, about.plural), ..Self::new(409, "Conflict", message) }
    }

    /// A precondition of a deletion; the server names the kind here, not the resource.
    pub(crate) fn precondition(about: About<'_>, name: &str, text: &str) -> Self {
        let message =
            format!("Operation cannot be fulfilled on {} \"{name}\": {text}", about.qualified(about.kind));
        Self { details: about.details(name, about.kind), ..Self::new(409, "Conflict", message) }
    }

    pub(crate) fn invalid(about: About<'_>, name: &str, causes: &[Cause]) -> Self {
        Self::invalid_as(about, about.kind, name, causes)
    }

    /// As [`ApiError::invalid`], where the storage layer speaks and says the resource for the kind.
    pub(crate) fn invalid_resource(about: About<'_>, name: &str, causes: &[Cause]) -> Self {
        Self::invalid_as(about, about.plural, name, causes)
    }

    fn invalid_as(about: About<'_>, word: &str, name: &str, causes: &[Cause]) -> Self {
        let sentences: Vec<String> = causes.iter().map(Cause::sentence).collect();
        let list = match sentences.as_slice() {
            [one] => one.clone(),
            several => format!("[{}]", several.join(", ")),
        };
        let message = format!("{} \"{name}\" is invalid: {list}", about.qualified(word));
        let mut details = about.details(name, word);
        details["causes"] = causes
            .iter()
            .map(|cause| json!({ "reason": cause.reason, "message": cause.message, "field": cause.field }))
            .collect();
        Self { details, ..Self::new(422, "Invalid", message) }
    }

    /// A patch that cannot be applied to the object.
    pub(crate) fn inapplicable() -> Self {
        let text = "the server rejected our request due to an error in our request";
        Self { details: json!({}), ..Self::new(422, "Invalid", text) }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(crate) fn forbidden(about: About<'_>, name: &str, text: &str) -> Self {
        let message = format!("{} \"{name}\" is forbidden: {text}", about.qualified(about.plural));
        Self { details: about.details(name, about.plural), ..Self::new(403, "Forbidden", message) }
    }

    pub(crate) fn method_not_allowed() -> Self {
        let text = "the server does not allow this method on the requested resource";
        Self { details: json!({}), ..Self::new(405, "MethodNotAllowed", text) }
    }

    pub(crate) fn unsupported_media(text: impl Into<String>) -> Self {
        Self { details: json!({}), ..Self::new(415, "UnsupportedMediaType", text) }
    }

    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// A failure made up by a test, with the reason that belongs to its code.
    pub(crate) fn injected(code: u16) -> Self {
        let reason = match code {
            400 => "BadRequest",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "NotFound",
            409 => "Conflict",
            410 => "Expired",
            422 => "Invalid",
            429 => "TooManyRequests",
            503 => "ServiceUnavailable",
            504 => "Timeout",
            _ => "InternalError",
        };
        Self::new(code, reason, format!("injected failure {code}"))
    }

    pub(crate) fn to_status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code,
        });
        if !self.reason.is_empty() {
            status["reason"] = self.reason.into();
        }
        if !self.details.is_null() {
            status["details"] = self.details.clone();
        }
        status
    }
}
