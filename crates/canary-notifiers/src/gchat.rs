//! Google Chat, by cards. They have no colours, so that the severity does not show.

use async_trait::async_trait;
use canary_core::{Alert, Notifier, NotifyError};
use serde_json::{Value, json};

use crate::NotifierSpec;
use crate::clients::Clients;
use crate::endpoint::Endpoint;

pub(crate) const NAME: &str = "gchat";

/// Posts to Google Chat.
pub(crate) struct GChat {
    endpoint: Endpoint,
}

impl GChat {
    pub(crate) fn new(spec: &NotifierSpec, clients: &Clients) -> Result<Self, NotifyError> {
        Ok(Self { endpoint: Endpoint::new(NAME, spec, clients)? })
    }
}

#[async_trait]
impl Notifier for GChat {
    async fn send(&self, alert: &Alert) -> Result<(), NotifyError> {
        self.endpoint.post(&card(alert)).await?;
        Ok(())
    }
}

fn card(alert: &Alert) -> Value {
    let facts = alert.fields.iter().map(|(name, value)| format!("{name}<br>{}", strong(value)));
    let sections: Vec<Value> =
        std::iter::once(strong(&alert.text)).chain(facts).map(|text| section(&text)).collect();
    json!({ "cards": [{
        "header": {
            "title": "Flagger",
            "subtitle": format!("{}.{}", alert.name, alert.namespace),
            "imageUrl": "https://flagger.app/favicon.png",
        },
        "sections": sections,
    }] })
}

fn section(text: &str) -> Value {
    json!({ "widgets": [{ "textParagraph": { "text": text } }] })
}

/// As in Flagger, markup in `text` itself is not escaped.
fn strong(text: &str) -> String {
    format!("<font color=#848484><strong>{text}</strong></font>")
}
