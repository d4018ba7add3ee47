//! Flags about traces.

use anyhow::{Context, bail};
use clap::Args;
use url::Url;

/// Who gets traces.
#[derive(Debug, Args)]
#[command(next_help_heading = "Traces")]
pub(crate) struct TraceFlags {
    /// Collector of OpenTelemetry that gets a trace of each tick, by OTLP over HTTP, usually at port 4318; empty: none
    #[arg(
        long,
        value_name = "URL",
        default_value = "",
        env = "OTEL_EXPORTER_OTLP_ENDPOINT",
        hide_env_values = true
    )]
    otlp_endpoint: String,
}

impl TraceFlags {
    /// Where traces go, if anywhere.
    ///
    /// # Errors
    /// The address is malformed, or of another protocol.
    pub(crate) fn endpoint(&self) -> anyhow::Result<Option<Url>> {
        if self.otlp_endpoint.is_empty() {
            return Ok(None);
        }
        // The address is not repeated: it may have a login in it.
        let mut url = Url::parse(&self.otlp_endpoint).context("-otlp-endpoint is malformed")?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            bail!("-otlp-endpoint is not an HTTP address, such as http://collector:4318");
        }
        if !url.path().ends_with("/v1/traces") {
            let path = format!("{}/v1/traces", url.path().trim_end_matches('/'));
            url.set_path(&path);
        }
        Ok(Some(url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_completed_as_the_specification_says_and_not_repeated_in_errors() {
        let endpoint = |text: &str| TraceFlags { otlp_endpoint: text.into() }.endpoint();
        for (given, used) in [
            ("http://collector:4318", "http://collector:4318/v1/traces"),
            ("http://collector:4318/", "http://collector:4318/v1/traces"),
            ("https://vendor/otlp", "https://vendor/otlp/v1/traces"),
            ("https://vendor/v1/traces", "https://vendor/v1/traces"),
        ] {
            assert_eq!(endpoint(given).unwrap().unwrap().as_str(), used);
        }
        assert!(endpoint("").unwrap().is_none());
        for wrong in ["grpc://user:s3cr3t@collector:4317", "collector s3cr3t"] {
            let error = format!("{:#}", endpoint(wrong).unwrap_err());
            assert!(error.contains("-otlp-endpoint") && !error.contains("s3cr3t"), "{error}");
        }
    }
}
