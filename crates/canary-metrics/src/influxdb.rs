//! InfluxDB: the first value of a Flux query (version 2, and 1.8 with its compatible API), or of an InfluxQL query where a
//! database is named (version 1).

mod annotated_csv;
mod influxql;

use async_trait::async_trait;
use canary_core::{Measurement, MetricError, MetricProvider};
use reqwest::RequestBuilder;
use serde_json::json;
use url::Url;

use crate::backend::Backend;
use crate::datadog::below;
use crate::hidden::Hidden;
use crate::http_clients::HttpClients;
use crate::providers::ProviderSpec;

/// Flagger waits three times as long for InfluxDB as for others.
const PATIENCE: u32 = 3;

/// An InfluxDB server.
pub(crate) struct InfluxDb {
    backend: Backend,
    url: Url,
    speaks: Speaks,
}

enum Speaks {
    Flux { org: String, token: Option<String> },
    InfluxQl { database: String, login: Option<(String, String)> },
}

impl InfluxDb {
    pub(crate) fn new(spec: &ProviderSpec, clients: &HttpClients) -> Result<Self, MetricError> {
        let whole = spec.whole_url(None)?;
        let named = |key: &str| {
            whole.query_pairs().find(|(name, _)| name == key).map(|(_, value)| value.into_owned())
        };
        let login = match (spec.secret_text("username")?, spec.secret_text("password")?) {
            (Some(user), Some(password)) => Some((user.to_owned(), password.to_owned())),
            _ => None,
        };
        let token = spec.secret_text("token")?.map(str::to_owned);
        let database = spec.secret_text("database")?.map(str::to_owned).or_else(|| named("db"));
        let mut hidden = Hidden::new(token.as_deref());
        hidden.add(login.as_ref().map_or("", |(_, password)| password));
        let speaks = if let Some(database) = database {
            Speaks::InfluxQl { database, login }
        } else {
            let org = match &spec.secret {
                Some(_) if token.is_none() => {
                    return Err(spec.wrong(
                        "secret has no \"token\"; expected \"token\" and \"org\" for Flux, or \"database\" for InfluxQL",
                    ));
                }
                Some(_) => spec.required_text("org")?.to_owned(),
                None => named("org").unwrap_or_default(),
            };
            Speaks::Flux { org, token }
        };
        let url = spec.url(None)?;
        let backend = Backend::new(&url, spec, clients, hidden)?.patient(PATIENCE, spec, clients);
        Ok(Self { backend, url, speaks })
    }

    fn flux(&self, query: &str, org: &str, token: Option<&str>) -> RequestBuilder {
        let body = json!({
            "query": query,
            "type": "flux",
            "dialect": { "annotations": ["datatype", "group", "default"], "delimiter": ",", "header": true },
        });
        let url = below(&self.url, "/api/v2/query");
        let request = self.backend.client().post(url).query(&[("org", org)]).json(&body);
        match token {
            Some(token) => request.header("Authorization", format!("Token {token}")),
            None => request,
        }
    }
}

#[async_trait]
impl MetricProvider for InfluxDb {
    async fn query(&self, query: &str) -> Result<Option<f64>, MetricError> {
        self.measure(query).await.map(|measured| measured.value)
    }

    async fn measure(&self, query: &str) -> Result<Measurement, MetricError> {
        match &self.speaks {
            Speaks::Flux { org, token } => {
                let body = self.backend.body(self.flux(query, org, token.as_deref())).await?;
                annotated_csv::first_value(&body).map_err(|problem| problem.into_error(&self.backend))
            }
            Speaks::InfluxQl { database, login } => {
                let url = below(&self.url, "/query");
                let request =
                    self.backend.client().get(url).query(&[("db", database.as_str()), ("q", query)]);
                let request = match login {
                    Some((user, password)) => request.basic_auth(user, Some(password)),
                    None => request,
                };
                let body = self.backend.body(request).await?;
                influxql::first_value(self.backend.parse(&body)?)
                    .map_err(|problem| problem.into_error(&self.backend))
            }
        }
    }

    async fn check(&self) -> Result<(), MetricError> {
        let request = match &self.speaks {
            // Every token may list the buckets that it may read, be they none.
            Speaks::Flux { org, token } => self.flux("buckets() |> limit(n: 1)", org, token.as_deref()),
            Speaks::InfluxQl { .. } => self.backend.client().get(below(&self.url, "/ping")),
        };
        let answer = self.backend.exchange(request).await?;
        if answer.status.is_success() { Ok(()) } else { Err(self.backend.refusal(&answer)) }
    }
}

/// Why an answer with status 200 gives no number.
#[derive(Debug, PartialEq)]
enum Problem {
    /// The server says that the query failed.
    Refused(String),
    /// The answer is not one number.
    Unusable(String),
}

impl Problem {
    fn into_error(self, backend: &Backend) -> MetricError {
        match self {
            Self::Refused(text) => MetricError::Refused(backend.shown(&text)),
            Self::Unusable(text) => MetricError::Unusable(backend.shown(&text)),
        }
    }
}
