//! The HTTP clients behind hook calls, made when first needed: one that verifies certificates, one that does not.
//! Not the calls.

use std::sync::OnceLock;

use canary_egress::Egress;
use reqwest::{Client, ClientBuilder};
use rustls::crypto::CryptoProvider;

/// Why there is no HTTP client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransportError {
    /// The program has not chosen its cryptography.
    #[error(
        "webhooks cannot be called: no TLS crypto provider is installed; the program must install one first, such as \
         `rustls::crypto::ring::default_provider().install_default()`"
    )]
    NoCryptoProvider,
    /// Anything else; it holds no address, since none is known yet.
    #[error("webhooks cannot be called: the HTTP client cannot be set up: {0}")]
    Client(reqwest::Error),
}

/// Both clients.
#[derive(Default)]
pub(crate) struct Transport {
    egress: Egress,
    verifying: OnceLock<Client>,
    trusting: OnceLock<Client>,
}

impl Transport {
    pub(crate) fn new(egress: Egress) -> Self {
        Self { egress, ..Self::default() }
    }

    /// What may be reached.
    pub(crate) fn egress(&self) -> &Egress {
        &self.egress
    }

    /// The client for hooks with or without verification of certificates. A failure is not kept: what was missing may be
    /// there at the next call.
    pub(crate) fn client(&self, disable_tls: bool) -> Result<&Client, TransportError> {
        let (cell, make): (_, fn(&Egress) -> _) =
            if disable_tls { (&self.trusting, trusting) } else { (&self.verifying, verifying) };
        if let Some(client) = cell.get() {
            return Ok(client);
        }
        let client = make(&self.egress)?;
        Ok(cell.get_or_init(|| client))
    }
}

fn verifying(egress: &Egress) -> Result<Client, TransportError> {
    builder(egress)?.build().or_else(|error| {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "no CA certificates could be loaded; https webhooks will fail as untrusted"
        );
        rootless(egress)
    })
}

/// For systems without CA certificates, such as minimal images: plain http must work there all the same.
fn rootless(egress: &Egress) -> Result<Client, TransportError> {
    builder(egress)?.tls_certs_only([]).build().map_err(TransportError::Client)
}

fn trusting(egress: &Egress) -> Result<Client, TransportError> {
    // Flagger: the transport without verification ignores the proxy settings of the environment.
    builder(egress)?.tls_danger_accept_invalid_certs(true).no_proxy().build().map_err(TransportError::Client)
}

fn builder(egress: &Egress) -> Result<ClientBuilder, TransportError> {
    if CryptoProvider::get_default().is_none() {
        return Err(TransportError::NoCryptoProvider);
    }
    Ok(egress
        .guard(Client::builder())
        .user_agent(concat!("canaryd/", env!("CARGO_PKG_VERSION")))
        // Names of headers as Go's client writes them: receivers that compare bytes were set up with Flagger's.
        .http1_title_case_headers()
        // A kept connection that the other side has just closed would fail a check, and hooks are rare.
        .pool_max_idle_per_host(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_is_made_once() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let transport = Transport::default();
        for disable_tls in [false, true] {
            let (first, second) =
                (transport.client(disable_tls).unwrap(), transport.client(disable_tls).unwrap());
            assert!(std::ptr::eq(first, second));
        }
    }

    #[tokio::test]
    async fn plain_http_works_on_a_system_without_ca_certificates() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let server = wiremock::MockServer::start().await;
        let answer = rootless(&Egress::default()).unwrap().get(server.uri()).send().await.unwrap();
        assert_eq!(answer.status(), 404);
    }
}
