//! Slack, by an incoming webhook or by the Web API with a bearer token.

use async_trait::async_trait;
use canary_core::{Alert, Notifier, NotifyError};
use serde::Deserialize;

use crate::NotifierSpec;
use crate::attachment::{Author, Colors};
use crate::clients::Clients;
use crate::endpoint::Endpoint;

pub(crate) const NAME: &str = "slack";

/// Posts to Slack.
pub(crate) struct Slack {
    endpoint: Endpoint,
    author: Author,
}

impl Slack {
    pub(crate) fn new(spec: &NotifierSpec, clients: &Clients) -> Result<Self, NotifyError> {
        spec.require_channel_and_username(NAME)?;
        let endpoint = Endpoint::new(NAME, spec, clients)?.bearer(spec.token.as_deref())?;
        Ok(Self { endpoint, author: Author::of(spec) })
    }
}

#[async_trait]
impl Notifier for Slack {
    async fn send(&self, alert: &Alert) -> Result<(), NotifyError> {
        let answer = self.endpoint.post(&self.author.message(alert, &Colors::SLACK)).await?;
        // The Web API says "no such channel" and "bad token" with status 200; Flagger takes that for delivered.
        match serde_json::from_str(&answer) {
            Ok(Verdict { ok: false }) => Err(self.endpoint.refused(200, &answer)),
            Ok(Verdict { ok: true }) | Err(_) => Ok(()),
        }
    }
}

/// The part of a Web API answer that matters. Webhooks answer a plain `ok`.
#[derive(Deserialize)]
struct Verdict {
    ok: bool,
}
