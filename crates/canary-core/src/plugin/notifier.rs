//! The contract of a chat or alert service.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// How urgent an alert is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// All goes as planned.
    #[default]
    Info,
    /// Somebody is waited for, or a person intervened.
    Warn,
    /// A rollout failed.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        })
    }
}

/// A message to people.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Alert {
    /// Name of the canary.
    pub name: String,
    /// Namespace of the canary.
    pub namespace: String,
    /// The message.
    pub text: String,
    /// How urgent it is.
    pub severity: Severity,
    /// Further facts, name and value, in the order in which they are shown.
    pub fields: Vec<(String, String)>,
}

impl Alert {
    /// An alert without fields.
    pub fn new(
        name: impl Into<String>,
        namespace: impl Into<String>,
        text: impl Into<String>,
        severity: Severity,
    ) -> Self {
        Self {
            name: name.into(),
            namespace: namespace.into(),
            text: text.into(),
            severity,
            fields: Vec::new(),
        }
    }

    /// With one more fact.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }
}

/// Delivers alerts to one place.
///
/// ```
/// use std::sync::Mutex;
/// use async_trait::async_trait;
/// use canary_core::{Alert, Notifier, NotifyError};
///
/// /// Keeps what it is told.
/// #[derive(Default)]
/// struct Kept(Mutex<Vec<Alert>>);
///
/// #[async_trait]
/// impl Notifier for Kept {
///     async fn send(&self, alert: &Alert) -> Result<(), NotifyError> {
///         self.0.lock().unwrap().push(alert.clone());
///         Ok(())
///     }
/// }
/// let _: Box<dyn Notifier> = Box::<Kept>::default();
/// ```
#[async_trait]
pub trait Notifier: Send + Sync {
    /// Delivers `alert`. Retries and queues are the caller's.
    async fn send(&self, alert: &Alert) -> Result<(), NotifyError>;
}

const _: Option<&dyn Notifier> = None; // stays object-safe

/// Why an alert was not delivered. Never holds the address or a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotifyError {
    /// The service could not be reached.
    #[error("{service} could not be reached: {reason}")]
    Unreachable {
        /// Name of the service, such as `slack`.
        service: &'static str,
        /// What went wrong, without the address.
        reason: String,
    },
    /// The service refused the message.
    #[error("{service} answered {status}: {body}")]
    Refused {
        /// Name of the service.
        service: &'static str,
        /// HTTP status.
        status: u16,
        /// Its body, shortened.
        body: String,
    },
    /// The notifier is not set up rightly.
    #[error("{service}: {reason}")]
    Configuration {
        /// Name of the service.
        service: &'static str,
        /// Which setting is wrong, and what would be right.
        reason: String,
    },
}
