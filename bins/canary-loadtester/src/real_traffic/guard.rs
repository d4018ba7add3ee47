//! A client that dials only what load may go to: the address counts, after the name is resolved.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use canary_load::AddressPolicy;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::targets::Targets;

/// How long whoever counts requests may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// The longest answer that is read.
const LONGEST: usize = 4 << 20;

struct Guard(Arc<Targets>);

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let targets = self.0.clone();
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            let mut permitted = Vec::new();
            for address in found {
                targets.permit(&host, address.ip())?;
                permitted.push(address);
            }
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}

/// A client that resolves names to permitted addresses only. Addresses in URLs are judged by [`permit`].
///
/// # Errors
/// It cannot be made, in a sentence.
pub(super) fn client(targets: Arc<Targets>) -> Result<reqwest::Client, String> {
    let builder = reqwest::Client::builder()
        .timeout(PATIENCE)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .dns_resolver(Arc::new(Guard(targets)));
    builder.build().map_err(|error| format!("there is no client: {error}"))
}

/// Whether an address may be asked, as far as it can be said before its name is resolved.
///
/// # Errors
/// A sentence with the host and what would allow it.
pub(super) fn permit(targets: &Targets, url: &Url) -> Result<(), String> {
    let address: Option<IpAddr> = match url.host() {
        Some(Host::Ipv4(address)) => Some(address.into()),
        Some(Host::Ipv6(address)) => Some(address.into()),
        Some(Host::Domain(_)) => None,
        None => return Err(format!("{url} has no host")),
    };
    let host = url.host_str().unwrap_or_default();
    targets.permit_host(host)?;
    address.map_or(Ok(()), |address| targets.permit(host, SocketAddr::new(address, 0).ip()))
}

/// Sends a request and reads the body of a good answer.
///
/// # Errors
/// A sentence without the address, which may hold a password.
pub(super) async fn body(request: reqwest::RequestBuilder) -> Result<Vec<u8>, String> {
    let told = |error: reqwest::Error| error.without_url().to_string();
    let mut answer = request.send().await.map_err(told)?;
    let status = answer.status();
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(told)? {
        if body.len() + chunk.len() > LONGEST {
            return Err(format!("the answer has more than {LONGEST} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    if status.is_success() { Ok(body) } else { Err(format!("the answer is {status}")) }
}
