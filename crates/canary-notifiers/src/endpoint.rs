//! Delivers a message to one address, by the rules that all services share. Not what the message looks like.

use std::error::Error;
use std::io;
use std::time::Duration;

use canary_core::NotifyError;
use reqwest::{Client, Response};
use serde::Serialize;
use url::Url;

use crate::NotifierSpec;
use crate::clients::Clients;
use crate::secrets::Secrets;

/// Limit from connecting to the end of the answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// So much of an answer is read.
const LONGEST_BODY: usize = 64 * 1024;

/// Where a notifier posts.
pub(crate) struct Endpoint {
    service: &'static str,
    address: Url,
    token: Option<String>,
    secrets: Secrets,
    client: Client,
}

impl Endpoint {
    /// The address of `spec`, without a token.
    pub(crate) fn new(
        service: &'static str,
        spec: &NotifierSpec,
        clients: &Clients,
    ) -> Result<Self, NotifyError> {
        let wrong = |reason: String| NotifyError::Configuration { service, reason };
        let text = spec.address.trim();
        if text.is_empty() {
            return Err(wrong("address is empty; give one, or a secret with the key address".into()));
        }
        let address = Url::parse(text)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"))
            .ok_or_else(|| wrong("address is not an absolute http or https URL".into()))?;
        let refused = |reason| wrong(format!("address is refused: {reason}"));
        clients.egress().check(&address).map_err(refused)?;
        let client = clients.client(spec.proxy.as_deref()).map_err(wrong)?;
        Ok(Self { service, secrets: Secrets::of(&address, None), address, token: None, client })
    }

    /// With another address than that of the spec.
    pub(crate) fn at(mut self, change: impl FnOnce(&mut Url)) -> Self {
        change(&mut self.address);
        self.secrets = Secrets::of(&self.address, self.token.as_deref());
        self
    }

    /// With a bearer token, unless it is empty.
    pub(crate) fn bearer(mut self, token: Option<&str>) -> Result<Self, NotifyError> {
        let token = token.map(str::trim).filter(|token| !token.is_empty());
        if token.is_some_and(|token| !token.bytes().all(|byte| byte.is_ascii_graphic())) {
            let reason = "token holds characters other than visible ASCII ones".into();
            return Err(NotifyError::Configuration { service: self.service, reason });
        }
        self.token = token.map(str::to_owned);
        self.secrets = Secrets::of(&self.address, token);
        Ok(self)
    }

    /// Posts `message` and returns the body of the answer.
    pub(crate) async fn post(&self, message: &impl Serialize) -> Result<String, NotifyError> {
        let mut request = self.client.post(self.address.clone()).timeout(TIMEOUT).json(message);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let body = text(response).await;
        if status.is_success() {
            body.map_err(|error| self.unreachable(&error))
        } else {
            Err(self.refused(status.as_u16(), &body.unwrap_or_default()))
        }
    }

    /// The error of an answer that says no.
    pub(crate) fn refused(&self, status: u16, body: &str) -> NotifyError {
        NotifyError::Refused { service: self.service, status, body: self.secrets.shortened(body) }
    }

    fn unreachable(&self, error: &reqwest::Error) -> NotifyError {
        let reason =
            if error.is_timeout() { format!("no answer within {TIMEOUT:?}") } else { innermost(error) };
        NotifyError::Unreachable { service: self.service, reason }
    }
}

async fn text(mut response: Response) -> Result<String, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() >= LONGEST_BODY {
            body.truncate(LONGEST_BODY);
            break;
        }
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// The cause at the bottom. Errors of the client itself are left out: they repeat the address.
fn innermost(error: &reqwest::Error) -> String {
    let mut text = "the request failed".to_owned();
    let mut next: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = next {
        if !error.is::<reqwest::Error>() {
            text = error.to_string();
        }
        // An I/O error hides the one that it was made of from `source`.
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    text
}
