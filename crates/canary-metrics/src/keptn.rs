//! Keptn: the value of a `KeptnMetric`, or whether an `Analysis` that is made for the question passes.

mod query;

use std::time::Duration;

use async_trait::async_trait;
use canary_core::{Measurement, MetricError, MetricProvider, Samples};
use serde_json::{Value, json};

use crate::cluster::{self, Cluster};
use crate::sample::age;
use query::Query;

const API_VERSION: &str = "metrics.keptn.sh/v1beta1";
/// An analysis is looked at so often, so many times.
const PERIOD: Duration = Duration::from_secs(1);
const LOOKS: u32 = 10;

/// Keptn in the controller's cluster.
#[derive(Clone)]
pub(crate) struct Keptn {
    cluster: Cluster,
}

impl Keptn {
    pub(crate) fn new(cluster: Cluster) -> Self {
        Self { cluster }
    }

    async fn metric(&self, namespace: &str, name: &str) -> Result<Measurement, MetricError> {
        let answer = self.cluster.get(&path(namespace, "keptnmetrics", name)).await?;
        let object = cluster::json(&answer)?;
        // A metric that Keptn has not measured yet has no value.
        let Some(value) = object.pointer("/status/value").filter(|value| !value.is_null()) else {
            return Ok(Measurement::default());
        };
        let mut samples = Samples::default();
        let updated = object.pointer("/status/lastUpdated").and_then(Value::as_str);
        samples.age = updated.and_then(|updated| updated.parse().ok()).map(age);
        let number = match value.as_str() {
            Some("") => None,
            text => {
                let number = text.and_then(|text| text.trim().parse::<f64>().ok());
                let unusable = || {
                    MetricError::Unusable(format!(
                        "status.value of KeptnMetric {name} is {value}, not a number"
                    ))
                };
                Some(number.ok_or_else(unusable)?).filter(|number| !number.is_nan())
            }
        };
        Ok(Measurement::from(number).with(samples))
    }

    async fn analysis(&self, query: &Query) -> Result<Option<f64>, MetricError> {
        let name = format!("{}-{:06x}", query.name, rand::random_range(0..0x0100_0000_u32));
        let object = json!({
            "apiVersion": API_VERSION,
            "kind": "Analysis",
            "metadata": { "name": name, "namespace": query.namespace },
            "spec": {
                "analysisDefinition": { "name": query.name },
                "timeframe": { "recent": query.timeframe },
                "args": query.arguments,
            },
        });
        let created = self.cluster.post(&path(&query.namespace, "analyses", ""), &object).await?;
        cluster::json(&created)?;
        let own = path(&query.namespace, "analyses", &name);
        let verdict = self.verdict(&own, &query.name).await;
        // It was made for this question. What is left where this fails hurts nobody.
        let _ = self.cluster.delete(&own).await;
        verdict
    }

    async fn verdict(&self, path: &str, name: &str) -> Result<Option<f64>, MetricError> {
        for look in 0..LOOKS {
            if look > 0 {
                tokio::time::sleep(PERIOD).await;
            }
            let object = cluster::json(&self.cluster.get(path).await?)?;
            let completed = object.pointer("/status/state").and_then(Value::as_str) == Some("Completed");
            if let (true, Some(pass)) = (completed, object.pointer("/status/pass").and_then(Value::as_bool)) {
                return Ok(Some(f64::from(u8::from(pass))));
            }
        }
        let waited = PERIOD * LOOKS;
        Err(MetricError::Unavailable(format!("the Analysis of {name} was not completed within {waited:?}")))
    }
}

#[async_trait]
impl MetricProvider for Keptn {
    async fn query(&self, query: &str) -> Result<Option<f64>, MetricError> {
        self.measure(query).await.map(|measured| measured.value)
    }

    async fn measure(&self, query: &str) -> Result<Measurement, MetricError> {
        let query = Query::read(query)?;
        if query.analysis {
            // It is removed even if nobody waits for the verdict any more.
            let keptn = self.clone();
            let verdict = tokio::spawn(async move { keptn.analysis(&query).await }).await;
            let failed = |error: tokio::task::JoinError| {
                MetricError::Unavailable(format!("the Analysis was given up: {error}"))
            };
            verdict.map_err(failed)?.map(Measurement::from)
        } else {
            self.metric(&query.namespace, &query.name).await
        }
    }

    /// Whether the API is served.
    async fn check(&self) -> Result<(), MetricError> {
        let answer = self.cluster.get(&format!("/apis/{API_VERSION}")).await?;
        cluster::json(&answer).map(drop)
    }
}

fn path(namespace: &str, plural: &str, name: &str) -> String {
    let all = format!("/apis/{API_VERSION}/namespaces/{namespace}/{plural}");
    if name.is_empty() { all } else { format!("{all}/{name}") }
}
