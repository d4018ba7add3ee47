//! Alerts: to the providers that a canary names, or to the one of the whole controller.

use std::collections::BTreeSet;
use std::sync::Arc;

use canary_api::{AlertProvider, AlertProviderSpec};
use canary_core::{Alert, AlertRule, Notifier};
use canary_notifiers::{NotifierSpec, Notifiers};
use canary_routers::{LiveObjects, ObjectError, Objects};
use k8s_openapi::api::core::v1::Secret;
use kube::core::ApiResource;

use crate::cache::Reader;
use crate::settings::{Address, Chat, Settings};

/// The notifier that the settings ask for. One that cannot be made is logged, as the controller has more to do than chat.
pub(crate) fn global_notifier(notifiers: &Notifiers, settings: &Settings) -> Option<Arc<dyn Notifier>> {
    let address = |a: &Address| a.reveal().to_owned();
    let spec = match settings.chat.as_ref()? {
        Chat::Slack(slack) => {
            let mut spec = NotifierSpec::new("slack", slack.url.reveal());
            // Here an empty channel or user is a mistake, not a wish for the default.
            spec.channel.clone_from(&slack.channel);
            spec.username.clone_from(&slack.user);
            spec.token = slack.token.as_ref().map(|t| t.reveal().to_owned());
            spec.proxy = slack.proxy.as_ref().map(address);
            spec
        }
        Chat::MsTeams(teams) => {
            let mut spec = NotifierSpec::new("msteams", teams.url.reveal());
            spec.proxy = teams.proxy.as_ref().map(address);
            spec
        }
    };
    match notifiers.build(&spec) {
        Ok(notifier) => Some(notifier),
        Err(error) => {
            tracing::error!(%error, "no alerts are sent");
            None
        }
    }
}

/// Whom one canary's alerts go to.
#[derive(Clone, Default)]
pub(crate) struct AlertRoutes {
    /// The rules of the canary; without any, the controller's own notifier is told everything.
    pub(crate) rules: Arc<Vec<AlertRule>>,
    /// Reads the providers that the rules name.
    pub(crate) reader: Option<Reader>,
}

/// An alert that did not arrive.
#[derive(Debug, thiserror::Error)]
#[error("{rule}: {reason}")]
pub(crate) struct Undelivered {
    /// Name of the canary's rule, or words for the controller's own notifier.
    pub(crate) rule: String,
    /// Never holds an address or a token.
    reason: String,
}

/// Sends alerts.
pub(crate) struct Alerts {
    pub(crate) notifiers: Notifiers,
    /// Told of what canaries without rules have to say.
    pub(crate) global: Option<Arc<dyn Notifier>>,
    /// Shown in every alert unless empty.
    pub(crate) cluster_name: String,
    pub(crate) secrets: LiveObjects,
}

impl Alerts {
    /// Sends one alert to everybody whom it concerns. What fails is logged and returned: a rollout does not depend on it.
    pub(crate) async fn send(&self, mut alert: Alert, routes: &AlertRoutes) -> Vec<Undelivered> {
        if !self.cluster_name.is_empty() {
            alert.fields.insert(0, ("Cluster".to_owned(), self.cluster_name.clone()));
        }
        let canary = format!("{}.{}", alert.name, alert.namespace);
        if routes.rules.is_empty() {
            if let Some(notifier) = &self.global
                && let Err(error) = notifier.send(&alert).await
            {
                tracing::error!(canary, %error, "an alert was not delivered");
                return vec![Undelivered { rule: "the controller's own".into(), reason: error.to_string() }];
            }
            return Vec::new();
        }
        let mut undelivered = Vec::new();
        // Two rules may name one provider; it is told once.
        let mut told = BTreeSet::new();
        for rule in routes.rules.iter().filter(|rule| alert.severity >= rule.severity) {
            if !told.insert(&rule.provider) {
                continue;
            }
            let sent = match self.notifier(rule, routes).await {
                Ok(notifier) => notifier.send(&alert).await.map_err(|e| e.to_string()),
                Err(text) => Err(text),
            };
            if let Err(error) = sent {
                tracing::error!(canary, alert = %rule.name, error, "an alert was not delivered");
                undelivered.push(Undelivered { rule: rule.name.clone(), reason: error });
            }
        }
        undelivered
    }

    /// The notifier of a rule, made anew, so that a changed provider or secret counts at once.
    async fn notifier(&self, rule: &AlertRule, routes: &AlertRoutes) -> Result<Arc<dyn Notifier>, String> {
        let (namespace, name) = &rule.provider;
        let kind = ApiResource::erase::<AlertProvider>(&());
        let reader = routes.reader.as_ref().ok_or("alert providers cannot be read")?;
        let objects: &dyn Objects = reader;
        let found = objects.get_as::<AlertProvider>(&kind, namespace, name).await;
        let provider =
            found.map_err(|e| e.to_string())?.ok_or_else(|| ObjectError::absent(&kind, name).to_string())?;
        let spec = provider.check().map_err(|e| e.to_string())?;
        let (address, token) = self.address(&spec, namespace).await?;
        let mut notifier = NotifierSpec::new(&spec.kind, address);
        notifier.set_channel(spec.channel.as_deref().unwrap_or_default());
        notifier.set_username(spec.username.as_deref().unwrap_or_default());
        notifier.token = token;
        notifier.proxy = spec.proxy.clone().filter(|p| !p.is_empty());
        self.notifiers.build(&notifier).map_err(|e| e.to_string())
    }

    /// Address and token: of the secret where there is one.
    async fn address(
        &self,
        spec: &AlertProviderSpec,
        namespace: &str,
    ) -> Result<(String, Option<String>), String> {
        let Some(reference) = &spec.secret_ref else {
            return Ok((spec.address.clone().unwrap_or_default(), None));
        };
        let kind = ApiResource::erase::<Secret>(&());
        let objects: &dyn Objects = &self.secrets;
        let found = objects.get_as::<Secret>(&kind, namespace, &reference.name).await;
        let secret = found
            .map_err(|e| e.to_string())?
            .ok_or_else(|| ObjectError::absent(&kind, &reference.name).to_string())?;
        let text = |key: &str| {
            let bytes = secret.data.as_ref()?.get(key)?;
            String::from_utf8(bytes.0.clone()).ok().map(|text| text.trim_end().to_owned())
        };
        let address = text("address")
            .ok_or_else(|| format!("the secret {}.{namespace} has no key `address`", reference.name))?;
        Ok((address, text("token")))
    }
}
