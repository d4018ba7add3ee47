//! The environment variables that Flagger reads. Each wins over its flag when it is not empty.

/// Their values; `None`: not set, or empty.
#[derive(Default)]
pub(crate) struct Environment {
    slack_url: Option<String>,
    slack_token: Option<String>,
    slack_proxy_url: Option<String>,
    msteams_url: Option<String>,
    msteams_proxy_url: Option<String>,
    event_webhook_url: Option<String>,
}

impl Environment {
    /// Reads each variable once, by its name.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let read = |name: &str| variable(name).filter(|value| !value.is_empty());
        Self {
            slack_url: read("SLACK_URL"),
            slack_token: read("SLACK_TOKEN"),
            slack_proxy_url: read("SLACK_PROXY_URL"),
            msteams_url: read("MSTEAMS_URL"),
            msteams_proxy_url: read("MSTEAMS_PROXY_URL"),
            event_webhook_url: read("EVENT_WEBHOOK_URL"),
        }
    }

    /// What overrides `-slack-url`.
    pub(crate) fn slack_url(&self) -> Override<'_> {
        Override { variable: "SLACK_URL", value: self.slack_url.as_deref() }
    }

    /// What overrides `-slack-token`.
    pub(crate) fn slack_token(&self) -> Override<'_> {
        Override { variable: "SLACK_TOKEN", value: self.slack_token.as_deref() }
    }

    /// What overrides `-slack-proxy-url`.
    pub(crate) fn slack_proxy_url(&self) -> Override<'_> {
        Override { variable: "SLACK_PROXY_URL", value: self.slack_proxy_url.as_deref() }
    }

    /// What overrides `-msteams-url`.
    pub(crate) fn msteams_url(&self) -> Override<'_> {
        Override { variable: "MSTEAMS_URL", value: self.msteams_url.as_deref() }
    }

    /// What overrides `-msteams-proxy-url`.
    pub(crate) fn msteams_proxy_url(&self) -> Override<'_> {
        Override { variable: "MSTEAMS_PROXY_URL", value: self.msteams_proxy_url.as_deref() }
    }

    /// What overrides `-event-webhook`.
    pub(crate) fn event_webhook_url(&self) -> Override<'_> {
        Override { variable: "EVENT_WEBHOOK_URL", value: self.event_webhook_url.as_deref() }
    }
}

/// The value of a variable, if it has one.
#[derive(Clone, Copy)]
pub(crate) struct Override<'a> {
    variable: &'static str,
    value: Option<&'a str>,
}

impl<'a> Override<'a> {
    /// The value that counts, and where it comes from: for messages.
    pub(crate) fn or_flag(self, flag: &'static str, value: &'a str) -> (&'static str, &'a str) {
        self.value.map_or((flag, value), |value| (self.variable, value))
    }
}
