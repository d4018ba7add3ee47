//! The message of Slack, which Discord and Rocket.Chat read too. Not where it goes.

use canary_core::{Alert, Severity};
use serde::Serialize;

use crate::NotifierSpec;

/// The colours of a service.
pub(crate) struct Colors {
    /// Of errors.
    pub(crate) bad: &'static str,
    /// Of everything else.
    pub(crate) good: &'static str,
}

impl Colors {
    /// Those of Slack itself.
    pub(crate) const SLACK: Self = Self { bad: "danger", good: "good" };

    /// The colour of `severity`.
    pub(crate) fn of(&self, severity: Severity) -> &'static str {
        match severity {
            Severity::Error => self.bad,
            Severity::Info | Severity::Warn => self.good,
        }
    }
}

/// A message with one attachment, its keys in the order of Flagger.
#[derive(Debug, Serialize)]
pub(crate) struct Message<'a> {
    channel: &'a str,
    username: &'a str,
    icon_url: &'static str,
    icon_emoji: &'static str,
    attachments: [Attachment<'a>; 1],
}

#[derive(Debug, Serialize)]
struct Attachment<'a> {
    color: &'static str,
    author_name: String,
    text: &'a str,
    mrkdwn_in: [&'static str; 1],
    fields: Vec<Field<'a>>,
}

#[derive(Debug, Serialize)]
struct Field<'a> {
    title: &'a str,
    value: &'a str,
    short: bool,
}

/// The author of a message.
#[derive(Debug)]
pub(crate) struct Author {
    channel: String,
    username: String,
}

impl Author {
    pub(crate) fn of(spec: &NotifierSpec) -> Self {
        Self { channel: spec.channel.clone(), username: spec.username.clone() }
    }

    /// What to post for `alert`.
    pub(crate) fn message<'a>(&'a self, alert: &'a Alert, colors: &Colors) -> Message<'a> {
        Message {
            channel: &self.channel,
            username: &self.username,
            icon_url: "",
            icon_emoji: ":rocket:",
            attachments: [Attachment {
                color: colors.of(alert.severity),
                author_name: format!("{}.{}", alert.name, alert.namespace),
                text: &alert.text,
                mrkdwn_in: ["text"],
                fields: alert
                    .fields
                    .iter()
                    .map(|(title, value)| Field { title, value, short: false })
                    .collect(),
            }],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_in_the_order_of_flagger() {
        let author = Author::of(&NotifierSpec::new("slack", ""));
        let alert = Alert::new("podinfo", "test", "a <b> & c", Severity::Warn).field("Cluster", "eu");
        assert_eq!(
            serde_json::to_string(&author.message(&alert, &Colors::SLACK)).unwrap(),
            r#"{"channel":"general","username":"flagger","icon_url":"","icon_emoji":":rocket:","attachments":[{"color":"good","author_name":"podinfo.test","text":"a <b> & c","mrkdwn_in":["text"],"fields":[{"title":"Cluster","value":"eu","short":false}]}]}"#
        );
    }
}
