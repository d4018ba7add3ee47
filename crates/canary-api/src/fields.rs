//! The fields of the three resources, each described once. No behaviour here.

mod alert_provider;
mod analysis;
mod canary;
mod matching;
mod metric_template;
mod service;
mod status;
mod traffic_policy;

pub(crate) use alert_provider::alert_provider_spec;
pub(crate) use canary::canary_spec;
pub(crate) use metric_template::metric_template_spec;
pub(crate) use status::canary_status;

/// The API server's test for durations in the analysis: minutes or seconds first, anything after.
const MINUTES_OR_SECONDS: &str = "^[0-9]+(m|s)";
