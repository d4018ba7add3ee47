//! The HTTP clients behind notifiers: one for each proxy setting, made when first needed and shared from then on.
//! Not the delivery.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use canary_egress::Egress;
use reqwest::{Client, ClientBuilder, Proxy};
use rustls::crypto::CryptoProvider;
use url::Url;

/// So many proxies are remembered. One that is no longer in use is only found out by starting over.
const MOST: usize = 32;

/// Clients by proxy.
#[derive(Default)]
pub(crate) struct Clients {
    egress: Egress,
    made: Mutex<HashMap<Option<String>, Client>>,
}

impl Clients {
    pub(crate) fn new(egress: Egress) -> Self {
        Self { egress, made: Mutex::default() }
    }

    /// What may be reached.
    pub(crate) fn egress(&self) -> &Egress {
        &self.egress
    }

    /// The client for `proxy`, or for the proxies of the environment. The error says what to change, and repeats no
    /// address, since proxies may have passwords.
    pub(crate) fn client(&self, proxy: Option<&str>) -> Result<Client, String> {
        let proxy = proxy.map(str::trim).filter(|proxy| !proxy.is_empty()).map(str::to_owned);
        let mut clients = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&proxy) {
            return Ok(client.clone());
        }
        let client = make(&self.egress, proxy.as_deref())?;
        if clients.len() >= MOST {
            clients.clear();
        }
        clients.insert(proxy, client.clone());
        Ok(client)
    }
}

fn make(egress: &Egress, proxy: Option<&str>) -> Result<Client, String> {
    if CryptoProvider::get_default().is_none() {
        return Err("no TLS crypto provider is installed; the program must install one first, such as \
                    `rustls::crypto::ring::default_provider().install_default()`"
            .into());
    }
    let via = proxy.map(|proxy| proxy_at(egress, proxy)).transpose()?;
    with_proxy(egress, via.clone()).build().or_else(|error| {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "no CA certificates could be loaded; https notifiers will fail as untrusted"
        );
        // Systems without CA certificates, such as minimal images: plain http must work there all the same.
        let rootless = with_proxy(egress, via).tls_certs_only([]);
        rootless.build().map_err(|error| format!("the HTTP client cannot be set up: {}", error.without_url()))
    })
}

fn with_proxy(egress: &Egress, proxy: Option<Proxy>) -> ClientBuilder {
    let builder = egress
        .guard(Client::builder())
        .user_agent(concat!("canaryd/", env!("CARGO_PKG_VERSION")))
        // Names of headers as Go's client writes them: receivers that compare bytes were set up with Flagger's.
        .http1_title_case_headers()
        // Alerts are rare: a kept connection is closed by the other side before it is used again.
        .pool_max_idle_per_host(0);
    match proxy {
        Some(proxy) => builder.proxy(proxy),
        None => builder,
    }
}

/// A proxy without a scheme is taken for an http one; Flagger accepts it and then cannot connect.
fn proxy_at(egress: &Egress, text: &str) -> Result<Proxy, String> {
    let wrong = || "proxy is not an address such as http://proxy.example:3128".to_owned();
    let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&text).map_err(|_| wrong())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong());
    }
    egress.check(&url).map_err(|reason| format!("proxy is refused: {reason}"))?;
    Proxy::all(url).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clients() -> Clients {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Clients::default()
    }

    #[test]
    fn each_proxy_has_one_client() {
        let clients = clients();
        for proxy in
            [None, Some(""), Some("http://a:1"), None, Some("http://a:1"), Some("a:2"), Some(" a:2 ")]
        {
            clients.client(proxy).unwrap();
        }
        assert_eq!(clients.made.lock().unwrap().len(), 3);
    }

    #[test]
    fn proxies_that_come_and_go_do_not_pile_up() {
        let clients = clients();
        for port in 1..=100 {
            clients.client(Some(&format!("http://proxy:{port}"))).unwrap();
        }
        assert!(clients.made.lock().unwrap().len() <= MOST);
    }

    #[test]
    fn what_is_no_proxy_is_refused_without_repeating_it() {
        for proxy in ["socks5://me:secret@proxy", "http://", "http://me:sec/ret@proxy", "ftp://secret"] {
            let error = clients().client(Some(proxy)).unwrap_err();
            assert_eq!(error, "proxy is not an address such as http://proxy.example:3128", "{proxy}");
        }
    }
}
