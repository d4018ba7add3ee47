//! Flagger's global settings, and which notifier they name. Not where they come from (flags and environment).

use std::fmt;

use crate::NotifierSpec;

/// The values of Flagger's `-slack-*` and `-msteams-*` flags, or of the environment variables that override them.
///
/// ```
/// use canary_notifiers::GlobalSettings;
///
/// let mut settings = GlobalSettings::default();
/// assert_eq!(settings.spec(), None);
///
/// settings.slack_url = "https://hooks.slack.com/services/…".into();
/// settings.slack_channel = "general".into();
/// assert_eq!(settings.spec().unwrap().kind, "slack");
///
/// settings.msteams_url = "https://acme.webhook.office.com/…".into();
/// assert_eq!(settings.spec().unwrap().kind, "msteams", "Teams replaces Slack");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct GlobalSettings {
    /// `-slack-url`; a secret. Empty: Slack is not used.
    pub slack_url: String,
    /// `-slack-token`; a secret. Empty: none.
    pub slack_token: String,
    /// `-slack-proxy-url`. Empty: proxies of the environment.
    pub slack_proxy_url: String,
    /// `-slack-user`, `flagger` by default.
    pub slack_user: String,
    /// `-slack-channel`. It has no default: without it a notifier cannot be built.
    pub slack_channel: String,
    /// `-msteams-url`; a secret. Empty: Teams is not used.
    pub msteams_url: String,
    /// `-msteams-proxy-url`. Empty: proxies of the environment.
    pub msteams_proxy_url: String,
}

impl GlobalSettings {
    /// The notifier that these settings name: Teams if it has an address, else Slack if it has one, else none.
    pub fn spec(&self) -> Option<NotifierSpec> {
        let (kind, address, token, proxy) = if !self.msteams_url.is_empty() {
            ("msteams", &self.msteams_url, "", &self.msteams_proxy_url)
        } else if !self.slack_url.is_empty() {
            ("slack", &self.slack_url, self.slack_token.as_str(), &self.slack_proxy_url)
        } else {
            return None;
        };
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let mut spec = NotifierSpec::new(kind, address);
        spec.channel.clone_from(&self.slack_channel);
        spec.username.clone_from(&self.slack_user);
        spec.token = given(token);
        spec.proxy = given(proxy);
        Some(spec)
    }
}

impl Default for GlobalSettings {
    fn default() -> Self {
        Self {
            slack_url: String::new(),
            slack_token: String::new(),
            slack_proxy_url: String::new(),
            slack_user: "flagger".into(),
            slack_channel: String::new(),
            msteams_url: String::new(),
            msteams_proxy_url: String::new(),
        }
    }
}

impl fmt::Debug for GlobalSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GlobalSettings")
            .field("slack_user", &self.slack_user)
            .field("slack_channel", &self.slack_channel)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slack() -> GlobalSettings {
        GlobalSettings {
            slack_url: "https://slack/x".into(),
            slack_token: "xoxb-1".into(),
            slack_proxy_url: "http://proxy:1".into(),
            slack_user: "robot".into(),
            slack_channel: "deploys".into(),
            ..GlobalSettings::default()
        }
    }

    #[test]
    fn slack_settings_make_a_slack_notifier() {
        let spec = slack().spec().unwrap();
        assert_eq!((spec.kind.as_str(), spec.address.as_str()), ("slack", "https://slack/x"));
        assert_eq!((spec.username.as_str(), spec.channel.as_str()), ("robot", "deploys"));
        assert_eq!((spec.token.as_deref(), spec.proxy.as_deref()), (Some("xoxb-1"), Some("http://proxy:1")));
    }

    #[test]
    fn a_teams_address_replaces_slack_with_its_proxy_and_token() {
        let spec = GlobalSettings { msteams_url: "https://teams/x".into(), ..slack() }.spec().unwrap();
        assert_eq!((spec.kind.as_str(), spec.address.as_str()), ("msteams", "https://teams/x"));
        assert_eq!((spec.token, spec.proxy), (None, None));
    }

    #[test]
    fn the_channel_has_no_default() {
        let spec = GlobalSettings { slack_channel: String::new(), ..slack() }.spec().unwrap();
        assert_eq!(spec.channel, "");
    }

    #[test]
    fn secrets_are_not_shown() {
        let shown = format!("{:?}", slack());
        assert!(!shown.contains("https") && !shown.contains("xoxb"), "{shown}");
    }
}
