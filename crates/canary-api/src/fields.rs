//! The fields of the three resources, each described once. No behaviour here.

mod alert_provider;
mod analysis;
mod canary;
mod matching;
mod metric_template;
mod service;
mod status;
mod traffic_policy;

use std::sync::LazyLock;

use crate::schema::Node;

pub(crate) static CANARY_SPEC: LazyLock<Node> = LazyLock::new(canary::canary_spec);
pub(crate) static CANARY_STATUS: LazyLock<Node> = LazyLock::new(status::canary_status);
pub(crate) static METRIC_TEMPLATE_SPEC: LazyLock<Node> = LazyLock::new(metric_template::metric_template_spec);
pub(crate) static ALERT_PROVIDER_SPEC: LazyLock<Node> = LazyLock::new(alert_provider::alert_provider_spec);

/// The API server's test for durations in the analysis: minutes or seconds first, anything after.
const MINUTES_OR_SECONDS: &str = "^[0-9]+(m|s)";
