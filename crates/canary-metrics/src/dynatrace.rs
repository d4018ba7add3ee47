//! Dynatrace: the one point of a metric selector, asked at the resolution of the whole window.

use async_trait::async_trait;
use canary_core::{Measurement, MetricError, MetricProvider, Samples};
use reqwest::RequestBuilder;
use serde::Deserialize;
use url::Url;

use crate::backend::Backend;
use crate::datadog::below;
use crate::hidden::Hidden;
use crate::http_clients::HttpClients;
use crate::providers::ProviderSpec;
use crate::sample::{Sample, age_of_seconds, count};
use crate::setting::Window;

/// Dynatrace's metrics API, version 2.
pub(crate) struct Dynatrace {
    backend: Backend,
    url: Url,
    token: String,
    window: Window,
}

#[derive(Deserialize)]
struct Found {
    #[serde(default)]
    result: Vec<Metric>,
}

#[derive(Deserialize)]
struct Metric {
    #[serde(default)]
    data: Vec<Series>,
}

#[derive(Deserialize)]
struct Series {
    /// Milliseconds since 1970.
    #[serde(default)]
    timestamps: Vec<Sample>,
    #[serde(default)]
    values: Vec<Sample>,
}

impl Dynatrace {
    pub(crate) fn new(spec: &ProviderSpec, clients: &HttpClients) -> Result<Self, MetricError> {
        let url = below(&spec.url(None)?, "/api/v2/metrics");
        let token = spec.required_text("dynatrace_token")?.to_owned();
        let backend = Backend::new(&url, spec, clients, Hidden::new([token.as_str()]))?;
        Ok(Self { backend, url, token, window: spec.window()? })
    }

    fn get(&self, url: Url) -> RequestBuilder {
        self.backend.client().get(url).header("Authorization", format!("Api-Token {}", self.token))
    }
}

#[async_trait]
impl MetricProvider for Dynatrace {
    async fn query(&self, query: &str) -> Result<Option<f64>, MetricError> {
        self.measure(query).await.map(|measured| measured.value)
    }

    async fn measure(&self, query: &str) -> Result<Measurement, MetricError> {
        let (from, to) = self.window.seconds();
        let request = self.get(below(&self.url, "/query")).query(&[
            ("metricSelector", query),
            ("resolution", "Inf"),
            ("from", &(from * 1000).to_string()),
            ("to", &(to * 1000).to_string()),
        ]);
        let found: Found = self.backend.json(request).await?;
        // Flagger: the last series of the first metric. A null is no value, and never 0.
        let data = found.result.first().map(|metric| metric.data.as_slice()).unwrap_or_default();
        let mut samples = Samples::default();
        samples.series = count(data);
        let Some(series) = data.last() else { return Ok(Measurement::default().with(samples)) };
        samples.count = count(series.values.iter().filter_map(|value| value.number()));
        let value = series.values.first().and_then(|value| value.number());
        let time = series.timestamps.first().and_then(|time| time.number()).filter(|_| value.is_some());
        samples.age = time.and_then(|time| age_of_seconds(time / 1000.0));
        Ok(Measurement::from(value).with(samples))
    }

    async fn check(&self) -> Result<(), MetricError> {
        self.backend.body(self.get(self.url.clone()).query(&[("pageSize", "1")])).await.map(drop)
    }
}
