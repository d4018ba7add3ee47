//! The load tester of this project: results of the load that it makes, without a scrape in between.
//!
//! It answers a few queries in Prometheus' format. Beyond that it is told the metric's interval, and says why it has no value.

use async_trait::async_trait;
use canary_core::{MetricError, MetricProvider};
use serde::Deserialize;

use crate::http_clients::HttpClients;
use crate::prometheus::Prometheus;
use crate::providers::ProviderSpec;

/// A load tester.
pub(crate) struct LoadTest {
    server: Prometheus,
    /// The range of queries that have none.
    interval: Option<String>,
}

/// Runs as the load tester lists them.
#[derive(Deserialize)]
struct Runs {
    runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    namespace: String,
    canary: String,
    name: String,
    ended: Option<String>,
    top_up: Option<TopUp>,
    report: Option<Report>,
    /// Why it was aborted.
    reason: Option<String>,
}

#[derive(Deserialize)]
struct TopUp {
    state: String,
}

#[derive(Deserialize)]
struct Report {
    generator_limited: bool,
}

impl LoadTest {
    pub(crate) fn new(spec: &ProviderSpec, clients: &HttpClients) -> Result<Self, MetricError> {
        Ok(Self { server: Prometheus::new(spec, clients)?, interval: spec.interval.clone() })
    }

    fn with_range(&self, query: &str) -> String {
        let query = query.trim();
        match &self.interval {
            Some(interval) if !query.ends_with([']', ')']) => format!("{query}[{interval}]"),
            Some(_) | None => query.to_owned(),
        }
    }
}

/// Why the runs that a query is about give no value.
fn reason(runs: &[Run], query: &str) -> String {
    let is_meant = |run: &&Run| {
        let agrees = |label: &str, value: &str| match query.split_once(&format!("{label}=\"")) {
            Some((_, rest)) => rest.split('"').next() == Some(value),
            None => true,
        };
        agrees("namespace", &run.namespace) && agrees("canary", &run.canary) && agrees("run", &run.name)
    };
    let Some(run) = runs.iter().rfind(is_meant) else {
        return "the load tester has made no load of that name in the last ten minutes".to_owned();
    };
    let name = &run.name;
    if let Some(why) = &run.reason {
        return format!("the load on {name} is no evidence: it was aborted: {why}");
    }
    match (&run.top_up, &run.ended, &run.report) {
        (Some(top_up), None, _) if top_up.state != "seeing" && top_up.state != "holding" => {
            format!("the load on {name} is no evidence: filling up real traffic is {}", top_up.state)
        }
        (_, _, Some(report)) if report.generator_limited => {
            format!("the load on {name} is no evidence: the load tester was too slow")
        }
        (_, Some(ended), _) => format!("the load on {name} ended at {ended}"),
        (_, None, _) => format!("the load on {name} has had no request in that time"),
    }
}

#[async_trait]
impl MetricProvider for LoadTest {
    async fn query(&self, query: &str) -> Result<Option<f64>, MetricError> {
        self.server.query(&self.with_range(query)).await
    }

    async fn explain(&self, query: &str) -> Option<String> {
        let asking = self.server.backend().json(self.server.get("/v1/runs"));
        let Runs { runs } = asking.await.ok()?;
        Some(reason(&runs, query))
    }

    async fn check(&self) -> Result<(), MetricError> {
        self.server.check().await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use wiremock::matchers::{header, path, query_param};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;
    use crate::{HttpOptions, MetricProviders};

    async fn server(body: &str, query: &str) -> MockServer {
        let server = MockServer::start().await;
        Mock::given(path("/api/v1/query"))
            .and(query_param("query", query))
            .and(header("authorization", "Bearer of-the-secret"))
            .respond_with(ResponseTemplate::new(200).set_body_string(body))
            .mount(&server)
            .await;
        server
    }

    fn provider(server: &MockServer) -> std::sync::Arc<dyn MetricProvider> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut spec = ProviderSpec::new("loadtest", server.uri());
        spec.secret = Some([("token".to_owned(), b"of-the-secret".to_vec())].into());
        spec.interval = Some("2m".to_owned());
        let options = HttpOptions { timeout: Duration::from_secs(5), ..HttpOptions::default() };
        MetricProviders::with_http(options).build(&spec).unwrap()
    }

    const NOTHING: &str = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;

    #[tokio::test]
    async fn the_interval_of_the_metric_is_the_range_of_its_query() {
        let one = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"0.25"]}]}}"#;
        for (given, asked) in [
            (r#"load_latency_seconds{quantile="0.99"}"#, r#"load_latency_seconds{quantile="0.99"}[2m]"#),
            ("load_requests[30s]", "load_requests[30s]"),
        ] {
            let server = server(one, asked).await;
            assert_eq!(provider(&server).query(given).await, Ok(Some(0.25)), "{given}");
        }
    }

    #[tokio::test]
    async fn no_value_is_explained() {
        let query = r#"load_error_ratio{namespace="test",canary="podinfo"}"#;
        let run = |more: &str| {
            format!(
                r#"{{"id":"1","namespace":"test","canary":"podinfo","name":"http://a","began":"x"{more}}}"#
            )
        };
        let other = run("").replace("podinfo", "other");
        for (runs, why) in [
            (other.clone(), "has made no load of that name"),
            (run(r#","ended":"2026","state":"aborted","reason":"of that""#), "it was aborted: of that"),
            (run(r#","top_up":{"state":"blind"}"#), "filling up real traffic is blind"),
            (run(r#","ended":"2026","report":{"generator_limited":true}"#), "was too slow"),
            (run(r#","ended":"2026","report":{"generator_limited":false}"#), "ended at 2026"),
            (format!("{},{other}", run(r#","top_up":{"state":"seeing"}"#)), "has had no request"),
        ] {
            let server = server(NOTHING, &format!("{query}[2m]")).await;
            let list = ResponseTemplate::new(200).set_body_string(format!(r#"{{"runs":[{runs}]}}"#));
            Mock::given(path("/v1/runs")).respond_with(list).mount(&server).await;
            let provider = provider(&server);
            assert_eq!(provider.query(query).await, Ok(None));
            let reason = provider.explain(query).await.unwrap();
            assert!(reason.contains(why), "{reason}");
        }
    }
}
