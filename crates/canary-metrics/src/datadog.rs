//! Datadog: the first point of the first series of a time-series query.

use async_trait::async_trait;
use canary_core::{Measurement, MetricError, MetricProvider, Samples};
use reqwest::RequestBuilder;
use serde::Deserialize;
use url::Url;

use crate::backend::Backend;
use crate::hidden::Hidden;
use crate::http_clients::HttpClients;
use crate::providers::ProviderSpec;
use crate::sample::{Sample, age_of_seconds, count};
use crate::setting::Window;

const DEFAULT_ADDRESS: &str = "https://api.datadoghq.com";

/// Datadog's API.
pub(crate) struct Datadog {
    backend: Backend,
    url: Url,
    api_key: String,
    application_key: String,
    window: Window,
}

#[derive(Deserialize)]
struct Found {
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    series: Vec<Series>,
}

#[derive(Deserialize)]
struct Series {
    #[serde(default)]
    pointlist: Vec<(Sample, Sample)>,
}

impl Datadog {
    pub(crate) fn new(spec: &ProviderSpec, clients: &HttpClients) -> Result<Self, MetricError> {
        let url = spec.url(Some(DEFAULT_ADDRESS))?;
        let api_key = spec.required_text("datadog_api_key")?.to_owned();
        let application_key = spec.required_text("datadog_application_key")?.to_owned();
        let hidden = Hidden::new([api_key.as_str(), application_key.as_str()]);
        let backend = Backend::new(&url, spec, clients, hidden)?;
        Ok(Self { backend, url, api_key, application_key, window: spec.window()? })
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.backend
            .client()
            .get(below(&self.url, path))
            .header("DD-API-KEY", &self.api_key)
            .header("DD-APPLICATION-KEY", &self.application_key)
    }
}

#[async_trait]
impl MetricProvider for Datadog {
    async fn query(&self, query: &str) -> Result<Option<f64>, MetricError> {
        self.measure(query).await.map(|measured| measured.value)
    }

    async fn measure(&self, query: &str) -> Result<Measurement, MetricError> {
        let (from, to) = self.window.seconds();
        let request = self.get("/api/v1/query").query(&[
            ("query", query),
            ("from", &from.to_string()),
            ("to", &to.to_string()),
        ]);
        let found: Found = self.backend.json(request).await?;
        // Datadog answers 200 to a query that it cannot run.
        if let (Some("error"), error) = (found.status.as_deref(), &found.error) {
            let error = error.as_deref().unwrap_or("the query failed");
            return Err(MetricError::Refused(self.backend.shown(error)));
        }
        // Flagger: the oldest point; the newest is still being counted. A null there is no value, and never 0.
        let points = found.series.first().map(|series| series.pointlist.as_slice()).unwrap_or_default();
        let valued = || points.iter().filter_map(|(time, value)| Some((time.number(), value.number()?)));
        let mut samples = Samples::default();
        samples.series = count(&found.series);
        samples.count = count(valued());
        let oldest = valued().next();
        samples.age = oldest.and_then(|(time, _)| age_of_seconds(time? / 1000.0));
        Ok(Measurement::from(oldest.map(|(_, value)| value)).with(samples))
    }

    async fn check(&self) -> Result<(), MetricError> {
        self.backend.body(self.get("/api/v1/validate")).await.map(drop)
    }
}

/// An address with a path behind its own.
pub(crate) fn below(url: &Url, path: &str) -> Url {
    let mut url = url.clone();
    url.set_path(&format!("{}{path}", url.path().trim_end_matches('/')));
    url
}
