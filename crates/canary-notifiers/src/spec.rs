//! Where alerts go and as whom. Not which alerts go there, which is the core's `AlertRule`.

use std::fmt;

use canary_core::NotifyError;

/// The settings of one notifier: an `AlertProvider` with its secret read, or the global one.
///
/// ```
/// use canary_notifiers::NotifierSpec;
///
/// let mut spec = NotifierSpec::new("slack", "https://slack.com/api/chat.postMessage");
/// spec.set_channel("deploys");
/// spec.set_username(""); // not set: the default stays
/// spec.token = Some("xoxb-1".into());
/// assert_eq!((spec.channel.as_str(), spec.username.as_str()), ("deploys", "flagger"));
/// assert!(!format!("{spec:?}").contains("xoxb"), "secrets stay out of logs");
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotifierSpec {
    /// Type: `slack`, `msteams`, `discord`, `rocket`, `gchat` or a name of the program's own.
    pub kind: String,
    /// Channel, for the services that have one.
    pub channel: String,
    /// Who posts, for the services that show it.
    pub username: String,
    /// Where to POST. A secret: most services authenticate by what stands in it.
    pub address: String,
    /// Bearer token, for Slack only.
    pub token: Option<String>,
    /// Proxy to use instead of those of the environment: `http://…`, `https://…`, or a host and port.
    pub proxy: Option<String>,
}

impl NotifierSpec {
    /// Flagger's defaults for an `AlertProvider`: user `flagger`, channel `general`, no token, proxies of the environment.
    pub fn new(kind: impl Into<String>, address: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            channel: "general".into(),
            username: "flagger".into(),
            address: address.into(),
            token: None,
            proxy: None,
        }
    }

    /// Chooses the channel, unless `channel` is empty, which is how objects say "not set".
    pub fn set_channel(&mut self, channel: &str) {
        if !channel.is_empty() {
            channel.clone_into(&mut self.channel);
        }
    }

    /// Chooses the user, unless `username` is empty.
    pub fn set_username(&mut self, username: &str) {
        if !username.is_empty() {
            username.clone_into(&mut self.username);
        }
    }

    /// For the services that need both a channel and a user.
    pub(crate) fn require_channel_and_username(&self, service: &'static str) -> Result<(), NotifyError> {
        for (setting, value) in [("username", &self.username), ("channel", &self.channel)] {
            if value.is_empty() {
                let reason = format!("{setting} is empty; name one");
                return Err(NotifyError::Configuration { service, reason });
            }
        }
        Ok(())
    }
}

impl fmt::Debug for NotifierSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotifierSpec")
            .field("kind", &self.kind)
            .field("channel", &self.channel)
            .field("username", &self.username)
            .field("token", &self.token.as_ref().map(|_| "…"))
            .finish_non_exhaustive()
    }
}
