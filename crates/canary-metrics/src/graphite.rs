//! Graphite: the last value over all targets of a render request. The query is itself the query string of a URL.

use async_trait::async_trait;
use canary_core::{Measurement, MetricError, MetricProvider, Samples};
use reqwest::RequestBuilder;
use serde::Deserialize;
use url::{Url, form_urlencoded};

use crate::backend::Backend;
use crate::datadog::below;
use crate::hidden::Hidden;
use crate::http_clients::HttpClients;
use crate::providers::ProviderSpec;
use crate::sample::{Sample, age_of_seconds, count};

/// Graphite's render API.
pub(crate) struct Graphite {
    backend: Backend,
    url: Url,
    login: Option<(String, String)>,
}

#[derive(Deserialize)]
struct Target {
    /// Value and time.
    datapoints: Vec<(Sample, Sample)>,
}

impl Graphite {
    pub(crate) fn new(spec: &ProviderSpec, clients: &HttpClients) -> Result<Self, MetricError> {
        let url = below(&spec.url(None)?, "/render");
        let login = match &spec.secret {
            Some(_) => {
                let user = spec.required_text("username")?.to_owned();
                Some((user, spec.required_text("password")?.to_owned()))
            }
            None => None,
        };
        let hidden = Hidden::new(login.iter().map(|(_, password)| password.as_str()));
        Ok(Self { backend: Backend::new(&url, spec, clients, hidden)?, url, login })
    }

    fn render(&self, query: &str) -> RequestBuilder {
        // Flagger: runs of white space are one blank.
        let query = query.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        let mut url = self.url.clone();
        let parts = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "format");
        url.query_pairs_mut().extend_pairs(parts).append_pair("format", "json");
        let request = self.backend.client().get(url);
        match &self.login {
            Some((user, password)) => request.basic_auth(user, Some(password)),
            None => request,
        }
    }
}

#[async_trait]
impl MetricProvider for Graphite {
    async fn query(&self, query: &str) -> Result<Option<f64>, MetricError> {
        self.measure(query).await.map(|measured| measured.value)
    }

    async fn measure(&self, query: &str) -> Result<Measurement, MetricError> {
        let targets: Vec<Target> = self.backend.json(self.render(query)).await?;
        let points = || targets.iter().flat_map(|target| &target.datapoints);
        let valued = || points().filter_map(|(value, time)| Some((value.number()?, time.number())));
        let mut samples = Samples::default();
        samples.series = count(&targets);
        samples.count = count(valued());
        let last = valued().next_back();
        samples.age = last.and_then(|(_, time)| age_of_seconds(time?));
        Ok(Measurement::from(last.map(|(value, _)| value)).with(samples))
    }

    async fn check(&self) -> Result<(), MetricError> {
        self.query("target=test").await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn semicolons_and_hashes_belong_to_the_query() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let clients = HttpClients::new(crate::HttpOptions::default());
        let graphite =
            Graphite::new(&ProviderSpec::new("graphite", "http://graphite/base"), &clients).unwrap();
        let request = graphite.render("target=a;tag=b#c&from=-5min").build().unwrap();
        let pairs: Vec<_> = request.url().query_pairs().into_owned().collect();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(pairs, [pair("target", "a;tag=b#c"), pair("from", "-5min"), pair("format", "json")]);
        assert_eq!((request.url().path(), request.url().fragment()), ("/base/render", None));
    }
}
