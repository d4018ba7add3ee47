//! What a hook tells: the canary, and metadata.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// The payload of a webhook, as far as it matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Payload {
    /// Name of the Canary.
    pub(crate) name: String,
    /// Namespace of the Canary.
    pub(crate) namespace: String,
    /// Phase of the Canary, as the caller says.
    pub(crate) phase: String,
    /// Which revision it is about.
    pub(crate) checksum: String,
    /// What the hook was given.
    pub(crate) metadata: BTreeMap<String, String>,
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(AsGo)
    }
}

/// Reads it as Go's `encoding/json` does: the case of field names does not matter, a null says nothing (in metadata: an empty
/// text), and what is said later adds to what was said before.
struct AsGo;

impl<'de> Visitor<'de> for AsGo {
    type Value = Payload;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the payload of a webhook")
    }

    fn visit_unit<E>(self) -> Result<Payload, E> {
        Ok(Payload::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Payload, A::Error> {
        let mut payload = Payload::default();
        while let Some(key) = map.next_key::<String>()? {
            let field = match key.to_ascii_lowercase().as_str() {
                "name" => &mut payload.name,
                "namespace" => &mut payload.namespace,
                "phase" => &mut payload.phase,
                "checksum" => &mut payload.checksum,
                "metadata" => {
                    match map.next_value::<Option<BTreeMap<String, Option<String>>>>()? {
                        None => payload.metadata.clear(),
                        Some(more) => payload
                            .metadata
                            .extend(more.into_iter().map(|(key, value)| (key, value.unwrap_or_default()))),
                    }
                    continue;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            if let Some(text) = map.next_value::<Option<String>>()? {
                *field = text;
            }
        }
        Ok(payload)
    }
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
        for body in [
            "",
            "no",
            "[1]",
            "[]",
            "1",
            "\"a\"",
            "true",
            r#"{"metadata":{"a":1}}"#,
            r#"{"metadata":[]}"#,
            r#"{"METADATA":{"a":[]}}"#,
            r#"{"name":3}"#,
            r#"{"name":"podinfo""#,
        ] {
            assert_eq!(Payload::read(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn it_is_read_as_go_reads_it() {
        let read = |body: &str| Payload::read(body.as_bytes()).unwrap();
        assert_eq!(read("null"), Payload::default());
        assert_eq!(read("{}"), Payload::default());
        let nulls = read(r#"{"name":null,"namespace":"test","metadata":{"cmd":null,"type":"bash"}}"#);
        assert_eq!((nulls.name.as_str(), nulls.namespace.as_str()), ("", "test"));
        assert_eq!((nulls.get("cmd"), nulls.get("type")), (Some(""), Some("bash")));
        let cases = read(r#"{"NAME":"podinfo","nameSpace":"test","Metadata":{"cmd":"a","Cmd":"b"}}"#);
        assert_eq!(
            (cases.canary().as_str(), cases.get("cmd"), cases.get("Cmd")),
            ("podinfo.test", Some("a"), Some("b"))
        );
        let twice =
            read(r#"{"name":"a","Name":"b","name":null,"metadata":{"x":"1","y":"1"},"METADATA":{"y":"2"}}"#);
        assert_eq!((twice.name.as_str(), twice.get("x"), twice.get("y")), ("b", Some("1"), Some("2")));
        assert!(read(r#"{"metadata":{"x":"1"},"metadata":null}"#).metadata.is_empty());
        let kept = serde_json::to_string(&cases).unwrap();
        assert_eq!(read(&kept), cases);
    }
}
