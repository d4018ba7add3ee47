//! Rocket.Chat, which reads the messages of Slack but not its names of colours.

use async_trait::async_trait;
use canary_core::{Alert, Notifier, NotifyError};

use crate::NotifierSpec;
use crate::attachment::{Author, Colors};
use crate::clients::Clients;
use crate::endpoint::Endpoint;

pub(crate) const NAME: &str = "rocket";

const COLORS: Colors = Colors { bad: "#FF0000", good: "#0076D7" };

/// Posts to Rocket.Chat.
pub(crate) struct Rocket {
    endpoint: Endpoint,
    author: Author,
}

impl Rocket {
    pub(crate) fn new(spec: &NotifierSpec, clients: &Clients) -> Result<Self, NotifyError> {
        spec.require_channel_and_username(NAME)?;
        Ok(Self { endpoint: Endpoint::new(NAME, spec, clients)?, author: Author::of(spec) })
    }
}

#[async_trait]
impl Notifier for Rocket {
    async fn send(&self, alert: &Alert) -> Result<(), NotifyError> {
        self.endpoint.post(&self.author.message(alert, &COLORS)).await?;
        Ok(())
    }
}
