//! What may be reached. Not the connections.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use reqwest::{ClientBuilder, redirect};
use url::{Host, Url};

use crate::network::{Network, plain};
use crate::resolver::GuardedResolver;

/// Redirects that are followed at most: reqwest's and Go's number.
const REDIRECTS: usize = 10;

/// Where clouds hand out credentials to whoever asks: on the link, and at a few addresses elsewhere.
const METADATA: [Network; 5] = [
    Network::new(IpAddr::V4(Ipv4Addr::new(169, 254, 0, 0)), 16),
    Network::new(IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), 10),
    // Amazon's, in IPv6.
    Network::new(IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)), 128),
    // Alibaba's.
    Network::new(IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)), 32),
    // Azure's agent for virtual machines.
    Network::new(IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)), 32),
];

/// Why an address may not be reached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// Credentials of the machine are there.
    #[error("{0} may not be reached: it is an address of the link, where clouds hand out credentials")]
    Metadata(String),
    /// A network of [`Egress::without_network`] has it.
    #[error("{0} may not be reached: it is this machine or another one that is never asked")]
    Network(String),
    /// The API server is there.
    #[error("{0} may not be reached: it is the Kubernetes API server")]
    ApiServer(String),
}

/// Rules about addresses. Copies are cheap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Egress {
    allowed: Arc<Vec<Network>>,
    refused: Arc<Vec<Network>>,
    api_servers: Arc<Vec<Origin>>,
}

/// Host and port of an API server.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    host: Host<String>,
    port: u16,
}

impl Egress {
    /// With one more network that may be reached whatever is there.
    #[must_use]
    pub fn with_allowed(mut self, network: Network) -> Self {
        Arc::make_mut(&mut self.allowed).push(network);
        self
    }

    /// Without that network, unless it is [allowed](Egress::with_allowed).
    #[must_use]
    pub fn without_network(mut self, network: Network) -> Self {
        Arc::make_mut(&mut self.refused).push(network);
        self
    }

    /// Without that API server, of which host and port count. By name it is also refused on other ports, unless it is on
    /// this machine, as in development.
    #[must_use]
    pub fn without_api_server(mut self, address: &Url) -> Self {
        if let (Some(host), Some(port)) = (address.host(), address.port_or_known_default()) {
            let host = match host {
                Host::Domain(name) => Host::Domain(name.trim_end_matches('.').to_ascii_lowercase()),
                Host::Ipv4(ip) => Host::Ipv4(ip),
                Host::Ipv6(ip) => Host::Ipv6(ip),
            };
            Arc::make_mut(&mut self.api_servers).push(Origin { host, port });
        }
        self
    }

    /// Judges an address as it is written; names are judged when they are resolved.
    ///
    /// # Errors
    /// It is refused. No attempt will fare better.
    pub fn check(&self, address: &Url) -> Result<(), Refused> {
        let (Some(host), port) = (address.host(), address.port_or_known_default()) else { return Ok(()) };
        let shown = || host.to_string();
        let ip = match &host {
            Host::Ipv4(ip) => IpAddr::V4(*ip),
            Host::Ipv6(ip) => IpAddr::V6(*ip),
            Host::Domain(name) => {
                let name = name.trim_end_matches('.');
                let is_server = |origin: &&Origin| matches!(&origin.host, Host::Domain(server) if server.eq_ignore_ascii_case(name));
                let by_address = self.api_servers.iter().filter_map(Origin::ip);
                let is_refused = self.api_servers.iter().any(|origin| is_server(&origin))
                    && !by_address.into_iter().any(|ip| self.is_allowed(ip));
                return if is_refused { Err(Refused::ApiServer(shown())) } else { Ok(()) };
            }
        };
        if self.is_allowed(ip) {
            return Ok(());
        }
        if is_metadata(ip) {
            return Err(Refused::Metadata(shown()));
        }
        if self.is_refused(ip) {
            return Err(Refused::Network(shown()));
        }
        let is_server = self.api_servers.iter().any(|origin| origin.is_at(ip) && Some(origin.port) == port);
        if is_server { Err(Refused::ApiServer(shown())) } else { Ok(()) }
    }

    /// Judges what a name was resolved to. The port is not known then.
    pub(crate) fn check_resolved(&self, name: &str, ip: IpAddr) -> Result<(), Refused> {
        if self.is_allowed(ip) {
            return Ok(());
        }
        let shown = || format!("{name} ({ip})");
        if is_metadata(ip) {
            return Err(Refused::Metadata(shown()));
        }
        if self.is_refused(ip) {
            return Err(Refused::Network(shown()));
        }
        let is_server = !plain(ip).is_loopback() && self.api_servers.iter().any(|origin| origin.is_at(ip));
        if is_server { Err(Refused::ApiServer(shown())) } else { Ok(()) }
    }

    /// Makes a client keep the rules: for names, and for redirects. The address itself is to be [checked](Egress::check)
    /// before each request, since one that is no name is not resolved.
    pub fn guard(&self, builder: ClientBuilder) -> ClientBuilder {
        let rules = self.clone();
        let following = redirect::Policy::limited(REDIRECTS);
        let policy = redirect::Policy::custom(move |attempt| match rules.check(attempt.url()) {
            Ok(()) => following.redirect(attempt),
            Err(refused) => attempt.error(refused),
        });
        builder.redirect(policy).dns_resolver(Arc::new(GuardedResolver::new(self.clone())))
    }

    fn is_refused(&self, ip: IpAddr) -> bool {
        self.refused.iter().any(|network| network.contains(ip))
    }

    fn is_allowed(&self, ip: IpAddr) -> bool {
        self.allowed.iter().any(|network| network.contains(ip))
    }
}

impl Origin {
    /// Its address, where it is not a name.
    fn ip(&self) -> Option<IpAddr> {
        match self.host {
            Host::Ipv4(ip) => Some(IpAddr::V4(ip)),
            Host::Ipv6(ip) => Some(plain(IpAddr::V6(ip))),
            Host::Domain(_) => None,
        }
    }

    fn is_at(&self, ip: IpAddr) -> bool {
        self.ip() == Some(plain(ip))
    }
}

/// Whether clouds hand out credentials at an address to whoever asks: on the link, and at the addresses that some of them use
/// beside it. IPv4 addresses in IPv6 count as IPv4.
///
/// ```
/// use canary_egress::is_metadata;
/// assert!(is_metadata("169.254.169.254".parse().unwrap()));
/// assert!(is_metadata("::ffff:168.63.129.16".parse().unwrap()));
/// assert!(!is_metadata("10.1.2.3".parse().unwrap()));
/// ```
pub fn is_metadata(ip: IpAddr) -> bool {
    METADATA.iter().any(|network| network.contains(ip))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(egress: &Egress, address: &str) -> Result<(), Refused> {
        egress.check(&Url::parse(address).unwrap())
    }

    #[test]
    fn a_network_can_be_refused_and_a_part_of_it_allowed() {
        let egress = Egress::default()
            .without_network("127.0.0.0/8".parse().unwrap())
            .with_allowed("127.0.0.2".parse().unwrap());
        assert!(matches!(check(&egress, "http://127.0.0.1:8080/"), Err(Refused::Network(_))));
        assert!(matches!(check(&egress, "http://[::ffff:127.0.0.1]/"), Err(Refused::Network(_))));
        assert_eq!(check(&egress, "http://127.0.0.2/"), Ok(()));
        let resolved = egress.check_resolved("here", "127.0.0.1".parse().unwrap());
        assert!(matches!(resolved, Err(Refused::Network(_))));
    }

    #[test]
    fn metadata_services_are_refused_in_every_notation() {
        for address in [
            "http://169.254.169.254/latest/meta-data/",
            "http://169.254.170.2/v2/credentials",
            "http://2852039166/",
            "http://0xa9.0xfe.0xa9.0xfe/",
            "http://0251.0376.0251.0376/",
            "http://[::ffff:169.254.169.254]/",
            "http://[64:ff9b::a9fe:a9fe]/",
            "http://[fd00:ec2::254]/",
            "http://[fe80::1]/",
            "http://100.100.100.200/",
            "http://168.63.129.16:32526/",
        ] {
            assert!(matches!(check(&Egress::default(), address), Err(Refused::Metadata(_))), "{address}");
        }
    }

    #[test]
    fn everything_else_may_be_reached() {
        for address in [
            "http://127.0.0.1:8080/",
            "http://10.96.0.1/",
            "http://podinfo.test/",
            "https://[::1]:1/",
            "https://8.8.8.8/",
        ] {
            assert_eq!(check(&Egress::default(), address), Ok(()), "{address}");
        }
    }

    #[test]
    fn what_is_allowed_may_be_reached_whatever_is_there() {
        let egress = Egress::default().with_allowed("169.254.0.0/16".parse().unwrap());
        assert_eq!(check(&egress, "http://169.254.169.254/"), Ok(()));
        assert!(check(&egress, "http://[fe80::1]/").is_err());
    }

    #[test]
    fn the_api_server_is_refused_by_address_and_port_and_by_name() {
        let egress = Egress::default()
            .without_api_server(&Url::parse("https://10.96.0.1:443/").unwrap())
            .without_api_server(&Url::parse("https://kubernetes.default.svc/").unwrap());
        for address in [
            "https://10.96.0.1/api",
            "https://[::ffff:10.96.0.1]/",
            "https://kubernetes.default.svc/",
            "https://KUBERNETES.default.svc.:443/",
            "http://kubernetes.default.svc/",
        ] {
            assert!(matches!(check(&egress, address), Err(Refused::ApiServer(_))), "{address}");
        }
        assert_eq!(check(&egress, "http://10.96.0.1:9090/"), Ok(()), "another port of the same machine");
        let allowed = egress.with_allowed("10.96.0.1".parse().unwrap());
        for address in ["https://10.96.0.1/api", "https://kubernetes.default.svc/"] {
            assert_eq!(check(&allowed, address), Ok(()), "{address}");
        }
    }

    #[test]
    fn a_name_of_the_api_servers_address_is_refused_unless_it_is_this_machine() {
        let at = |address: &str| Egress::default().without_api_server(&Url::parse(address).unwrap());
        let judged = |egress: &Egress, ip: &str| egress.check_resolved("hook.test", ip.parse().unwrap());
        let refused = judged(&at("https://10.96.0.1:443"), "10.96.0.1").unwrap_err();
        assert_eq!(
            refused.to_string(),
            "hook.test (10.96.0.1) may not be reached: it is the Kubernetes API server"
        );
        assert_eq!(judged(&at("https://127.0.0.1:6443"), "127.0.0.1"), Ok(()));
        assert!(judged(&Egress::default(), "169.254.169.254").is_err());
    }
}
