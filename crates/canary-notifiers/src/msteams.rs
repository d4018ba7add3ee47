//! Microsoft Teams, by the message cards of its connectors.

use async_trait::async_trait;
use canary_core::{Alert, Notifier, NotifyError};
use serde::Serialize;

use crate::NotifierSpec;
use crate::attachment::Colors;
use crate::clients::Clients;
use crate::endpoint::Endpoint;

pub(crate) const NAME: &str = "msteams";

const COLORS: Colors = Colors { bad: "FF0000", good: "0076D7" };

/// Posts to Teams.
pub(crate) struct MsTeams {
    endpoint: Endpoint,
}

impl MsTeams {
    pub(crate) fn new(spec: &NotifierSpec, clients: &Clients) -> Result<Self, NotifyError> {
        Ok(Self { endpoint: Endpoint::new(NAME, spec, clients)? })
    }
}

#[async_trait]
impl Notifier for MsTeams {
    async fn send(&self, alert: &Alert) -> Result<(), NotifyError> {
        self.endpoint.post(&card(alert)).await?;
        Ok(())
    }
}

fn card(alert: &Alert) -> Card<'_> {
    let canary = format!("{}.{}", alert.name, alert.namespace);
    Card {
        kind: "MessageCard",
        context: "http://schema.org/extensions",
        theme_color: COLORS.of(alert.severity),
        summary: canary.clone(),
        sections: [Section {
            activity_title: &alert.text,
            activity_subtitle: canary,
            facts: alert.fields.iter().map(|(name, value)| Fact { name, value }).collect(),
        }],
    }
}

#[derive(Serialize)]
struct Card<'a> {
    #[serde(rename = "@type")]
    kind: &'static str,
    #[serde(rename = "@context")]
    context: &'static str,
    #[serde(rename = "themeColor")]
    theme_color: &'static str,
    summary: String,
    sections: [Section<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Section<'a> {
    activity_title: &'a str,
    activity_subtitle: String,
    facts: Vec<Fact<'a>>,
}

#[derive(Serialize)]
struct Fact<'a> {
    name: &'a str,
    value: &'a str,
}
