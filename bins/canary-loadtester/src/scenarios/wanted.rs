//! What the metadata of a hook say about a scenario.

use std::collections::BTreeMap;
use std::time::Duration;

use canary_scenario::SourceSpec;
use serde_json::{Map, json};

use crate::load::duration;
use crate::payload::Payload;

const KNOWN: [&str; 10] =
    ["type", "scenario", "overlay", "sha256", "base", "target", "duration", "of", "primary-limits", "lease"];
/// Before the names of parameters.
const PARAM: &str = "param.";

/// What is wanted of a scenario.
#[derive(Debug)]
pub(super) struct Wanted {
    /// Where it is, and then what changes it.
    pub(super) files: Vec<SourceSpec>,
    /// What the metadata themselves change in it, as one more overlay.
    pub(super) changes: Option<String>,
    pub(super) params: BTreeMap<String, String>,
    pub(super) base: Option<String>,
    pub(super) target: Option<String>,
    pub(super) duration: Option<String>,
    pub(super) lease: Option<Duration>,
    /// Of all metadata: what differs in any of them is other load.
    pub(super) digest: String,
}

impl Wanted {
    pub(super) fn of(payload: &Payload) -> Result<Self, String> {
        let mut params = BTreeMap::new();
        for (key, value) in &payload.metadata {
            if let Some(name) = key.strip_prefix(PARAM) {
                params.insert(name.to_owned(), value.clone());
            } else if !KNOWN.contains(&key.as_str()) {
                let known = KNOWN.join(", ");
                return Err(format!(
                    "{key:?} is not known; with a scenario known are {known} and param.NAME. How much load it is says the scenario"
                ));
            }
        }
        let owned = |key: &str| payload.get(key).map(str::to_owned);
        let scenario = payload.get("scenario").unwrap_or_default();
        let base = SourceSpec::of_reference(scenario, payload.get("sha256"));
        let mut files = vec![base.map_err(|why| format!("scenario: {why}"))?];
        if let Some(overlays) = payload.get("overlay") {
            files.extend(SourceSpec::of_references(overlays).map_err(|why| format!("overlay: {why}"))?);
        }
        Ok(Self {
            files,
            changes: changes(payload),
            params,
            base: owned("base"),
            target: owned("target"),
            duration: owned("duration"),
            lease: duration(payload, "lease")?,
            digest: canary_scenario::digest(format!("{:?}", payload.metadata).as_bytes()),
        })
    }
}

fn changes(payload: &Payload) -> Option<String> {
    let mut load = Map::new();
    if let Some(of) = payload.get("of") {
        load.insert("of".to_owned(), of.into());
    }
    if let Some(limits) = payload.get("primary-limits") {
        let limits = limits.split([';', '\n']).map(str::trim).filter(|rule| !rule.is_empty());
        load.insert("primary-limits".to_owned(), limits.collect());
    }
    (!load.is_empty()).then(|| json!({ "load": load }).to_string())
}

/// Whether the metadata name that host, or the Service whose arm it is.
pub(super) fn mention(payload: &Payload, host: &str) -> bool {
    let (service, rest) = host.split_once('.').map_or((host, ""), |(service, rest)| (service, rest));
    let of_both = service.strip_suffix("-canary").or_else(|| service.strip_suffix("-primary"));
    let is_named = |service: &str| {
        let dot = if rest.is_empty() { "" } else { "." };
        holds(payload, &format!("{service}{dot}{rest}"))
    };
    holds(payload, host) || of_both.is_some_and(is_named)
}

/// Whether the metadata hold that host as a word of its own.
fn holds(payload: &Payload, host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    payload.metadata.values().any(|value| {
        let value = value.to_ascii_lowercase();
        value.match_indices(&host).any(|(at, found)| {
            let (before, after) = (value[..at].chars().next_back(), value[at + found.len()..].chars().next());
            // The end of a sentence is no part of a host, but `a.` may be the beginning of one.
            !before.is_some_and(is_part) && !after.is_some_and(is_part)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(pairs: &[(&str, &str)]) -> Payload {
        let metadata = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Payload { metadata, ..Payload::default() }
    }

    #[test]
    fn parameters_come_with_a_prefix_and_the_rest_is_known() {
        let wanted = Wanted::of(&payload(&[
            ("scenario", "load/shop.yaml"),
            ("param.tenant", "a"),
            ("target", "20/s"),
            ("lease", "2m"),
        ]))
        .unwrap();
        assert_eq!(wanted.params, BTreeMap::from([("tenant".into(), "a".into())]));
        assert_eq!((wanted.target.as_deref(), wanted.lease), (Some("20/s"), Some(Duration::from_secs(120))));
        for (pair, why) in [
            (("url", "http://a/"), "\"url\" is not known; with a scenario known are type, scenario"),
            (("lease", "2"), "lease takes a duration"),
            (("overlay", "load/a.yaml b"), "overlay: \"b\" is nothing that can be fetched"),
        ] {
            let error = Wanted::of(&payload(&[("scenario", "load/shop.yaml"), pair])).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn other_metadata_are_other_load() {
        let digest =
            |target: &str| Wanted::of(&payload(&[("scenario", "a/b"), ("target", target)])).unwrap().digest;
        assert_eq!(digest("1/s"), digest("1/s"));
        assert_ne!(digest("1/s"), digest("2/s"));
    }

    #[test]
    fn a_host_is_named_as_a_whole_word_only() {
        let named =
            payload(&[("scenario", "name: a\nbase: http://shop.test:9898/x"), ("param.p", "prometheus")]);
        for host in ["shop.test", "SHOP.test", "prometheus", "shop-canary.test", "shop-primary.test"] {
            assert!(mention(&named, host), "{host}");
        }
        for host in ["hop.test", "shop.tes", "shop", "test", "shop-other.test", "169.254.169.254"] {
            assert!(!mention(&named, host), "{host}");
        }
    }
}
