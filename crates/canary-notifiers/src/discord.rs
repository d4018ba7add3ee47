//! Discord, by the Slack-compatible side of its webhooks.

use async_trait::async_trait;
use canary_core::{Alert, Notifier, NotifyError};
use url::Url;

use crate::NotifierSpec;
use crate::attachment::{Author, Colors};
use crate::clients::Clients;
use crate::endpoint::Endpoint;

pub(crate) const NAME: &str = "discord";

/// Posts to Discord.
pub(crate) struct Discord {
    endpoint: Endpoint,
    author: Author,
}

impl Discord {
    pub(crate) fn new(spec: &NotifierSpec, clients: &Clients) -> Result<Self, NotifyError> {
        spec.require_channel_and_username(NAME)?;
        let endpoint = Endpoint::new(NAME, spec, clients)?.at(to_slack_side);
        Ok(Self { endpoint, author: Author::of(spec) })
    }
}

#[async_trait]
impl Notifier for Discord {
    async fn send(&self, alert: &Alert) -> Result<(), NotifyError> {
        self.endpoint.post(&self.author.message(alert, &Colors::SLACK)).await?;
        Ok(())
    }
}

/// Appends `/slack` to the path where it is missing. Flagger looks at the end of the whole address, and so doubles it
/// before a query.
fn to_slack_side(address: &mut Url) {
    let path = address.path().trim_end_matches('/');
    if !path.ends_with("/slack") {
        let path = format!("{path}/slack");
        address.set_path(&path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slack_side_of_a_webhook_is_used() {
        for (address, expected) in [
            ("https://discord.com/api/webhooks/1/abc", "https://discord.com/api/webhooks/1/abc/slack"),
            ("https://discord.com/api/webhooks/1/abc/", "https://discord.com/api/webhooks/1/abc/slack"),
            ("https://discord.com/api/webhooks/1/abc/slack", "https://discord.com/api/webhooks/1/abc/slack"),
            (
                "https://discord.com/api/webhooks/1/abc?wait=true",
                "https://discord.com/api/webhooks/1/abc/slack?wait=true",
            ),
            ("https://discord.com/1/slack?wait=true", "https://discord.com/1/slack?wait=true"),
            ("https://discord.com", "https://discord.com/slack"),
            ("https://discord.com/noslack", "https://discord.com/noslack/slack"),
        ] {
            let mut url = Url::parse(address).unwrap();
            to_slack_side(&mut url);
            assert_eq!(url.as_str(), expected);
        }
    }
}
