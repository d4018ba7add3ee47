//! The Prometheus provider: one instant query, one number.
//! The query language is not looked at, except for white space.

mod answer;
mod explain;
mod login;
mod newest;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use canary_core::{Measurement, MetricError, MetricProvider, Samples};
use prometheus_http_query::{Client, Error};
use reqwest::RequestBuilder;
use url::Url;

use crate::backend::{Answer, Backend};
use crate::datadog::below;
use crate::http_clients::HttpClients;
use crate::providers::ProviderSpec;
use login::Login;

/// A server with the HTTP API of Prometheus.
pub(crate) struct Prometheus {
    client: Client,
    login: Login,
    backend: Backend,
    url: Url,
}

impl Prometheus {
    pub(crate) fn new(spec: &ProviderSpec, clients: &HttpClients) -> Result<Self, MetricError> {
        // The credentials of the address go into the login; what remains is shown in errors.
        let login = Login::new(spec, &spec.whole_url(None)?)?;
        let url = spec.url(None)?;
        let backend = Backend::new(&url, spec, clients, login.hidden().clone())?;
        let client = Client::from(backend.client().clone(), url.as_str())
            .map_err(|error| spec.wrong(format!("address: {error}")))?;
        Ok(Self { client, login, backend, url })
    }

    async fn ask(&self, query: &str) -> Result<Measurement, MetricError> {
        let answer = tokio::time::timeout(self.backend.timeout(), self.answer(query)).await;
        let answer = answer.unwrap_or_else(|_| Err(self.backend.too_slow()))?;
        if answer.status.as_u16() >= 400 {
            return Err(self.backend.refusal(&answer));
        }
        answer::value(&answer.body).map_err(|problem| match problem {
            answer::Problem::Refused(text) => MetricError::Refused(self.backend.shown(&text)),
            answer::Problem::Unusable(text) => MetricError::Unusable(text),
        })
    }

    async fn answer(&self, query: &str) -> Result<Answer, MetricError> {
        // Flagger: runs of white space are one blank, in string literals too.
        let query = query.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        // With the number of samples that it read. A server that does not count says nothing of it.
        let mut request = self.client.query(query).stats();
        for (name, value) in self.login.headers() {
            request = request.header(name.clone(), value.clone());
        }
        // The raw answer, because the library's own reading hides the text of an error that is not JSON, and takes a
        // scalar for a value.
        let response = request.get_raw().await.map_err(|error| self.unreachable(&error))?;
        self.backend.read(response).await
    }

    /// A request to another of its APIs, with the same headers.
    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.backend.client().get(below(&self.url, path)).headers(self.login.headers().clone())
    }

    /// The server itself.
    pub(crate) fn backend(&self) -> &Backend {
        &self.backend
    }

    fn unreachable(&self, error: &Error) -> MetricError {
        if let Error::Client(failure) = error
            && let Some(cause) = failure.inner()
        {
            return self.backend.broken(cause);
        }
        MetricError::Unreachable(format!("{} cannot be asked: {error}", self.backend.origin()))
    }
}

#[async_trait]
impl MetricProvider for Prometheus {
    async fn query(&self, query: &str) -> Result<Option<f64>, MetricError> {
        self.ask(query).await.map(|measured| measured.value)
    }

    async fn measure(&self, query: &str) -> Result<Measurement, MetricError> {
        self.ask(query).await
    }

    async fn samples(&self, query: &str) -> Samples {
        let mut samples = Samples::default();
        samples.age = newest::age_of_newest(self, query).await;
        samples
    }

    async fn explain(&self, query: &str) -> Option<String> {
        let reason = tokio::time::timeout(self.backend.timeout(), explain::explain(self, query)).await;
        reason.ok().flatten()
    }

    async fn check(&self) -> Result<(), MetricError> {
        match self.ask("vector(1)").await?.value {
            Some(1.0) => Ok(()),
            other => {
                let found = other.map_or_else(|| "no value".into(), |value| value.to_string());
                Err(MetricError::Unusable(format!(
                    "{} answered vector(1) with {found}",
                    self.backend.origin()
                )))
            }
        }
    }
}
