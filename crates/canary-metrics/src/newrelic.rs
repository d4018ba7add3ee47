//! New Relic: the one number of an NRQL query, through the Insights query API that Flagger uses.

use async_trait::async_trait;
use canary_core::{MetricError, MetricProvider};
use reqwest::RequestBuilder;
use serde_json::Value;
use url::Url;

use crate::backend::Backend;
use crate::datadog::below;
use crate::hidden::Hidden;
use crate::http_clients::HttpClients;
use crate::providers::ProviderSpec;

const DEFAULT_ADDRESS: &str = "https://insights-api.newrelic.com";

/// New Relic's query API.
pub(crate) struct NewRelic {
    backend: Backend,
    url: Url,
    query_key: String,
    seconds: u64,
}

impl NewRelic {
    pub(crate) fn new(spec: &ProviderSpec, clients: &HttpClients) -> Result<Self, MetricError> {
        let account = spec.required_text("newrelic_account_id")?;
        let query_key = spec.required_text("newrelic_query_key")?.to_owned();
        let mut url = below(&spec.url(Some(DEFAULT_ADDRESS))?, "/v1/accounts");
        match url.path_segments_mut() {
            // The account is a segment of its own, whatever is in it.
            Ok(mut segments) => segments.push(account).push("query"),
            Err(()) => return Err(spec.wrong("address has no host")),
        };
        let hidden = Hidden::new([query_key.as_str()]);
        let backend = Backend::new(&url, spec, clients, hidden)?;
        Ok(Self { backend, url, query_key, seconds: spec.interval()?.as_secs() })
    }

    fn ask(&self, query: &str) -> RequestBuilder {
        let nrql = format!("{query} SINCE {} seconds ago", self.seconds);
        let request = self.backend.client().get(self.url.clone()).query(&[("nrql", nrql)]);
        request.header("X-Query-Key", &self.query_key)
    }
}

#[async_trait]
impl MetricProvider for NewRelic {
    async fn query(&self, query: &str) -> Result<Option<f64>, MetricError> {
        let answer: Value = self.backend.json(self.ask(query)).await?;
        let unusable = |what: &str| {
            MetricError::Unusable(format!("the NRQL query returned {what}; expected one number"))
        };
        for (key, what) in [("facets", "facets"), ("timeSeries", "a time series")] {
            if answer.get(key).is_some() {
                return Err(unusable(what));
            }
        }
        match answer.get("results").and_then(Value::as_array).map(Vec::as_slice) {
            None => Err(MetricError::Unusable("the answer of New Relic has no results".into())),
            Some([]) => Ok(None),
            Some([one]) => number(one).map_err(|()| unusable("something else")),
            Some(several) => Err(unusable(&format!("{} results", several.len()))),
        }
    }

    async fn check(&self) -> Result<(), MetricError> {
        self.backend.body(self.ask("SELECT * FROM Metric")).await.map(drop)
    }
}

/// The number that is called `result`, or that is alone under whatever name: `{"average": 1}`, `{"percentiles": {"95": 1}}`.
fn number(value: &Value) -> Result<Option<f64>, ()> {
    match value {
        Value::Null => Ok(None),
        Value::Number(number) => Ok(number.as_f64()),
        Value::Object(object) => match (object.get("result"), object.len()) {
            (Some(result), _) => number(result),
            (None, 1) => object.values().next().map_or(Ok(None), number),
            (None, 0) => Ok(None),
            (None, _) => Err(()),
        },
        Value::Bool(_) | Value::String(_) | Value::Array(_) => Err(()),
    }
}
