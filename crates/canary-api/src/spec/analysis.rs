//! `Canary.spec.analysis` with types.

use std::collections::BTreeMap;
use std::time::Duration;

use canary_core::HttpMatch;
use serde::Deserialize;

use crate::go_duration::GoDuration;

/// How a revision is judged, as written. Numbers may be outside the range that makes sense.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Analysis {
    /// Time between ticks, as written; see [`Analysis::period`].
    pub interval: String,
    /// Failed checks at which the revision is rolled back.
    pub threshold: i64,
    /// Ticks of A/B testing and blue/green.
    pub iterations: i64,
    /// Percentage points per step.
    pub step_weight: i64,
    /// Percentages step by step.
    pub step_weights: Vec<i64>,
    /// Percentage at which the promotion starts.
    pub max_weight: i64,
    /// Percentage points per step of the promotion.
    pub step_weight_promotion: i64,
    /// Traffic is mirrored.
    pub mirror: bool,
    /// Percentage of the traffic that is mirrored.
    pub mirror_weight: i64,
    /// Percentage of the primary's pods that must be available.
    pub primary_ready_threshold: Option<i64>,
    /// Percentage of the target's pods that must be available.
    pub canary_ready_threshold: Option<i64>,
    /// Conditions of A/B testing.
    #[serde(rename = "match")]
    pub matches: Vec<HttpMatch>,
    /// Checks.
    pub metrics: Vec<Metric>,
    /// Rules for alerts.
    pub alerts: Vec<AlertRef>,
    /// Hooks.
    pub webhooks: Vec<Webhook>,
    /// Session affinity.
    pub session_affinity: Option<SessionAffinity>,
}

impl Analysis {
    /// Time between ticks: 60 s when the text is no duration, 10 s when it is a shorter one.
    pub fn period(&self) -> Duration {
        let written = self.interval.parse::<GoDuration>().map_or(Duration::from_secs(60), GoDuration::to_std);
        written.max(Duration::from_secs(10))
    }
}

/// A check.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Metric {
    /// Name.
    pub name: String,
    /// Window of the query, as written.
    pub interval: Option<String>,
    /// The legacy bound.
    pub threshold: f64,
    /// The bounds.
    pub threshold_range: Option<ThresholdRange>,
    /// An inline query; empty when there is none.
    pub query: String,
    /// The template to ask.
    pub template_ref: Option<ProviderRef>,
    /// Variables of the template.
    pub template_variables: BTreeMap<String, String>,
}

/// The good values, both ends included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ThresholdRange {
    /// Smallest.
    pub min: Option<f64>,
    /// Largest.
    pub max: Option<f64>,
}

/// A reference to a `MetricTemplate` or an `AlertProvider`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ProviderRef {
    /// Name.
    pub name: String,
    /// Namespace, if the user gave one.
    pub namespace: Option<String>,
}

impl ProviderRef {
    /// Namespace and name, for a canary in `home`.
    pub fn resolve(&self, home: &str) -> (String, String) {
        let namespace = self.namespace.as_deref().filter(|n| !n.is_empty()).unwrap_or(home);
        (namespace.to_owned(), self.name.clone())
    }
}

/// A rule for alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct AlertRef {
    /// Name.
    pub name: String,
    /// `info`, `warn`, `error` or empty.
    pub severity: String,
    /// Who delivers.
    pub provider_ref: ProviderRef,
}

/// A hook.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Webhook {
    /// Name.
    pub name: String,
    /// When it is called; empty means `rollout`.
    #[serde(rename = "type")]
    pub kind: String,
    /// No alert while it keeps the rollout waiting.
    pub mute_alert: bool,
    /// Where to POST.
    pub url: String,
    /// Time limit of each attempt, as written.
    pub timeout: String,
    /// Further attempts.
    pub retries: i64,
    /// Certificates are not verified.
    #[serde(rename = "disableTLS")]
    pub disable_tls: bool,
    /// What is sent along.
    pub metadata: BTreeMap<String, String>,
}

/// Session affinity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
#[allow(clippy::struct_excessive_bools)] // attributes of a cookie, each on or off
pub struct SessionAffinity {
    /// Name of the canary's cookie.
    pub cookie_name: String,
    /// Name of the primary's cookie.
    pub primary_cookie_name: Option<String>,
    /// Attribute of the cookies.
    pub domain: Option<String>,
    /// Attribute of the cookies.
    pub http_only: bool,
    /// Life of the canary's cookie in seconds.
    pub max_age: i64,
    /// Attribute of the cookies.
    pub partitioned: bool,
    /// Attribute of the cookies.
    pub path: Option<String>,
    /// Attribute of the cookies.
    pub same_site: Option<String>,
    /// Attribute of the cookies.
    pub secure: bool,
}
