//! Traces of ticks for a collector of OpenTelemetry, where one is named.

use std::time::Duration;

use anyhow::Context as _;
use canary_controller::SPAN_TARGET;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::registry::LookupSpan;
use url::Url;

use crate::VERSION;

/// How long one batch may take to send.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The name of the service unless `OTEL_SERVICE_NAME` says another.
const SERVICE: &str = "canaryd";

/// What sends spans. They are sent every five seconds, and at the end.
pub(crate) struct Traces(SdkTracerProvider);

impl Traces {
    /// Prepares to send spans to `endpoint`. `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`,
    /// `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_TRACES_SAMPLER` and the `OTEL_BSP_…` variables count.
    ///
    /// # Errors
    /// No client can be made.
    pub(crate) fn new(endpoint: &Url) -> anyhow::Result<Self> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Sender::new()?)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(endpoint.as_str())
            .with_timeout(TIMEOUT)
            .build()
            .context("traces cannot be sent")?;
        let mut resource = Resource::builder();
        if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name(SERVICE);
        }
        let resource =
            resource.with_attribute(opentelemetry::KeyValue::new("service.version", VERSION)).build();
        let provider =
            SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
        Ok(Self(provider))
    }

    /// What passes the spans of ticks on, and no others.
    pub(crate) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer(SERVICE))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(Targets::new().with_target(SPAN_TARGET, LevelFilter::TRACE))
    }

    /// Sends what is left.
    pub(crate) fn finish(&self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// The HTTP client of the exporter, which calls it on a thread of its own outside of any runtime.
#[derive(Debug)]
struct Sender {
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

impl Sender {
    fn new() -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            // Nothing drives a connection between two batches.
            .pool_max_idle_per_host(0)
            .build()
            .context("traces cannot be sent")?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build();
        Ok(Self { client, runtime: runtime.context("traces cannot be sent")? })
    }
}

#[async_trait::async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        self.runtime.block_on(async {
            // Errors are logged, and the address may have a login in it.
            let request = reqwest::Request::try_from(request).map_err(reqwest::Error::without_url)?;
            let answer = self.client.execute(request).await.map_err(reqwest::Error::without_url)?;
            let mut response = Response::builder().status(answer.status());
            if let Some(headers) = response.headers_mut() {
                headers.clone_from(answer.headers());
            }
            let body = answer.bytes().await.map_err(reqwest::Error::without_url)?;
            Ok(response.body(body)?)
        })
    }
}

#[cfg(test)]
mod tests;
