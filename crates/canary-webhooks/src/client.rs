//! Calls hooks with their retries, and words their failures as Flagger does.
//! Not which hook is called when, and not what it is told.

use std::time::Duration;

use async_trait::async_trait;
use canary_core::{HookAnswer, HookCall, Hooks};
use canary_egress::{Egress, Refused};

use crate::address::Address;
use crate::attempt::{Outcome, post};
use crate::patience::{Patience, Sleep, backoff};
use crate::transport::{Transport, TransportError};

/// What a limit of zero stands for.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// Calls hooks over HTTP, by the rules of Flagger.
///
/// - It POSTs the payload as JSON and follows up to 10 redirects (301, 302 and 303 become GET). A final status of 200, 201
///   or 202 passes; 204 does not.
/// - Each attempt has [`HookCall::timeout`], from connecting to the end of the body; zero stands for 10 s. Of a body,
///   64 KiB are read.
/// - Further attempts follow a connection that failed or timed out, and status 429 and 500 and above except 501. They come after
///   1, 2, 4, … up to 30 s, or after what `Retry-After` of a 429 or 503 asks for, up to 60 s (Flagger has no bound there).
/// - A hook that refuses fails with its body as text, which may be empty. One that still cannot answer fails with
///   `POST <url> giving up after <n> attempt(s)`; the body of its last answer goes to the debug log only. User name and
///   password in the URL are never shown.
/// - Proxies of the environment are used, but not with [`HookCall::disable_tls`].
/// - What [`Egress`] refuses, such as the metadata services of clouds, is not called, by no name and after no redirect.
///
/// A rustls crypto provider must be installed before the first call; without one every call fails and says so. One client
/// serves all hooks, at the same time. It runs on tokio.
pub struct WebhookClient {
    transport: Transport,
    patience: Box<dyn Patience>,
}

impl WebhookClient {
    /// A client with nothing open; connections are made call by call.
    pub fn new() -> Self {
        Self::with_egress(Egress::default())
    }

    /// Like [`WebhookClient::new`], with other rules about what may be reached than the default ones.
    pub fn with_egress(egress: Egress) -> Self {
        Self { transport: Transport::new(egress), patience: Box::new(Sleep) }
    }

    async fn run(&self, call: &HookCall) -> Result<(), CallError> {
        let limit = match &call.timeout {
            Ok(Duration::ZERO) => DEFAULT_TIMEOUT,
            Ok(limit) => *limit,
            Err(text) => return Err(CallError::Timeout { hook: call.name.clone(), text: text.clone() }),
        };
        let Address { url, shown } = Address::parse(&call.url)
            .map_err(|reason| CallError::Address { hook: call.name.clone(), reason })?;
        let refused = |reason| CallError::Refusal { hook: call.name.clone(), reason };
        self.transport.egress().check(&url).map_err(refused)?;
        let client = self.transport.client(call.disable_tls)?;
        let mut attempt = 1_u32;
        loop {
            let (wait, error) = match post(client, &url, &call.payload, limit).await {
                Outcome::Passed => return Ok(()),
                Outcome::Refused { body } => return Err(CallError::Refused { body }),
                Outcome::Overloaded { status, body, asked } => {
                    tracing::debug!(
                        hook = call.name,
                        attempt,
                        status = status.as_u16(),
                        body,
                        "webhook could not answer"
                    );
                    let error = CallError::Overloaded { url: shown.clone(), attempts: attempt };
                    (asked.unwrap_or_else(|| backoff(attempt)), error)
                }
                Outcome::Unanswered(cause) => {
                    tracing::debug!(hook = call.name, attempt, cause = cause.text, "webhook did not answer");
                    let error =
                        CallError::Unanswered { url: shown.clone(), attempts: attempt, cause: cause.text };
                    if !cause.again {
                        return Err(error);
                    }
                    (backoff(attempt), error)
                }
            };
            if attempt > call.retries {
                return Err(error);
            }
            self.patience.wait(wait).await;
            attempt += 1;
        }
    }
}

impl Default for WebhookClient {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Hooks for WebhookClient {
    async fn call(&self, call: &HookCall) -> HookAnswer {
        match self.run(call).await {
            Ok(()) => HookAnswer::Passed,
            Err(error) => HookAnswer::Failed(error.to_string()),
        }
    }
}

/// Why a hook did not let the rollout pass. The texts are shown in events.
#[derive(Debug, thiserror::Error)]
enum CallError {
    #[error("webhook {hook} was not called: timeout {text:?} is not a duration such as 10s or 1m")]
    Timeout { hook: String, text: String },
    #[error("webhook {hook} was not called: its url is not an http or https address: {reason}")]
    Address { hook: String, reason: String },
    #[error("webhook {hook} was not called: {reason}")]
    Refusal { hook: String, reason: Refused },
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error("{body}")]
    Refused { body: String },
    #[error("POST {url} giving up after {attempts} attempt(s)")]
    Overloaded { url: String, attempts: u32 },
    #[error("POST {url} giving up after {attempts} attempt(s): {cause}")]
    Unanswered { url: String, attempts: u32, cause: String },
}

#[cfg(test)]
mod tests;
