//! What a run adds to its scenario.

use std::collections::BTreeMap;

use minijinja::Value;
use serde::{Deserialize, Serialize};

use crate::journal::Journal;
use crate::template::value_of;

/// What differs from run to run.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    /// Values of parameters, instead of the file's.
    pub params: BTreeMap<String, String>,
    /// The canary that it is for, if it is for one.
    pub canary: Option<CanaryNames>,
    /// Where paths lead, instead of the file's `base`.
    pub base: Option<String>,
    /// The rate, instead of the file's.
    pub target: Option<String>,
    /// How long, instead of what the file says.
    pub duration: Option<String>,
    /// No more requests per second than that, whatever the file says.
    pub ceiling: Option<f64>,
    /// A run that nothing would end is refused.
    pub must_end: bool,
    /// Name of the run: `run.id` in templates, and the header `x-canary-load`.
    pub run: String,
    /// Whether flows with `writes: true` may run.
    pub writes: bool,
    /// Where writes are entered before they are sent; in memory when left out.
    pub journal: Option<Journal>,
}

/// What templates know of a canary.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryNames {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The Service of its traffic.
    pub service: String,
    /// The port of that.
    pub port: Option<u16>,
}

/// For templates.
pub(crate) fn names(canary: &CanaryNames) -> Value {
    let mut all = BTreeMap::from([
        ("name", Value::from(canary.name.as_str())),
        ("namespace", Value::from(canary.namespace.as_str())),
        ("service", Value::from(canary.service.as_str())),
    ]);
    if let Some(port) = canary.port {
        all.insert("port", Value::from(port));
    }
    value_of(all)
}

/// A given text as a value of the kind that the default is.
pub(crate) fn like(default: &serde_json::Value, text: &str) -> serde_json::Value {
    use serde_json::Value;
    match (default, serde_json::from_str(text)) {
        (Value::Number(_), Ok(value @ Value::Number(_))) | (Value::Bool(_), Ok(value @ Value::Bool(_))) => {
            value
        }
        _ => text.into(),
    }
}
