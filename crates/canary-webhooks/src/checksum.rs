//! Flagger's short hashes, where they can be reproduced: of the two status fields that payloads identify a revision by,
//! and of plain texts. Not for pod templates, whose Flagger hash depends on the internals of Go types.

use std::collections::BTreeMap;

/// Identifies revision and tracked configuration in hook payloads, as `status.lastAppliedSpec` and
/// `status.trackedConfigs` have them. `None`: configuration is not tracked (which differs from "tracked and empty").
///
/// ```
/// use canary_webhooks::checksum;
/// assert_eq!(checksum(None, ""), "758df7c9fc");
/// assert_eq!(checksum(None, "4cb74184589"), "7c9d467496");
/// ```
pub fn checksum(tracked_configs: Option<&BTreeMap<String, String>>, last_applied: &str) -> String {
    let tracked = match tracked_configs {
        None => "<nil>".to_owned(),
        Some(configs) => {
            let pairs: Vec<String> = configs.iter().map(|(name, hash)| format!("{name}:{hash}")).collect();
            format!("map[{}]", pairs.join(" "))
        }
    };
    short_hash(&format!(
        "(struct {{ TrackedConfigs *map[string]string; LastAppliedSpec string }})\
         {{TrackedConfigs:(*map[string]string){tracked} LastAppliedSpec:(string){last_applied}}}"
    ))
}

/// Flagger's hash of a plain text, such as the name of a Knative revision.
///
/// ```
/// assert_eq!(canary_webhooks::text_checksum("podinfo-00001"), "5498f4fcd6");
/// ```
pub fn text_checksum(text: &str) -> String {
    short_hash(&format!("(string){text}"))
}

/// The 32-bit FNV-1a hash of `dump` in decimal, written with characters that cannot form a word.
fn short_hash(dump: &str) -> String {
    let hash =
        dump.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash.to_string()
        .chars()
        .map(|digit| match digit {
            '0' => '4',
            '1' => '5',
            '2' => '6',
            '3' => '7',
            '4' => '8',
            '5' => '9',
            '6' => 'b',
            '7' => 'c',
            '8' => 'd',
            _ => 'f',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, hash)| ((*name).to_owned(), (*hash).to_owned())).collect()
    }

    #[test]
    fn checksums_are_those_of_flagger() {
        for (tracked, last_applied, expected) in [
            (Some(configs(&[("test-config-map", "484637c76acaa7c6")])), "5f56684589", "85d557f47b"),
            (Some(configs(&[("configmap/b", "x"), ("configmap/a", "y")])), "5f56684589", "5959d4bb68"),
            (Some(configs(&[])), "5f56684589", "557d867f8b"),
            (None, "4cb74184589", "7c9d467496"),
            (None, "", "758df7c9fc"),
            (None, "5498f4fcd6", "5b4f9f8976"),
            (Some(configs(&[])), "5498f4fcd6", "57cf5f465"),
        ] {
            assert_eq!(checksum(tracked.as_ref(), last_applied), expected, "{tracked:?} {last_applied:?}");
        }
    }

    #[test]
    fn texts_hash_as_in_flagger() {
        assert_eq!(text_checksum("podinfo-00001"), "5498f4fcd6");
        assert_eq!(text_checksum(""), "8857b86c7");
    }
}
