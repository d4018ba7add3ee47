//! The parts of a TraefikService that we touch, and the shares in them. What they do not name stays in `rest`.

use canary_core::{RouteSpec, Weights};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::share::percentages;

/// `TraefikService.spec`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct TraefikServiceSpec {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) weighted: Option<Weighted>,
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

/// `TraefikService.spec.weighted`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Weighted {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) services: Option<Vec<Member>>,
    /// The sticky cookie, for one.
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

/// A Service with its share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Member {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) namespace: Option<String>,
    /// A number or a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) port: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) weight: Option<i64>,
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

impl TraefikServiceSpec {
    /// The list, if there is one.
    pub(super) fn members(&self) -> &[Member] {
        self.weighted.as_ref().and_then(|weighted| weighted.services.as_deref()).unwrap_or_default()
    }

    /// The member that is that Service.
    pub(super) fn to(&self, service: &str) -> Option<&Member> {
        self.members().iter().find(|member| member.name == service)
    }
}

/// The weights of both Services as written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Split {
    pub(super) primary: i64,
    pub(super) canary: i64,
}

impl Split {
    /// Everything on the primary.
    pub(super) const PRIMARY: Self = Self { primary: 100, canary: 0 };

    /// What the list says; `None` when it does not mention our Services, or gives both nothing.
    pub(super) fn read(spec: &TraefikServiceSpec, route: &RouteSpec) -> Option<Self> {
        // A member without a weight has 1, says Traefik.
        let weight = |service: &str| spec.to(service).map_or(0, |member| member.weight.unwrap_or(1));
        let split = Self { primary: weight(&route.primary), canary: weight(&route.canary) };
        split.weights().map(|_| split)
    }

    /// As percentages.
    pub(super) fn weights(self) -> Option<Weights> {
        percentages(self.primary, self.canary)
    }
}
