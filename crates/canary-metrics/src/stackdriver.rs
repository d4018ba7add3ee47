//! Google Cloud Monitoring: the first value of the first point of the first series of an MQL query.

use async_trait::async_trait;
use canary_core::{Measurement, MetricError, MetricProvider, Samples};
use reqsign_core::Signer;
use reqsign_google::{
    Credential, DefaultCredentialProvider, EnvCredentialProvider, RequestSigner,
    ServiceAccountTokenCredentialProvider, StaticCredentialProvider, VmMetadataCredentialProvider,
    WellKnownCredentialProvider,
};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::backend::Backend;
use crate::hidden::Hidden;
use crate::http_clients::HttpClients;
use crate::providers::ProviderSpec;
use crate::sample::{Sample, age, count};
use crate::signing::{Signers, context, unsigned};

const DEFAULT_ADDRESS: &str = "https://monitoring.googleapis.com";
const SCOPE: &str = "https://www.googleapis.com/auth/monitoring.read";

/// Credentials of the keys that were used.
pub(crate) type GoogleSigners = Signers<Credential>;

/// Cloud Monitoring of one project.
pub(crate) struct Stackdriver {
    backend: Backend,
    url: Url,
    signer: Signer<Credential>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    #[serde(default)]
    time_series_data: Vec<Series>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Series {
    #[serde(default)]
    point_data: Vec<Point>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Point {
    #[serde(default)]
    values: Vec<Typed>,
    #[serde(default)]
    time_interval: Interval,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Interval {
    #[serde(default)]
    end_time: String,
}

/// A value under the name of its type.
#[derive(Deserialize)]
struct Typed {
    #[serde(rename = "doubleValue")]
    double: Option<Sample>,
    #[serde(rename = "int64Value")]
    whole: Option<Sample>,
    #[serde(rename = "boolValue")]
    truth: Option<bool>,
    #[serde(rename = "distributionValue")]
    distribution: Option<Value>,
    #[serde(rename = "stringValue")]
    text: Option<String>,
}

impl Stackdriver {
    pub(crate) fn new(
        spec: &ProviderSpec,
        clients: &HttpClients,
        signers: &GoogleSigners,
    ) -> Result<Self, MetricError> {
        let project = spec.required_text("project")?;
        let mut url = spec.url(Some(DEFAULT_ADDRESS))?;
        match url.path_segments_mut() {
            Ok(mut path) => path.pop_if_empty().extend(["v3", "projects", project, "timeSeries:query"]),
            Err(()) => return Err(spec.wrong("address has no host")),
        };
        let key = spec.secret_text("serviceAccountKey")?;
        let kind = key.map(|key| Key::read(key, spec)).transpose()?;
        let backend = Backend::new(&url, spec, clients, Hidden::new(key))?;
        let (client, patience) = (backend.client().clone(), backend.timeout());
        let signer = signers.get(key.unwrap_or_default(), || {
            let token_uri = kind.as_ref().and_then(|kind| kind.token_uri.clone());
            let context = context(client, patience, token_uri);
            let requests = RequestSigner::new("monitoring").with_scope(SCOPE);
            match (key, kind) {
                (Some(key), Some(kind)) if kind.kind == "service_account" => {
                    // This one keeps its token; the other would ask for one with every query.
                    let file = StaticCredentialProvider::new(key);
                    let tokens = ServiceAccountTokenCredentialProvider::from_provider(file).with_scope(SCOPE);
                    Signer::new(context, tokens, requests)
                }
                (Some(key), _) => {
                    Signer::new(context, StaticCredentialProvider::new(key).with_scope(SCOPE), requests)
                }
                (None, _) => Signer::new(context, of_the_machine(), requests),
            }
        });
        Ok(Self { backend, url, signer })
    }

    async fn ask(&self, query: &str) -> Result<Found, MetricError> {
        let malformed =
            |error: http::Error| MetricError::Configuration(format!("stackdriver request: {error}"));
        let (mut head, ()) = http::Request::post(self.url.as_str()).body(()).map_err(malformed)?.into_parts();
        self.signer
            .sign(&mut head, None)
            .await
            .map_err(|error| unsigned("Google Cloud Monitoring", &error))?;
        // The token is no part of the secret, and no business of anybody either.
        let token = head.headers.get("authorization").and_then(|value| value.to_str().ok());
        let token = Hidden::new(token.and_then(|value| value.split(' ').next_back()));
        let request = self.backend.client().post(self.url.clone()).headers(head.headers);
        let found = self.backend.json(request.json(&json!({ "query": query }))).await;
        found.map_err(|error| error.map_text(|text| token.redact(&text)))
    }
}

#[async_trait]
impl MetricProvider for Stackdriver {
    async fn query(&self, query: &str) -> Result<Option<f64>, MetricError> {
        self.measure(query).await.map(|measured| measured.value)
    }

    async fn measure(&self, query: &str) -> Result<Measurement, MetricError> {
        let found = self.ask(query).await?;
        let mut samples = Samples::default();
        samples.series = count(&found.time_series_data);
        let points = found.time_series_data.first().map(|series| series.point_data.as_slice());
        samples.count = points.and_then(count);
        let point = points.and_then(<[Point]>::first);
        samples.age = point.and_then(|point| point.time_interval.end_time.parse().ok()).map(age);
        let value = match point.and_then(|point| point.values.first()) {
            Some(value) => value.number()?,
            None => None,
        };
        Ok(Measurement::from(value).with(samples))
    }

    /// An empty query: the service refuses it, and so tells that it would answer another one.
    async fn check(&self) -> Result<(), MetricError> {
        match self.ask("").await {
            Ok(_) | Err(MetricError::Refused(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Typed {
    fn number(&self) -> Result<Option<f64>, MetricError> {
        if self.distribution.is_some() || self.text.is_some() {
            return Err(MetricError::Unusable(
                "the query returned a distribution or a text; expected a number, which an aligner makes"
                    .into(),
            ));
        }
        let truth = self.truth.map(|truth| f64::from(u8::from(truth)));
        Ok(self.double.or(self.whole).map_or(truth, Sample::number))
    }
}

/// What a key file says about itself.
#[derive(Deserialize)]
struct Key {
    #[serde(rename = "type", default)]
    kind: String,
    token_uri: Option<String>,
}

impl Key {
    fn read(text: &str, spec: &ProviderSpec) -> Result<Self, MetricError> {
        // The error of the parser would show a piece of the key.
        serde_json::from_str(text)
            .map_err(|_| spec.wrong("secret key \"serviceAccountKey\" is not the JSON of a Google key file"))
    }
}

/// Application default credentials: a file, the user's own, or those of the machine or pod.
fn of_the_machine() -> DefaultCredentialProvider {
    DefaultCredentialProvider::builder()
        .env(EnvCredentialProvider::new().with_scope(SCOPE))
        .well_known(WellKnownCredentialProvider::new().with_scope(SCOPE))
        .vm_metadata(VmMetadataCredentialProvider::new().with_scope(SCOPE))
        .build()
}
