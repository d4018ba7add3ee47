//! The API server of the cluster as a metric backend: requests through the controller's own client.

use std::time::Duration;

use canary_core::MetricError;
use http_body_util::{BodyExt, Limited};
use kube::Client;
use kube::client::Body;
use reqwest::StatusCode;

use crate::backend::{Answer, refusal as refused, shortened};

/// As for other backends.
const MAX_ANSWER: usize = 8 * 1024 * 1024;

/// The cluster that the controller runs in.
#[derive(Clone)]
pub(crate) struct Cluster {
    client: Client,
    patience: Duration,
}

impl Cluster {
    pub(crate) fn new(client: Client, patience: Duration) -> Self {
        Self { client, patience }
    }

    /// GET of a path, whatever the status of its answer.
    pub(crate) async fn get(&self, path: &str) -> Result<Answer, MetricError> {
        self.send(http::Request::get(path).body(Body::empty())).await
    }

    /// POST of JSON.
    pub(crate) async fn post(&self, path: &str, body: &serde_json::Value) -> Result<Answer, MetricError> {
        let request = http::Request::post(path).header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_string().into_bytes()))).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<Answer, MetricError> {
        self.send(http::Request::delete(path).body(Body::empty())).await
    }

    async fn send(&self, request: http::Result<http::Request<Body>>) -> Result<Answer, MetricError> {
        let request =
            request.map_err(|error| MetricError::Refused(format!("the query makes no path: {error}")))?;
        let answer = tokio::time::timeout(self.patience, self.exchange(request)).await;
        answer.unwrap_or_else(|_| {
            Err(MetricError::Unreachable(format!("the API server did not answer within {:?}", self.patience)))
        })
    }

    async fn exchange(&self, request: http::Request<Body>) -> Result<Answer, MetricError> {
        let response = self.client.send(request).await.map_err(|error| {
            let mut cause: &dyn std::error::Error = &error;
            while let Some(source) = cause.source() {
                cause = source;
            }
            MetricError::Unreachable(format!("the API server cannot be reached: {cause}"))
        })?;
        let status = response.status();
        match Limited::new(response.into_body(), MAX_ANSWER).collect().await {
            Ok(body) => Ok(Answer { status, body: body.to_bytes().into() }),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(MetricError::Unusable(
                format!("the answer of the API server is longer than {MAX_ANSWER} bytes"),
            )),
            Err(error) => Err(MetricError::Unreachable(format!("the API server broke off: {error}"))),
        }
    }
}

/// What a status that is not good means, with the server's own words.
pub(crate) fn refusal(answer: &Answer) -> MetricError {
    let status: Option<serde_json::Value> = serde_json::from_slice(&answer.body).ok();
    let message = status.as_ref().and_then(|status| status["message"].as_str());
    let text = message.map_or_else(|| String::from_utf8_lossy(&answer.body).into_owned(), str::to_owned);
    let text = format!("the API server answered {}: {}", answer.status, shortened(&text));
    refused(answer.status, text)
}

/// The JSON of an answer with a good status.
pub(crate) fn json(answer: &Answer) -> Result<serde_json::Value, MetricError> {
    if !matches!(answer.status, StatusCode::OK | StatusCode::CREATED | StatusCode::ACCEPTED) {
        return Err(refusal(answer));
    }
    serde_json::from_slice(&answer.body)
        .map_err(|error| MetricError::Unusable(format!("the answer of the API server is not JSON: {error}")))
}
