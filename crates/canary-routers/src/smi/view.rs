//! The parts of a TrafficSplit that we touch. What they do not name stays in `rest`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// `TrafficSplit.spec`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct TrafficSplitSpec {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) service: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) backends: Option<Vec<Backend>>,
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

/// A Service with its share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Backend {
    #[serde(default)]
    pub(super) service: String,
    /// A number, or a quantity as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) weight: Option<Value>,
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

impl TrafficSplitSpec {
    /// The backend that is that Service.
    pub(super) fn to(&self, service: &str) -> Option<&Backend> {
        self.backends.iter().flatten().find(|backend| backend.service == service)
    }
}
