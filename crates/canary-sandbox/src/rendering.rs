//! How a stored object looks in one served version: with its type, as metadata only, or as an event of the newer group.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};

use crate::events;

/// The form in which one request wants objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    /// Only metadata is wanted.
    pub(crate) partial: bool,
    /// Objects are events and wanted as `events.k8s.io`.
    pub(crate) new_events: bool,
}

impl Form {
    /// The object as JSON, with its type.
    pub(crate) fn value(&self, object: &Value) -> Value {
        serde_json::to_value(self.of(object)).unwrap_or_default()
    }

    pub(crate) fn of<'a>(&'a self, object: &'a Value) -> Rendered<'a> {
        Rendered { form: self, object, typed: true }
    }

    /// As an item of a list, where built-in kinds do not repeat their type.
    pub(crate) fn item<'a>(&'a self, object: &'a Value, typed: bool) -> Rendered<'a> {
        Rendered { form: self, object, typed: typed || self.partial }
    }

    /// A bookmark: an object of this kind with nothing but a version.
    pub(crate) fn bookmark(&self, revision: u64, initial_end: bool) -> Value {
        let mut metadata = json!({ "resourceVersion": revision.to_string() });
        if initial_end {
            metadata["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
        }
        self.value(&json!({ "metadata": metadata }))
    }
}

/// An object in a [`Form`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rendered<'a> {
    form: &'a Form,
    object: &'a Value,
    typed: bool,
}

impl Serialize for Rendered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if self.form.partial {
            map.serialize_entry("kind", "PartialObjectMetadata")?;
            map.serialize_entry("apiVersion", "meta.k8s.io/v1")?;
            map.serialize_entry("metadata", &self.object["metadata"])?;
            return map.end();
        }
        if self.typed {
            map.serialize_entry("kind", &self.form.kind)?;
            map.serialize_entry("apiVersion", &self.form.api_version)?;
        }
        let converted = self.form.new_events.then(|| events::to_new(self.object));
        for (key, value) in converted.as_ref().unwrap_or(self.object).as_object().into_iter().flatten() {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}
