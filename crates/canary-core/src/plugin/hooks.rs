//! The contract of whoever calls a canary's webhooks.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::Phase;

/// One call to make.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct HookCall {
    /// Name of the hook.
    pub name: String,
    /// Where to POST.
    pub url: String,
    /// Limit for each attempt, from connecting to the end of the body. `Err`: the text that is not a duration.
    pub timeout: Result<Duration, String>,
    /// Attempts beyond the first.
    pub retries: u32,
    /// Certificates are not verified.
    pub disable_tls: bool,
    /// What to send.
    pub payload: HookPayload,
}

impl HookCall {
    /// A call with Flagger's defaults: 10 s, no retries.
    pub fn new(name: impl Into<String>, url: impl Into<String>, payload: HookPayload) -> Self {
        Self {
            name: name.into(),
            url: url.into(),
            timeout: Ok(Duration::from_secs(10)),
            retries: 0,
            disable_tls: false,
            payload,
        }
    }
}

/// The body of a hook call, its keys in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookPayload {
    /// Name of the canary.
    pub name: String,
    /// Namespace of the canary.
    pub namespace: String,
    /// Phase that the receiver is to see.
    pub phase: Phase,
    /// Identifies revision and tracked configuration.
    pub checksum: String,
    /// The hook's metadata.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

/// What came of a hook call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookAnswer {
    /// Status 200, 201 or 202.
    Passed,
    /// Anything else, with the text that events show (it may be empty).
    Failed(String),
}

/// Calls webhooks.
///
/// ```
/// use async_trait::async_trait;
/// use canary_core::{HookAnswer, HookCall, Hooks};
///
/// /// Every gate is open.
/// struct Open;
///
/// #[async_trait]
/// impl Hooks for Open {
///     async fn call(&self, _: &HookCall) -> HookAnswer {
///         HookAnswer::Passed
///     }
/// }
/// let _: Box<dyn Hooks> = Box::new(Open);
/// ```
#[async_trait]
pub trait Hooks: Send + Sync {
    /// Makes the call with its retries, and says how it ended.
    async fn call(&self, call: &HookCall) -> HookAnswer;
}

const _: Option<&dyn Hooks> = None; // stays object-safe
