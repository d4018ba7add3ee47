//! Flags about who is told.

use canary_controller::{Address, Chat, MsTeamsChat, Secret, SlackChat};
use clap::Args;

use super::rollouts::address;
use crate::environment::Environment;

/// Who is told.
#[derive(Args)]
#[command(next_help_heading = "Notices")]
pub(crate) struct NoticeFlags {
    /// Slack webhook that gets alerts
    #[arg(long, value_name = "URL", default_value = "", hide_default_value = true)]
    slack_url: String,
    /// Token of a Slack bot
    #[arg(long, value_name = "TOKEN", default_value = "", hide_default_value = true)]
    slack_token: String,
    /// HTTP proxy on the way to Slack
    #[arg(long, value_name = "URL", default_value = "", hide_default_value = true)]
    slack_proxy_url: String,
    /// Name under which Slack messages appear
    #[arg(long, value_name = "NAME", default_value = "flagger")]
    slack_user: String,
    /// Slack channel
    #[arg(long, value_name = "NAME", default_value = "")]
    slack_channel: String,
    /// Microsoft Teams webhook that gets alerts, in place of Slack
    #[arg(long, value_name = "URL", default_value = "", hide_default_value = true)]
    msteams_url: String,
    /// HTTP proxy on the way to Teams
    #[arg(long, value_name = "URL", default_value = "", hide_default_value = true)]
    msteams_proxy_url: String,
    /// Address that is told of every event
    #[arg(long, value_name = "URL", default_value = "", hide_default_value = true)]
    event_webhook: String,
    /// Name of the cluster, shown in alerts
    #[arg(long, value_name = "NAME", default_value = "")]
    cluster_name: String,
}

/// Hides addresses and tokens.
impl std::fmt::Debug for NoticeFlags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NoticeFlags").finish_non_exhaustive()
    }
}

/// Who is told, as the controller's settings have it.
#[derive(Debug)]
pub(crate) struct Recipients {
    pub(crate) event_webhook: Option<Address>,
    pub(crate) chat: Option<Chat>,
    pub(crate) cluster_name: String,
}

impl NoticeFlags {
    /// The recipients, environment variables before flags.
    ///
    /// # Errors
    /// Which address is malformed.
    pub(crate) fn recipients(self, environment: &Environment) -> anyhow::Result<Recipients> {
        let Self {
            slack_url,
            slack_token,
            slack_proxy_url,
            slack_user,
            slack_channel,
            msteams_url,
            msteams_proxy_url,
            event_webhook,
            cluster_name,
        } = self;
        let read = |(name, text): (&str, &str)| address(name, text);
        let slack_at = read(environment.slack_url().or_flag("-slack-url", &slack_url))?;
        let slack_proxy = read(environment.slack_proxy_url().or_flag("-slack-proxy-url", &slack_proxy_url))?;
        let teams_at = read(environment.msteams_url().or_flag("-msteams-url", &msteams_url))?;
        let teams_proxy =
            read(environment.msteams_proxy_url().or_flag("-msteams-proxy-url", &msteams_proxy_url))?;
        let event_webhook = read(environment.event_webhook_url().or_flag("-event-webhook", &event_webhook))?;
        let (_, token) = environment.slack_token().or_flag("-slack-token", &slack_token);

        let chat = match (teams_at, slack_at) {
            (Some(url), _) => Some(Chat::MsTeams(MsTeamsChat { url, proxy: teams_proxy })),
            (None, Some(_)) if slack_user.is_empty() || slack_channel.is_empty() => {
                tracing::warn!(
                    "no alerts go to Slack: -slack-url is given without -slack-channel or -slack-user"
                );
                None
            }
            (None, Some(url)) => Some(Chat::Slack(SlackChat {
                url,
                token: Some(token).filter(|token| !token.is_empty()).map(Secret::new),
                proxy: slack_proxy,
                user: slack_user,
                channel: slack_channel,
            })),
            (None, None) => None,
        };
        Ok(Recipients { event_webhook, chat, cluster_name })
    }
}
