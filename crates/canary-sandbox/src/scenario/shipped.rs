//! The scripts that come with this crate.

use super::Scenario;

/// Name and text of each.
const SHIPPED: [(&str, &str); 9] = [
    ("healthy", include_str!("../../scenarios/healthy.json")),
    ("errors", include_str!("../../scenarios/errors.json")),
    ("slow", include_str!("../../scenarios/slow.json")),
    ("no-traffic", include_str!("../../scenarios/no-traffic.json")),
    ("crash-loop", include_str!("../../scenarios/crash-loop.json")),
    ("prometheus-down", include_str!("../../scenarios/prometheus-down.json")),
    ("acceptance-fails", include_str!("../../scenarios/acceptance-fails.json")),
    ("gate-closed", include_str!("../../scenarios/gate-closed.json")),
    ("revision-change", include_str!("../../scenarios/revision-change.json")),
];

/// A name that no shipped scenario has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown scenario {name:?}; known are: {}", shipped_names().collect::<Vec<_>>().join(", "))]
pub struct UnknownScenario {
    /// The unknown name.
    pub name: String,
}

/// The shipped scenario of that name.
pub fn shipped(name: &str) -> Result<Scenario, UnknownScenario> {
    SHIPPED
        .iter()
        .find(|(known, _)| *known == name)
        .and_then(|(_, text)| serde_json::from_str(text).ok())
        .ok_or_else(|| UnknownScenario { name: name.to_owned() })
}

/// The names of the shipped scenarios, the harmless one first.
pub fn shipped_names() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_scenario_can_be_read_and_says_what_it_is_about() {
        for name in shipped_names() {
            assert!(!shipped(name).unwrap().about.is_empty(), "{name}");
        }
        let text = shipped("error").unwrap_err().to_string();
        assert!(text.contains("known are: healthy, errors,"), "{text}");
    }
}
