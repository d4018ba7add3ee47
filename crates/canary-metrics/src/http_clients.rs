//! The HTTP clients that all providers share: one connection pool for each way of checking certificates.
//! Credentials and headers are the requests', so they need no pool of their own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use canary_core::MetricError;
use canary_egress::Egress;
use reqwest::Client;
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore};
use url::Url;

use crate::providers::ProviderSpec;

/// How requests to metric backends are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpOptions {
    /// From the start of a request to the last byte of its answer. Flagger's is 5 s.
    pub timeout: Duration,
    /// The `User-Agent` of all requests.
    pub user_agent: String,
    /// What may be reached.
    pub egress: Egress,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            user_agent: concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")).to_owned(),
            egress: Egress::default(),
        }
    }
}

/// Makes clients once and hands out copies, which share their connections.
#[derive(Debug, Default)]
pub(crate) struct HttpClients {
    options: HttpOptions,
    clients: Mutex<BTreeMap<Verification, Client>>,
}

/// What a client does about certificates; all else is equal among clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verification {
    /// Trusts nobody, which is enough for addresses without TLS.
    NoTls,
    /// Trusts what the machine trusts.
    Machine,
    /// Trusts everybody.
    Skipped,
}

impl HttpClients {
    pub(crate) fn new(options: HttpOptions) -> Self {
        Self { options, clients: Mutex::default() }
    }

    /// How long one answer of that backend may take.
    pub(crate) fn patience(&self, spec: &ProviderSpec) -> Duration {
        self.longer_patience(spec, 1)
    }

    /// The same of a backend that is given so many times as long.
    pub(crate) fn longer_patience(&self, spec: &ProviderSpec, times: u32) -> Duration {
        let longest = self.options.timeout.saturating_mul(times);
        spec.patience.map_or(longest, |patience| patience.min(longest))
    }

    /// The client for an address.
    pub(crate) fn client(&self, address: &Url, insecure_skip_verify: bool) -> Result<Client, MetricError> {
        let refused = self.options.egress.check(address);
        refused.map_err(|reason| MetricError::Configuration(format!("the address is refused: {reason}")))?;
        let preferred = if insecure_skip_verify { Verification::Skipped } else { Verification::Machine };
        match self.shared(preferred) {
            // A machine without certificates or a process without cryptography can still speak plain HTTP.
            Err(_) if address.scheme() == "http" => self.shared(Verification::NoTls),
            result => result,
        }
    }

    fn shared(&self, verification: Verification) -> Result<Client, MetricError> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&verification) {
            return Ok(client.clone());
        }
        let client = self.build(verification)?;
        clients.insert(verification, client.clone());
        Ok(client)
    }

    fn build(&self, verification: Verification) -> Result<Client, MetricError> {
        let builder = self.options.egress.guard(Client::builder());
        let builder = builder.timeout(self.options.timeout).user_agent(self.options.user_agent.as_str());
        // Names of headers as Go's client writes them: proxies that compare bytes were set up with Flagger's.
        let builder = builder.http1_title_case_headers();
        let builder = match verification {
            Verification::NoTls => builder.tls_backend_preconfigured(trusting_nobody()?),
            // reqwest panics when it builds a client and the process has not chosen its cryptography.
            _ if CryptoProvider::get_default().is_none() => {
                return Err(MetricError::Configuration(
                    "https addresses need a rustls CryptoProvider; install one when the process starts"
                        .into(),
                ));
            }
            Verification::Machine => builder,
            Verification::Skipped => builder.tls_danger_accept_invalid_certs(true),
        };
        builder
            .build()
            .map_err(|error| MetricError::Configuration(format!("cannot make an HTTP client: {error}")))
    }
}

fn trusting_nobody() -> Result<ClientConfig, MetricError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| MetricError::Configuration(format!("cannot make an HTTP client: {error}")))?;
    Ok(config.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_backend_is_waited_for_longer_than_its_spec_says() {
        let clients =
            HttpClients::new(HttpOptions { timeout: Duration::from_secs(5), ..HttpOptions::default() });
        for (patience, times, expected) in [
            (None, 1, 5),
            (None, 3, 15),
            (Some(60), 3, 15),
            (Some(10), 1, 5),
            (Some(10), 3, 10),
            (Some(2), 3, 2),
        ] {
            let mut spec = ProviderSpec::new("influxdb", "http://a");
            spec.patience = patience.map(Duration::from_secs);
            assert_eq!(clients.longer_patience(&spec, times).as_secs(), expected, "{patience:?} {times}");
        }
    }

    #[test]
    fn backends_that_check_certificates_alike_have_one_pool() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let clients = HttpClients::new(HttpOptions::default());
        for n in 0..20 {
            let url = Url::parse(&format!("https://host-{n}.example")).unwrap();
            clients.client(&url, false).unwrap();
            clients.client(&url, true).unwrap();
        }
        assert_eq!(clients.clients.lock().unwrap().len(), 2);
    }
}
