//! Amazon CloudWatch: the first value of the first result of `GetMetricData`.

mod queries;

use std::time::Duration;

use async_trait::async_trait;
use canary_core::{Measurement, MetricError, MetricProvider, Samples};
use reqsign_aws_v4::{Credential, DefaultCredentialProvider, RequestSigner, StaticCredentialProvider};
use reqsign_core::Signer;
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use crate::backend::{Answer, Backend, refusal};
use crate::hidden::Hidden;
use crate::http_clients::HttpClients;
use crate::providers::ProviderSpec;
use crate::sample::{Sample, age_of_seconds, count};
use crate::setting::Window;
use crate::signing::{Signers, context, unsigned};

/// Flagger's number.
const MAX_DATAPOINTS: u32 = 20;
/// As often Flagger's library asks where the service is overloaded.
const ATTEMPTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Credentials of the regions that were asked.
pub(crate) type AwsSigners = Signers<Credential>;

/// CloudWatch of one region.
pub(crate) struct CloudWatch {
    backend: Backend,
    url: Url,
    signer: Signer<Credential>,
    window: Window,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Found {
    #[serde(default)]
    metric_data_results: Vec<Series>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Series {
    #[serde(default)]
    status_code: Option<String>,
    #[serde(default)]
    values: Vec<Sample>,
    /// Seconds since 1970.
    #[serde(default)]
    timestamps: Vec<Sample>,
}

impl CloudWatch {
    pub(crate) fn new(
        spec: &ProviderSpec,
        clients: &HttpClients,
        signers: &AwsSigners,
    ) -> Result<Self, MetricError> {
        let region = spec.region.as_str();
        let is_name = |region: &str| region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if region.is_empty() || !is_name(region) {
            return Err(spec.wrong(format!("region {region:?} is not a region such as eu-central-1")));
        }
        let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let url = spec.url(Some(&format!("https://monitoring.{region}.{domain}")))?;
        let own = own_key(spec)?;
        let backend = Backend::new(&url, spec, clients, Hidden::new(own.unwrap_or_default()))?;
        let (client, patience) = (backend.client().clone(), backend.timeout());
        let name = format!("{region} {}", own.unwrap_or_default().join(" "));
        let signer = signers.get(&name, || {
            let context = context(client, patience, None);
            let requests = RequestSigner::new("monitoring", region);
            match own {
                Some([id, key, ""]) => Signer::new(context, StaticCredentialProvider::new(id, key), requests),
                Some([id, key, session]) => {
                    let key = StaticCredentialProvider::new(id, key).with_session_token(session);
                    Signer::new(context, key, requests)
                }
                None => Signer::new(context, DefaultCredentialProvider::new(), requests),
            }
        });
        Ok(Self { backend, url, signer, window: spec.window()? })
    }

    async fn get_metric_data(&self, queries: Value, start: i64, end: i64) -> Result<Found, MetricError> {
        let body = json!({
            "MetricDataQueries": queries,
            "StartTime": start,
            "EndTime": end,
            "MaxDatapoints": MAX_DATAPOINTS,
        })
        .to_string();
        let mut pause = FIRST_PAUSE;
        for _ in 1..ATTEMPTS {
            match self.once(&body).await {
                Err(MetricError::Unavailable(_)) => tokio::time::sleep(pause).await,
                other => return other,
            }
            pause *= 2;
        }
        self.once(&body).await
    }

    async fn once(&self, body: &str) -> Result<Found, MetricError> {
        let request = self.signed(body).await?;
        let answer = self.backend.exchange(request).await?;
        if answer.status == StatusCode::OK {
            self.backend.parse(&answer.body)
        } else {
            Err(self.fault(&answer))
        }
    }

    async fn signed(&self, body: &str) -> Result<reqwest::RequestBuilder, MetricError> {
        let malformed =
            |error: http::Error| MetricError::Configuration(format!("cloudwatch request: {error}"));
        let hash = Sha256::digest(body).iter().fold(String::new(), |hash, byte| format!("{hash}{byte:02x}"));
        let (mut head, ()) = http::Request::post(self.url.as_str())
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", "GraniteServiceVersion20100801.GetMetricData")
            .header("x-amz-content-sha256", hash)
            .body(())
            .map_err(malformed)?
            .into_parts();
        self.signer.sign(&mut head, None).await.map_err(|error| unsigned("CloudWatch", &error))?;
        Ok(self.backend.client().post(self.url.clone()).headers(head.headers).body(body.to_owned()))
    }

    /// The service says 400 to nearly everything, and the type tells what is meant.
    fn fault(&self, answer: &Answer) -> MetricError {
        #[derive(Deserialize)]
        struct Fault {
            #[serde(rename = "__type", default)]
            kind: String,
            #[serde(default, alias = "Message")]
            message: String,
        }
        let Ok(fault) = serde_json::from_slice::<Fault>(&answer.body) else {
            return self.backend.refusal(answer);
        };
        let kind = fault.kind.rsplit('#').next().unwrap_or_default();
        let text = format!(
            "{} answered {} {kind}: {}",
            self.backend.origin(),
            answer.status,
            self.backend.shown(&fault.message)
        );
        let speaks_of = |words: &[&str]| words.iter().any(|word| kind.contains(word));
        if speaks_of(&[
            "AccessDenied",
            "ClientToken",
            "UnrecognizedClient",
            "Expired",
            "Signature",
            "Authoriz",
            "OptIn",
        ]) {
            MetricError::Denied(text)
        } else if speaks_of(&["Throttl", "LimitExceeded", "Internal", "ServiceUnavailable"]) {
            MetricError::Unavailable(text)
        } else {
            refusal(answer.status, text)
        }
    }
}

/// An access key in the secret: its id, the key, and the session's token or nothing. Flagger reads no secret here.
fn own_key(spec: &ProviderSpec) -> Result<Option<[&str; 3]>, MetricError> {
    let Some(id) = spec.secret_text("aws_access_key_id")? else { return Ok(None) };
    let key = spec.required_text("aws_secret_access_key")?;
    Ok(Some([id, key, spec.secret_text("aws_session_token")?.unwrap_or_default()]))
}

#[async_trait]
impl MetricProvider for CloudWatch {
    async fn query(&self, query: &str) -> Result<Option<f64>, MetricError> {
        self.measure(query).await.map(|measured| measured.value)
    }

    async fn measure(&self, query: &str) -> Result<Measurement, MetricError> {
        let queries = queries::read(query)?;
        let (start, end) = self.window.seconds();
        let found = self.get_metric_data(queries, start, end).await?;
        let mut samples = Samples::default();
        samples.series = count(&found.metric_data_results);
        let Some(series) = found.metric_data_results.first() else {
            return Ok(Measurement::default().with(samples));
        };
        samples.count = count(&series.values);
        samples.age = series.timestamps.first().and_then(|time| age_of_seconds(time.number()?));
        let value = series.values.first().and_then(|value| value.number());
        match (value, series.status_code.as_deref()) {
            (None, Some("Forbidden")) => {
                Err(MetricError::Denied("CloudWatch may not read the metrics of that account".into()))
            }
            (None, Some("InternalError")) => {
                Err(MetricError::Unavailable("CloudWatch failed internally".into()))
            }
            (value, _) => Ok(Measurement::from(value).with(samples)),
        }
    }

    /// A query about nothing: the service refuses it, and so tells that it would answer another one.
    async fn check(&self) -> Result<(), MetricError> {
        match self.get_metric_data(json!([]), 0, 0).await {
            Ok(_) | Err(MetricError::Refused(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
