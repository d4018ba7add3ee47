//! The Prometheus provider: one instant query, one number.
//! The query language is not looked at, except for white space.

mod answer;
mod login;
#[cfg(test)]
mod tests;

use std::error::Error as _;
use std::time::Duration;

use async_trait::async_trait;
use canary_core::{MetricError, MetricProvider};
use prometheus_http_query::{Client, Error};
use reqwest::Response;
use url::Url;

use crate::http_clients::HttpClients;
use crate::providers::ProviderSpec;
use login::Login;

/// More than any answer that ends in one number; what is longer is not read.
const MAX_ANSWER: usize = 8 * 1024 * 1024;

/// A server with the HTTP API of Prometheus.
pub(crate) struct Prometheus {
    client: Client,
    login: Login,
    /// Scheme, host and port, for error messages.
    origin: String,
    timeout: Duration,
}

impl Prometheus {
    pub(crate) fn new(spec: &ProviderSpec, clients: &HttpClients) -> Result<Self, MetricError> {
        let mut url = address(&spec.address)?;
        let login = Login::new(spec, &url)?;
        // The credentials are in the login now; the URL is shown in errors.
        if url.set_username("").and_then(|()| url.set_password(None)).is_err() {
            return Err(MetricError::Configuration("prometheus address has no host".into()));
        }
        url.set_query(None);
        url.set_fragment(None);
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        let client = clients.client(&url, spec.insecure_skip_verify)?;
        let client = Client::from(client, url.as_str())
            .map_err(|error| MetricError::Configuration(format!("prometheus address: {error}")))?;
        Ok(Self { client, login, origin: url.origin().ascii_serialization(), timeout: clients.timeout() })
    }

    async fn ask(&self, query: &str) -> Result<Option<f64>, MetricError> {
        // Flagger: runs of white space are one blank, in string literals too.
        let query = query.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        let mut request = self.client.query(query);
        for (name, value) in self.login.headers() {
            request = request.header(name.clone(), value.clone());
        }
        // The raw answer, because the library's own reading hides the text of an error that is not JSON, and takes a
        // scalar for a value.
        let response = request.get_raw().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let body = self.body(response).await?;
        if status.as_u16() >= 400 {
            let body = self.login.redact(&shortened(&String::from_utf8_lossy(&body)));
            return Err(MetricError::Refused(format!("{} answered {status}: {body}", self.origin)));
        }
        answer::value(&body).map_err(|problem| match problem {
            answer::Problem::Refused(text) => MetricError::Refused(self.login.redact(&shortened(&text))),
            answer::Problem::Unusable(text) => MetricError::Unusable(text),
        })
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, MetricError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(&error))? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(MetricError::Unusable(format!("the answer is longer than {MAX_ANSWER} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn unreachable(&self, error: &Error) -> MetricError {
        if let Error::Client(failure) = error
            && let Some(cause) = failure.inner()
        {
            return self.broken(cause);
        }
        MetricError::Unreachable(format!("{} cannot be asked: {error}", self.origin))
    }

    /// The connection failed. Only the causes are shown, since the error itself shows the whole URL.
    fn broken(&self, error: &reqwest::Error) -> MetricError {
        let origin = &self.origin;
        if error.is_timeout() {
            return MetricError::Unreachable(format!("{origin} did not answer within {:?}", self.timeout));
        }
        let mut cause = error.source();
        let mut last = None;
        while let Some(error) = cause {
            last = Some(error.to_string());
            cause = error.source();
        }
        let reason = last.unwrap_or_else(|| "the request failed".into());
        let what = if error.is_connect() { "cannot be reached" } else { "broke off" };
        MetricError::Unreachable(format!("{origin} {what}: {reason}"))
    }
}

#[async_trait]
impl MetricProvider for Prometheus {
    async fn query(&self, query: &str) -> Result<Option<f64>, MetricError> {
        self.ask(query).await
    }

    async fn check(&self) -> Result<(), MetricError> {
        match self.ask("vector(1)").await? {
            Some(1.0) => Ok(()),
            other => {
                let found = other.map_or_else(|| "no value".into(), |value| value.to_string());
                Err(MetricError::Unusable(format!("{} answered vector(1) with {found}", self.origin)))
            }
        }
    }
}

/// The address as a URL. Error texts do not repeat it, because it may contain a password.
fn address(text: &str) -> Result<Url, MetricError> {
    let wrong = |problem: String| MetricError::Configuration(format!("prometheus address {problem}"));
    if text.is_empty() {
        return Err(wrong("is empty; expected a URL such as http://prometheus:9090".into()));
    }
    let url = Url::parse(text).map_err(|error| wrong(format!("is not a URL: {error}")))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(wrong(format!("has the scheme {other:?}; expected http or https"))),
    }
}

/// The start of a text on one line.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 300;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= LONGEST {
        return line;
    }
    let start: String = line.chars().take(LONGEST).collect();
    format!("{start}…")
}
