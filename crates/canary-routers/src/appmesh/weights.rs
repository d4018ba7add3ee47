//! Shares of traffic as the routes of the apex hold them.

use canary_core::{RouteSpec, Weights};
use serde_json::Value;

use super::version::Version;
use crate::share::percentages;

/// The weights of both nodes as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Split {
    pub(super) primary: i64,
    pub(super) canary: i64,
}

impl Split {
    /// Everything on the primary.
    pub(super) const PRIMARY: Self = Self { primary: 100, canary: 0 };

    /// What the first route to the canary says; `None` when there is none.
    pub(super) fn read(version: Version, spec: &Value, route: &RouteSpec) -> Option<Self> {
        let rules = spec["routes"].as_array()?;
        rules.iter().map(|rule| &rule[version.http()]).find_map(|http| {
            let canary = of(http, &route.canary)?;
            Some(Self { primary: of(http, &route.primary).unwrap_or(0), canary })
        })
    }

    /// As percentages; `None` when both have nothing.
    pub(super) fn weights(&self) -> Option<Weights> {
        percentages(self.primary, self.canary)
    }
}

/// The weight that a rule gives to a node; `None` when it does not lead there.
pub(super) fn of(http: &Value, node: &str) -> Option<i64> {
    let targets = http.pointer("/action/weightedTargets")?.as_array()?;
    let target = targets.iter().find(|target| {
        target["virtualNodeName"].as_str().or(target["virtualNodeRef"]["name"].as_str()) == Some(node)
    })?;
    Some(target["weight"].as_i64().unwrap_or(0))
}
