//! Shares of traffic as an HTTPRoute holds them: read, kept, or made from what the rollout wants.

use canary_core::{RouteSpec, Weights};

use super::filters::mirrors_to;
use super::view::{HttpRouteSpec, Rule};
use crate::share::percentages;

/// The weights of the rule that splits traffic, and whether it copies requests to the canary.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Split {
    pub(super) primary: i64,
    pub(super) canary: i64,
    pub(super) mirror: bool,
}

impl Split {
    /// Everything on the primary.
    pub(super) const PRIMARY: Self = Self { primary: 100, canary: 0, mirror: false };

    /// What a rollout wants.
    pub(super) fn wanted(weights: Weights) -> Self {
        Self { primary: weights.primary.into(), canary: weights.canary.into(), mirror: weights.mirror }
    }

    /// What the rules say; `None` when they do not mention our Services, or give both nothing.
    pub(super) fn read(spec: &HttpRouteSpec, route: &RouteSpec) -> Option<Self> {
        // Rules for cookies come before the one that splits.
        let leads = |rule: &&Rule| rule.to(&route.canary, route).is_some();
        let rule = spec.rules.as_deref()?.iter().rfind(leads)?;
        // A backend without a weight has 1, says the API.
        let weight = |service: &str| rule.to(service, route).map_or(0, |backend| backend.weight.unwrap_or(1));
        let mirror = rule.filters.iter().flatten().any(|filter| mirrors_to(filter, &route.canary));
        let split = Self { primary: weight(&route.primary), canary: weight(&route.canary), mirror };
        split.weights().map(|_| split)
    }

    /// As percentages.
    pub(super) fn weights(self) -> Option<Weights> {
        percentages(self.primary, self.canary).map(|weights| Weights { mirror: self.mirror, ..weights })
    }
}
