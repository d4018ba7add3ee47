//! The annotations that tell the ingress controller which requests the canary gets.
//!
//! With A/B testing those that meet a header or a cookie, else a share of all.

use std::collections::BTreeMap;

use canary_core::{RouteSpec, RouterError, Weight, Weights};

use crate::apex_metadata;
use crate::ingress::LAST_APPLIED;

/// Annotations of an object.
type Map = BTreeMap<String, String>;

/// Every key that chooses requests by their content.
const CONDITIONS: [&str; 4] = ["by-cookie", "by-header", "by-header-value", "by-header-pattern"];

/// The keys, which begin with a prefix that is the controller's flag.
#[derive(Clone, Debug)]
pub(super) struct Annotations {
    /// `PREFIX/canary`
    canary: String,
}

impl Annotations {
    pub(super) fn new(prefix: &str) -> Self {
        Self { canary: format!("{prefix}/canary") }
    }

    fn key(&self, suffix: &str) -> String {
        format!("{}-{suffix}", self.canary)
    }

    /// Those of a new copy: the user's, without any that make it a canary in another way.
    pub(super) fn first(&self, mut annotations: Map) -> Map {
        annotations.remove(LAST_APPLIED);
        self.reset(&mut annotations);
        annotations.extend(toolkit());
        annotations
    }

    /// A copy that gets nothing.
    fn reset(&self, annotations: &mut Map) {
        annotations.retain(|key, _| !key.contains(&self.canary));
        annotations.insert(self.canary.clone(), "true".into());
        annotations.insert(self.key("weight"), "0".into());
    }

    /// Puts back what was taken away. Conditions and a weight that can be read stay.
    pub(super) fn repair(&self, annotations: &mut Map) {
        annotations.insert(self.canary.clone(), "true".into());
        annotations.extend(toolkit());
        let weight = annotations.entry(self.key("weight")).or_default();
        if weight.parse::<i64>().is_err() {
            "0".clone_into(weight);
        }
    }

    /// What the annotations do.
    pub(super) fn read(&self, annotations: &Map, route: &RouteSpec) -> Result<Weights, RouterError> {
        let by = |what| annotations.contains_key(&self.key(what));
        if !route.conditions.is_empty() && (by("by-cookie") || by("by-header")) {
            return Ok(Weights::canary(Weight::ALL));
        }
        let Some(weight) = annotations.get(&self.key("weight")) else { return Ok(Weights::PRIMARY) };
        let percent = weight.parse().map_err(|error| RouterError::Invalid {
            message: format!("failed to convert {weight} to int: {error}"),
        })?;
        Ok(Weights::canary(Weight::clamped(percent)))
    }

    /// Makes the annotations do `weights`.
    pub(super) fn write(
        &self,
        annotations: &mut Map,
        route: &RouteSpec,
        weights: Weights,
    ) -> Result<(), RouterError> {
        if weights.canary == Weight::ZERO {
            self.reset(annotations);
            return Ok(());
        }
        let conditions = self.conditions(route)?;
        for key in CONDITIONS {
            annotations.remove(&self.key(key));
        }
        // A share of all requests beside the chosen ones would be no A/B test.
        let share = if conditions.is_empty() { weights.canary } else { Weight::ZERO };
        annotations.insert(self.canary.clone(), "true".into());
        annotations.insert(self.key("weight"), share.to_string());
        annotations.extend(conditions);
        Ok(())
    }

    /// The annotations for `analysis.match`: one cookie, one header. Flagger: of several the last one counts.
    pub(super) fn conditions(&self, route: &RouteSpec) -> Result<Map, RouterError> {
        let mut wanted = Map::new();
        for (name, text) in route.conditions.iter().flat_map(|condition| &condition.headers) {
            let refused = |can: &str| RouterError::Unsupported {
                message: format!("analysis.match: NGINX compares the header {name} only by {can}"),
            };
            if text.prefix.is_some() || text.suffix.is_some() {
                return Err(refused("exact or regex"));
            }
            if name == "cookie" {
                let exact = text.exact.clone().ok_or_else(|| refused("exact, which is the cookie's name"))?;
                wanted.insert(self.key("by-cookie"), exact);
                continue;
            }
            wanted.insert(self.key("by-header"), name.clone());
            for (key, value) in [("by-header-value", &text.exact), ("by-header-pattern", &text.regex)] {
                match value.clone().filter(|value| !value.is_empty()) {
                    Some(value) => wanted.insert(self.key(key), value),
                    None => wanted.remove(&self.key(key)),
                };
            }
        }
        if wanted.is_empty() && !route.conditions.is_empty() {
            let message = "analysis.match: NGINX needs a header, or the header cookie, to choose by".into();
            return Err(RouterError::Unsupported { message });
        }
        Ok(wanted)
    }
}

/// What keeps Flux off the copy.
fn toolkit() -> Map {
    apex_metadata(&RouteSpec::default()).annotations
}
