//! What a hook tells: the canary, and metadata.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The payload of a webhook, as far as it matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Payload {
    /// Name of the Canary.
    pub(crate) name: String,
    /// Namespace of the Canary.
    pub(crate) namespace: String,
    /// Phase of the Canary, as the caller says.
    pub(crate) phase: String,
    /// Which revision it is about.
    pub(crate) checksum: String,
    /// What the hook was given. An explicit null is none.
    #[serde(deserialize_with = "or_none")]
    pub(crate) metadata: BTreeMap<String, String>,
}

fn or_none<'de, D: serde::Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

impl Payload {
    /// Reads a body; the first JSON value counts, as in Flagger.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        serde_json::Deserializer::from_slice(body).into_iter::<Self>().next()?.ok()
    }

    /// The canary as gates and tasks know it.
    pub(crate) fn canary(&self) -> String {
        format!("{}.{}", self.name, self.namespace)
    }

    /// A metadata value.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    /// A metadata value that says yes, as Go reads booleans.
    pub(crate) fn is_set(&self, key: &str) -> bool {
        matches!(self.get(key), Some("1" | "t" | "T" | "true" | "TRUE" | "True"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_fields_are_ignored_and_absent_ones_empty() {
        let payload = Payload::read(br#"{"name":"podinfo","phase":"Progressing","more":[1]}"#).unwrap();
        assert_eq!((payload.name.as_str(), payload.namespace.as_str()), ("podinfo", ""));
        assert!(Payload::read(br#"{"metadata":null}"#).unwrap().metadata.is_empty());
    }

    #[test]
    fn what_is_no_payload_is_none() {
        for body in ["", "no", "[1]", r#"{"metadata":{"a":1}}"#, r#"{"name":3}"#] {
            assert_eq!(Payload::read(body.as_bytes()), None, "{body}");
        }
    }
}
