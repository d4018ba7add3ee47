//! Metric backends by the name that a MetricTemplate gives as its provider's type.
//! Reading the template and its secret is the caller's.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use canary_core::{MetricError, MetricProvider, Registry};

use crate::built_in;
use crate::http_clients::{HttpClients, HttpOptions};
use crate::sharing::Sharing;

/// Where a metric backend is and how to log in: `spec.provider` of a MetricTemplate, with the data of its secret.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct ProviderSpec {
    /// Type of the provider, such as `prometheus`.
    pub kind: String,
    /// Base URL. What an empty one means is the provider's.
    pub address: String,
    /// Headers of all requests, each with its values.
    pub headers: BTreeMap<String, Vec<String>>,
    /// Data of the secret, if the template names one.
    pub secret: Option<BTreeMap<String, Vec<u8>>>,
    /// Cloud region.
    pub region: String,
    /// Certificates are not checked.
    pub insecure_skip_verify: bool,
    /// The metric's interval, for providers that have no range in their queries.
    pub interval: Option<String>,
    /// Longest time that an answer may take; the shorter one of this and [`HttpOptions::timeout`] counts.
    pub patience: Option<Duration>,
}

impl ProviderSpec {
    /// A provider of that type at that address, without credentials.
    pub fn new(kind: impl Into<String>, address: impl Into<String>) -> Self {
        Self { kind: kind.into(), address: address.into(), ..Self::default() }
    }
}

// Logs get this: names only, because addresses, headers and secrets carry credentials.
impl fmt::Debug for ProviderSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderSpec")
            .field("kind", &self.kind)
            .field("headers", &self.headers.keys())
            .field("secret", &self.secret.as_ref().map(BTreeMap::keys))
            .field("region", &self.region)
            .field("insecure_skip_verify", &self.insecure_skip_verify)
            .field("interval", &self.interval)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

/// Makes a provider, or says with [`MetricError::Configuration`] what is missing or malformed.
pub type ProviderConstructor =
    Arc<dyn Fn(&ProviderSpec) -> Result<Arc<dyn MetricProvider>, MetricError> + Send + Sync>;

/// All known types of metric providers. Copies share their connections.
///
/// ```
/// use canary_metrics::{MetricProviders, ProviderSpec};
///
/// let providers = MetricProviders::default();
/// assert!(providers.build(&ProviderSpec::new("prometheus", "http://prometheus:9090")).is_ok());
///
/// let error = providers.build(&ProviderSpec::new("promethius", "http://prometheus:9090")).err().unwrap();
/// assert!(error.to_string().starts_with(r#"unknown metric provider "promethius"; known are: "#));
/// ```
#[derive(Clone)]
pub struct MetricProviders {
    registry: Registry<ProviderConstructor>,
    sharing: Arc<Sharing>,
}

impl fmt::Debug for MetricProviders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MetricProviders").field(&self.registry).finish()
    }
}

impl Default for MetricProviders {
    fn default() -> Self {
        Self::with_http(HttpOptions::default())
    }
}

impl MetricProviders {
    /// The built-in providers, with a timeout and a `User-Agent` of the caller's.
    pub fn with_http(options: HttpOptions) -> Self {
        built_in::all(&Arc::new(HttpClients::new(options)))
    }

    /// No provider at all.
    pub(crate) fn none() -> Self {
        Self { registry: Registry::new("metric provider"), sharing: Arc::default() }
    }

    /// With the providers that ask the API server of that cluster: `keptn`, and `externalmetrics` without an address. Requests
    /// have the client's own credentials, and no more time than `options` gives.
    #[cfg(feature = "kubernetes")]
    #[must_use]
    pub fn with_cluster(self, client: kube::Client, options: HttpOptions) -> Self {
        built_in::of_cluster(self, client, options)
    }

    /// With one more type; the same name again replaces.
    #[must_use]
    pub fn with(
        self,
        kind: impl Into<String>,
        constructor: impl Fn(&ProviderSpec) -> Result<Arc<dyn MetricProvider>, MetricError>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self { registry: self.registry.with(kind, Arc::new(constructor)), ..self }
    }

    /// Makes the provider that `spec` describes. Cheap: connections are made by the first query and kept between providers.
    /// Providers of one server ask it no more than 16 queries at once, and one query that several ask in one instant once.
    ///
    /// # Errors
    /// [`MetricError::Configuration`] for an unknown type, with the known ones, and for what the type's constructor refuses.
    pub fn build(&self, spec: &ProviderSpec) -> Result<Arc<dyn MetricProvider>, MetricError> {
        let constructor = self
            .registry
            .get(&spec.kind)
            .map_err(|unknown| MetricError::Configuration(unknown.to_string()))?;
        Ok(self.sharing.share(spec, constructor(spec)?))
    }

    /// The known types, sorted.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.registry.names()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_shows_no_credentials() {
        let mut spec = ProviderSpec::new("prometheus", "https://me:pass-a@host/pass-b?token=pass-c");
        spec.headers.insert("X-Key".into(), vec!["pass-d".into()]);
        spec.secret = Some(BTreeMap::from([("token".to_owned(), b"pass-e".to_vec())]));
        let shown = format!("{spec:?}");
        assert!(!shown.contains("pass-"), "{shown}");
        assert!(shown.contains("X-Key") && shown.contains("token"), "{shown}");
    }

    #[test]
    fn an_unknown_type_names_the_known_ones() {
        let providers =
            MetricProviders::default().with("acme", |_| Err(MetricError::Refused("never".into())));
        let error = providers.build(&ProviderSpec::new("Acme", "")).err();
        let kinds: Vec<_> = providers.kinds().collect();
        let text = format!(r#"unknown metric provider "Acme"; known are: {}"#, kinds.join(", "));
        assert_eq!(error, Some(MetricError::Configuration(text)));
        // The types that the definition of MetricTemplate allows, whatever features are on.
        let allowed = [
            "cloudwatch",
            "datadog",
            "dynatrace",
            "externalmetrics",
            "graphite",
            "influxdb",
            "keptn",
            "loadtest",
            "newrelic",
            "prometheus",
            "splunk",
            "stackdriver",
        ];
        assert_eq!(kinds, [&["acme"][..], &allowed[..]].concat());
    }
}
