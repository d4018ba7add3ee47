//! The external metrics API of Kubernetes (`external.metrics.k8s.io`): the first item of a metric, from the cluster's own API
//! server or from a server that an address names.

mod query;

use async_trait::async_trait;
use canary_core::{Measurement, MetricError, MetricProvider, Samples};
use reqwest::StatusCode;
use serde::Deserialize;
use url::Url;

use crate::backend::{Answer, Backend};
use crate::datadog::below;
use crate::hidden::Hidden;
use crate::http_clients::HttpClients;
use crate::providers::ProviderSpec;
use crate::quantity;
use crate::sample::{age, count};
use query::Query;

const GROUP: &str = "/apis/external.metrics.k8s.io/v1beta1";

/// Where the metrics are.
pub(crate) struct ExternalMetrics {
    server: Server,
}

enum Server {
    At {
        backend: Backend,
        url: Url,
        token: Option<String>,
    },
    #[cfg(feature = "kubernetes")]
    Cluster(crate::cluster::Cluster),
}

#[derive(Deserialize)]
struct Found {
    items: Option<Vec<Item>>,
}

#[derive(Deserialize)]
struct Item {
    value: Option<String>,
    #[serde(default)]
    timestamp: Option<String>,
}

impl ExternalMetrics {
    /// The server at the spec's address.
    pub(crate) fn at_address(spec: &ProviderSpec, clients: &HttpClients) -> Result<Self, MetricError> {
        if spec.address.is_empty() {
            return Err(spec.wrong(
                "address is empty, and this program was given no cluster whose API server could be asked",
            ));
        }
        let url = spec.url(None)?;
        let token = spec.secret_text("token")?.map(str::to_owned);
        let backend = Backend::new(&url, spec, clients, Hidden::new(token.as_deref()))?;
        Ok(Self { server: Server::At { backend, url, token } })
    }

    /// The cluster's own API server, with the controller's credentials.
    #[cfg(feature = "kubernetes")]
    pub(crate) fn in_cluster(cluster: crate::cluster::Cluster) -> Self {
        Self { server: Server::Cluster(cluster) }
    }

    async fn get(&self, path: &str, selector: Option<&str>) -> Result<Answer, MetricError> {
        match &self.server {
            Server::At { backend, url, token } => {
                // The path is encoded already.
                let mut url = below(url, "");
                url.set_path(&format!("{}{path}", url.path().trim_end_matches('/')));
                let mut request = backend.client().get(url);
                if let Some(selector) = selector {
                    request = request.query(&[("labelSelector", selector)]);
                }
                if let Some(token) = token {
                    request = request.bearer_auth(token);
                }
                backend.exchange(request).await
            }
            #[cfg(feature = "kubernetes")]
            Server::Cluster(cluster) => {
                let mut url = path.to_owned();
                if let Some(selector) = selector {
                    let query = url::form_urlencoded::Serializer::new(String::new())
                        .append_pair("labelSelector", selector)
                        .finish();
                    url = format!("{url}?{query}");
                }
                cluster.get(&url).await
            }
        }
    }

    fn refusal(&self, answer: &Answer) -> MetricError {
        match &self.server {
            Server::At { backend, .. } => backend.refusal(answer),
            #[cfg(feature = "kubernetes")]
            Server::Cluster(_) => crate::cluster::refusal(answer),
        }
    }
}

#[async_trait]
impl MetricProvider for ExternalMetrics {
    async fn query(&self, query: &str) -> Result<Option<f64>, MetricError> {
        self.measure(query).await.map(|measured| measured.value)
    }

    async fn measure(&self, query: &str) -> Result<Measurement, MetricError> {
        let query = Query::read(query)?;
        let answer = self.get(&format!("{GROUP}{}", query.path), query.selector.as_deref()).await?;
        if answer.status != StatusCode::OK {
            return Err(self.refusal(&answer));
        }
        let unusable =
            |problem: String| MetricError::Unusable(format!("the answer about external metrics {problem}"));
        let found: Found = serde_json::from_slice(&answer.body)
            .map_err(|error| unusable(format!("is not the expected JSON: {error}")))?;
        let Some(items) = found.items else { return Err(unusable("has no items".into())) };
        let mut samples = Samples::default();
        samples.series = count(&items);
        let first = items.first();
        samples.age = first.and_then(|item| item.timestamp.as_deref()?.parse().ok()).map(age);
        let Some(value) = first.and_then(|item| item.value.as_deref()) else {
            return Ok(Measurement::default().with(samples));
        };
        let number = quantity::number(value);
        let number =
            number.ok_or_else(|| unusable(format!("has the value {value:?}, which is not a quantity")))?;
        Ok(Measurement::from(Some(number)).with(samples))
    }

    /// Whether the API is served. Flagger asks for a metric that does not exist, and takes *not found* for an outage.
    async fn check(&self) -> Result<(), MetricError> {
        let answer = self.get(GROUP, None).await?;
        match answer.status {
            StatusCode::OK => return Ok(()),
            StatusCode::NOT_FOUND => {}
            _ => return Err(self.refusal(&answer)),
        }
        // A server that is no whole API server may know metrics and no discovery.
        let answer = self.get(&format!("{GROUP}/namespaces/kube-system/dummy-metric"), None).await?;
        if answer.status == StatusCode::OK { Ok(()) } else { Err(self.refusal(&answer)) }
    }
}
