//! `AlertProvider.spec` with types.

use std::fmt;

use serde::Deserialize;

use crate::fields::ALERT_PROVIDER_SPEC;
use crate::metric_template::SecretRef;
use crate::objects::{AlertProvider, label};
use crate::problem::InvalidObject;
use crate::valid::read;

/// A chat or alert service. Its Debug form shows neither address nor proxy, which may hold secrets.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct AlertProviderSpec {
    /// Name of the service, `slack` for example. Not checked here: the registry of notifiers knows more.
    #[serde(rename = "type")]
    pub kind: String,
    /// Channel; `None` means `general`.
    pub channel: Option<String>,
    /// Author; `None` means `flagger`.
    pub username: Option<String>,
    /// URL of the service, unless the Secret has it.
    pub address: Option<String>,
    /// URL of the HTTP proxy.
    pub proxy: Option<String>,
    /// The Secret with `address` and `token`, in the provider's namespace.
    pub secret_ref: Option<SecretRef>,
}

impl fmt::Debug for AlertProviderSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlertProviderSpec")
            .field("kind", &self.kind)
            .field("channel", &self.channel)
            .field("username", &self.username)
            .field("secret_ref", &self.secret_ref)
            .finish_non_exhaustive()
    }
}

impl AlertProvider {
    /// What the user wrote, with types.
    ///
    /// ```
    /// use canary_api::AlertProvider;
    /// use serde_json::json;
    /// let provider = AlertProvider::new("test", "chat", json!({"type": "slack", "address": 5}));
    /// assert_eq!(
    ///     provider.check().unwrap_err().to_string(),
    ///     "invalid AlertProvider chat.test: spec.address is (not shown), expected a text"
    /// );
    /// ```
    ///
    /// # Errors
    /// Names every field that is missing or of the wrong kind.
    pub fn check(&self) -> Result<AlertProviderSpec, InvalidObject> {
        let (spec, problems) = read(&ALERT_PROVIDER_SPEC, &self.spec);
        if problems.is_empty() {
            return Ok(spec);
        }
        Err(InvalidObject::new("AlertProvider", label(&self.metadata), problems))
    }
}
