//! A metric backend over HTTP: sends one request, reads a bounded answer, and says what went wrong without credentials.
//! What is asked and what the answer means is the providers'.

use std::error::Error as _;
use std::time::Duration;

use canary_core::MetricError;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use url::Url;

use crate::hidden::Hidden;
use crate::http_clients::HttpClients;
use crate::providers::ProviderSpec;

/// More than any answer that ends in one number; what is longer is not read.
const MAX_ANSWER: usize = 8 * 1024 * 1024;
/// Characters of an answer that an error shows.
const SHOWN: usize = 300;

/// One server.
pub(crate) struct Backend {
    client: Client,
    /// Scheme, host and port, for error messages.
    origin: String,
    timeout: Duration,
    hidden: Hidden,
}

/// What a server answered, read whole.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Vec<u8>,
}

impl Backend {
    /// The server at `url`, asked as the spec and the options say. `hidden` is what no error text may show.
    pub(crate) fn new(
        url: &Url,
        spec: &ProviderSpec,
        clients: &HttpClients,
        hidden: Hidden,
    ) -> Result<Self, MetricError> {
        Ok(Self {
            client: clients.client(url, spec.insecure_skip_verify)?,
            origin: url.origin().ascii_serialization(),
            timeout: clients.patience(spec),
            hidden,
        })
    }

    /// Waits so many times as long as for others, and still no longer than the spec says.
    #[must_use]
    pub(crate) fn patient(self, times: u32, spec: &ProviderSpec, clients: &HttpClients) -> Self {
        Self { timeout: clients.longer_patience(spec, times), ..self }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Scheme, host and port.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Sends a request and reads the answer, whatever its status.
    pub(crate) async fn exchange(&self, request: RequestBuilder) -> Result<Answer, MetricError> {
        let response = request.timeout(self.timeout).send().await.map_err(|error| self.broken(&error))?;
        self.read(response).await
    }

    /// The body of an answer with status 200.
    pub(crate) async fn body(&self, request: RequestBuilder) -> Result<Vec<u8>, MetricError> {
        let answer = self.exchange(request).await?;
        if answer.status == StatusCode::OK { Ok(answer.body) } else { Err(self.refusal(&answer)) }
    }

    /// The JSON of an answer with status 200.
    pub(crate) async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, MetricError> {
        let body = self.body(request).await?;
        self.parse(&body)
    }

    /// Reads JSON that the server sent.
    pub(crate) fn parse<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, MetricError> {
        serde_json::from_slice(body).map_err(|error| {
            MetricError::Unusable(format!("the answer of {} is not the expected JSON: {error}", self.origin))
        })
    }

    /// Reads the answer that has begun.
    pub(crate) async fn read(&self, mut response: Response) -> Result<Answer, MetricError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(&error))? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(MetricError::Unusable(format!(
                    "the answer of {} is longer than {MAX_ANSWER} bytes",
                    self.origin
                )));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status: response.status(), body })
    }

    /// What a status that is not good means, with the start of the answer.
    pub(crate) fn refusal(&self, answer: &Answer) -> MetricError {
        let text = self.shown(&String::from_utf8_lossy(&answer.body));
        refusal(answer.status, format!("{} answered {}: {text}", self.origin, answer.status))
    }

    /// The start of a text on one line, without credentials that the server may have repeated.
    pub(crate) fn shown(&self, text: &str) -> String {
        self.hidden.redact(&shortened(text))
    }

    /// The connection failed. Only the causes are shown, since the error itself shows the whole URL.
    pub(crate) fn broken(&self, error: &reqwest::Error) -> MetricError {
        let origin = &self.origin;
        if error.is_timeout() {
            return self.too_slow();
        }
        let mut cause = error.source();
        let mut last = None;
        while let Some(error) = cause {
            last = Some(error.to_string());
            cause = error.source();
        }
        let reason = last.unwrap_or_else(|| "the request failed".into());
        let what = if error.is_connect() { "cannot be reached" } else { "broke off" };
        MetricError::Unreachable(format!("{origin} {what}: {}", self.hidden.redact(&reason)))
    }

    pub(crate) fn too_slow(&self) -> MetricError {
        MetricError::Unreachable(format!("{} did not answer within {:?}", self.origin, self.timeout))
    }
}

/// The error that a status means: the credentials, the server's own trouble, or the query.
pub(crate) fn refusal(status: StatusCode, text: String) -> MetricError {
    match status.as_u16() {
        401 | 403 | 407 => MetricError::Denied(text),
        429 | 500.. => MetricError::Unavailable(text),
        _ => MetricError::Refused(text),
    }
}

/// The start of a text on one line.
pub(crate) fn shortened(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= SHOWN {
        return line;
    }
    let start: String = line.chars().take(SHOWN).collect();
    format!("{start}…")
}
