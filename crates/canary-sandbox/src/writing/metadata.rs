//! Metadata: what the server fills in, keeps and refuses.

use serde_json::{Map, Value};

use crate::cluster::{Cluster, Resource};
use crate::errors::{ApiError, Cause};

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', \
and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start \
and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
'[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const LABEL_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an \
alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is \
'[a-z]([-a-z0-9]*[a-z0-9])?')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', \
and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for \
validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/// The alphabet of made-up name endings: no vowels, so that no words arise.
const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// The metadata of an object, which must be a map.
pub(super) fn metadata_mut(object: &mut Value) -> Result<&mut Map<String, Value>, ApiError> {
    let map =
        object.as_object_mut().ok_or_else(|| ApiError::bad_request("the object is not a JSON object"))?;
    let metadata = map.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    if metadata.is_null() {
        *metadata = Value::Object(Map::new());
    }
    metadata.as_object_mut().ok_or_else(|| ApiError::bad_request("metadata is not a JSON object"))
}

pub(super) fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object["metadata"][key].as_str().unwrap_or_default()
}

/// Checks the type that an object states and takes it off; checks its namespace and puts in that of the request.
pub(super) fn adopt(resource: &Resource, object: &mut Value) -> Result<(), ApiError> {
    let form = resource.form(false);
    let kind = &resource.kind;
    let map =
        object.as_object_mut().ok_or_else(|| ApiError::bad_request("the object is not a JSON object"))?;
    let stated = |value: Option<Value>| value.and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
    let stated_kind = stated(map.remove("kind"));
    let stated_version = stated(map.remove("apiVersion"));
    if kind.builtin.is_none() {
        if stated_kind.is_empty() {
            return Err(ApiError::bad_request("Object 'Kind' is missing in the body of the request"));
        }
        if stated_kind != form.kind || !stated_version.is_empty() && stated_version != form.api_version {
            let (version, name) = (&form.api_version, &form.kind);
            return Err(ApiError::bad_request(format!(
                "the object in the body is {stated_version} {stated_kind}; this path takes {version} {name}"
            )));
        }
    } else if !stated_kind.is_empty() && stated_kind != form.kind
        || !stated_version.is_empty() && stated_version != form.api_version
    {
        let version = stated_version.rsplit('/').next().unwrap_or_default().to_owned();
        return Err(ApiError::bad_request(format!(
            "{stated_kind} in version {version:?} cannot be handled as a {}: unknown conversion",
            form.kind
        )));
    }
    let namespace = &resource.namespace;
    let metadata = metadata_mut(object)?;
    for unused in ["managedFields", "selfLink"] {
        metadata.remove(unused);
    }
    // Go clients send a null for the time of creation.
    metadata.retain(|_, value| !value.is_null());
    for map in ["labels", "annotations"] {
        if metadata.get(map).and_then(Value::as_object).is_some_and(Map::is_empty) {
            metadata.remove(map);
        }
    }
    for list in ["finalizers", "ownerReferences"] {
        if metadata.get(list).and_then(Value::as_array).is_some_and(Vec::is_empty) {
            metadata.remove(list);
        }
    }
    let stated = metadata.get("namespace").and_then(Value::as_str).unwrap_or_default();
    if !stated.is_empty() && stated != namespace {
        return Err(ApiError::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    if namespace.is_empty() {
        metadata.remove("namespace");
    } else {
        metadata.insert("namespace".into(), namespace.as_str().into());
    }
    Ok(())
}

/// What is wrong with names, labels and annotations.
pub(super) fn faults(resource: &Resource, object: &Value) -> Vec<Cause> {
    use crate::kinds::BuiltIn;
    let mut causes = Vec::new();
    let name = text(object, "name");
    let (fits, rule) = match resource.kind.builtin {
        Some(BuiltIn::Service) => {
            (is_label(name) && name.starts_with(|c: char| c.is_ascii_lowercase()), LABEL_1035)
        }
        Some(BuiltIn::Namespace) => (is_label(name), LABEL),
        Some(_) | None => (name.len() <= 253 && name.split('.').all(is_word), SUBDOMAIN),
    };
    if name.is_empty() {
        causes.push(Cause::required("metadata.name", "name or generateName is required"));
    } else if !fits {
        causes.push(Cause::invalid("metadata.name", &name.into(), rule));
    }
    for (key, value) in object["metadata"]["labels"].as_object().into_iter().flatten() {
        match value.as_str() {
            Some(value) if is_label_value(value) => {}
            Some(long) if long.len() > 63 => {
                causes.push(Cause::invalid("metadata.labels", value, "must be no more than 63 characters"));
            }
            Some(_) => causes.push(Cause::invalid("metadata.labels", value, LABEL_VALUE)),
            None => {
                let text = format!("the value of the label {key:?} must be a string");
                causes.push(Cause::invalid("metadata.labels", value, &text));
            }
        }
    }
    for (key, value) in object["metadata"]["annotations"].as_object().into_iter().flatten() {
        if !value.is_string() {
            let text = format!("the value of the annotation {key:?} must be a string");
            causes.push(Cause::invalid("metadata.annotations", value, &text));
        }
    }
    causes
}

fn is_word(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.chars().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

fn is_label(text: &str) -> bool {
    text.len() <= 63 && is_word(text)
}

fn is_label_value(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    text.len() <= 63
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && edge(text.chars().next())
        && edge(text.chars().last())
}

impl Cluster {
    /// A name from a prefix; five letters as a real server adds, derived from a counter so that runs repeat.
    pub(super) fn make_name(&mut self, prefix: &str) -> String {
        let mut mixed = mix(self.draw());
        let mut name = prefix.chars().take(58).collect::<String>();
        for _ in 0..5 {
            name.push(char::from(LETTERS[(mixed % 27) as usize]));
            mixed /= 27;
        }
        name
    }

    pub(crate) fn make_uid(&mut self) -> String {
        let count = self.draw();
        let (high, low) = (mix(count), mix(count ^ u64::MAX));
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            low >> 48 & 0x3fff | 0x8000,
            low & 0xffff_ffff_ffff
        )
    }
}

/// Spreads a counter over all bits (the finaliser of splitmix64).
fn mix(count: u64) -> u64 {
    let mut z = count.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
