//! A metric provider of one's own: `acme` reads a number from a plain text page. It plays the contract that all providers have
//! to keep, over real HTTP, and then answers a query. Nothing of it needs a fork of the controller: `Controller::with_providers`
//! takes what `registry` makes.
#![allow(clippy::print_stdout, reason = "it is what an example is for")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use canary_metrics::{MetricError, MetricProvider, MetricProviders, ProviderSpec};
use canary_sandbox::{Content, ContractReply, ContractRequest, ProviderSubject, provider_failures};
use reqwest::{Client, StatusCode};

/// Asks `<address>/value/<query>`; the last line counts, and `none` is no value.
struct Acme {
    client: Client,
    address: String,
    key: String,
}

/// More than any page with a number.
const MAX_PAGE: usize = 64 * 1024;

impl Acme {
    fn new(spec: &ProviderSpec, patience: Duration) -> Result<Self, MetricError> {
        let wrong = |text: &str| MetricError::Configuration(format!("acme {text}"));
        let secret = spec
            .secret
            .as_ref()
            .ok_or_else(|| wrong("has no secretRef; expected a secret with the key \"key\""))?;
        let key = secret.get("key").and_then(|key| String::from_utf8(key.clone()).ok());
        let key = key.ok_or_else(|| wrong("secret has no key \"key\""))?;
        let client = Client::builder().timeout(patience).build();
        let client = client.map_err(|error| wrong(&format!("cannot make a client: {error}")))?;
        Ok(Self { client, address: spec.address.clone(), key })
    }

    async fn page(&self, path: &str) -> Result<String, MetricError> {
        // The error of the client shows addresses, and addresses may show credentials.
        let lost = |error: reqwest::Error| MetricError::Unreachable(format!("acme: {}", error.without_url()));
        let request = self.client.get(format!("{}/{path}", self.address)).header("X-Key", &self.key);
        let mut response = request.send().await.map_err(lost)?;
        match response.status() {
            StatusCode::OK => {}
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                return Err(MetricError::Denied(format!("acme: {status}")));
            }
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                return Err(MetricError::Unavailable(format!("acme: {status}")));
            }
            status => return Err(MetricError::Refused(format!("acme: {status}"))),
        }
        let mut page = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(lost)? {
            page.extend_from_slice(&chunk);
            if page.len() > MAX_PAGE {
                return Err(MetricError::Unusable("acme: the page is too long".into()));
            }
        }
        String::from_utf8(page).map_err(|_| MetricError::Unusable("acme: the page is not text".into()))
    }
}

#[async_trait]
impl MetricProvider for Acme {
    async fn query(&self, query: &str) -> Result<Option<f64>, MetricError> {
        let page = self.page(&format!("value/{query}")).await?;
        match page.lines().last().unwrap_or("none") {
            "none" => Ok(None),
            text => {
                let value: f64 = text
                    .parse()
                    .map_err(|_| MetricError::Unusable(format!("acme: {text:?} is not a number")))?;
                Ok(Some(value).filter(|value| !value.is_nan()))
            }
        }
    }

    async fn check(&self) -> Result<(), MetricError> {
        self.page("health").await.map(drop)
    }
}

/// All built-in providers, and `acme`.
fn registry(patience: Duration) -> MetricProviders {
    MetricProviders::default().with("acme", move |spec| Ok(Arc::new(Acme::new(spec, patience)?)))
}

/// The other side, for the contract: what such a server writes.
#[derive(Clone)]
struct AcmeServer;

#[async_trait]
impl ProviderSubject for AcmeServer {
    async fn provider(
        &self,
        address: &str,
        patience: Duration,
    ) -> Result<Arc<dyn MetricProvider>, MetricError> {
        let mut spec = ProviderSpec::new("acme", address);
        spec.secret = Some([("key".to_owned(), b"s3cr3t-key".to_vec())].into());
        registry(patience).build(&spec)
    }

    fn query(&self) -> String {
        "errors".into()
    }

    fn answer(&self, content: &Content, _: &ContractRequest) -> Option<ContractReply> {
        let line = |value: &Option<f64>| value.map_or("none".to_owned(), |value| value.to_string());
        let lines: Vec<_> = content.values().iter().map(line).collect();
        Some(ContractReply::new("text/plain", lines.join("\n")))
    }

    fn secrets(&self) -> Vec<String> {
        vec!["s3cr3t".into()]
    }
}

fn main() {
    let failures = provider_failures(&AcmeServer);
    for (case, why) in &failures {
        println!("{case}: {why}");
    }
    assert!(failures.is_empty(), "acme breaks {} rules", failures.len());
    println!("acme keeps the contract of metric providers");
}
