//! Where load may go. Hosts are judged by name, addresses after the name was resolved.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use canary_egress::is_metadata;
use canary_load::AddressPolicy;
use ipnet::IpNet;

/// A target that a flag allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// A host, with `*` for any part of it.
    Host(String),
    /// A range of addresses; also of those that are otherwise never dialled.
    Range(IpNet),
}

/// What may be dialled for one run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Targets {
    /// Hosts that the Canary names, in lower case.
    named: Vec<String>,
    allowed: Vec<Allowed>,
    /// The API server and the load tester itself.
    never: Vec<IpAddr>,
    /// Old behaviour: everything.
    any: bool,
}

impl Targets {
    /// Those of the flags, and never `never`.
    pub(crate) fn new(allowed: Vec<Allowed>, never: Vec<IpAddr>) -> Self {
        Self { allowed, never, ..Self::default() }
    }

    /// Everything may be dialled.
    pub(crate) fn any() -> Self {
        Self { any: true, ..Self::default() }
    }

    /// The same with hosts that a Canary names.
    #[must_use]
    pub(crate) fn naming(mut self, hosts: impl IntoIterator<Item = String>) -> Self {
        self.named.extend(hosts.into_iter().map(|host| host.to_ascii_lowercase()));
        self
    }

    /// Whether a host may be a target, before anything is resolved.
    ///
    /// # Errors
    /// A sentence with the host and what would allow it.
    pub(crate) fn permit_host(&self, host: &str) -> Result<(), String> {
        let lower = host.to_ascii_lowercase();
        let by_flag = self.allowed.iter().any(|allowed| match allowed {
            Allowed::Host(pattern) => is_like(pattern, &lower),
            Allowed::Range(range) => lower.parse::<IpAddr>().is_ok_and(|address| range.contains(&address)),
        });
        if self.any || by_flag || self.named.contains(&lower) {
            return Ok(());
        }
        Err(format!(
            "{host} is not a target: the Canary does not name it, and no -allow-target does; add -allow-target={host}"
        ))
    }
}

impl AddressPolicy for Targets {
    fn permit(&self, host: &str, address: IpAddr) -> Result<(), String> {
        self.permit_host(host)?;
        let address = address.to_canonical();
        let is_in_range =
            |allowed: &Allowed| matches!(allowed, Allowed::Range(range) if range.contains(&address));
        if self.any || self.allowed.iter().any(is_in_range) {
            return Ok(());
        }
        match forbidden(address)
            .or(self.never.contains(&address).then_some("the cluster or the load tester itself"))
        {
            Some(what) => Err(format!("{host} leads to {address}, which is {what}")),
            None => Ok(()),
        }
    }
}

/// What an address is that no load may go to.
fn forbidden(address: IpAddr) -> Option<&'static str> {
    match address {
        _ if is_metadata(address) => Some("link-local, or another address where clouds hand out credentials"),
        IpAddr::V4(v4) if v4.is_loopback() => Some("this machine"),
        IpAddr::V4(v4) if v4.is_unspecified() || v4.is_broadcast() || v4.is_multicast() => {
            Some("no single machine")
        }
        IpAddr::V6(v6) if v6.is_loopback() => Some("this machine"),
        IpAddr::V6(v6) if v6.is_unspecified() || v6.is_multicast() => Some("no single machine"),
        // An IPv4 address in the clothes of a translation prefix.
        IpAddr::V6(v6) => embedded(v6).and_then(|v4| forbidden(IpAddr::V4(v4))),
        IpAddr::V4(_) => None,
    }
}

/// The IPv4 address in `64:ff9b::/96` or `::/96`.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let is_nat64 = segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0];
    let is_compatible = segments[..6] == [0; 6];
    let last: [u8; 4] = address.octets()[12..].try_into().ok()?;
    (is_nat64 || is_compatible).then(|| Ipv4Addr::from(last))
}

/// Whether `text` is like `pattern`, in which `*` stands for anything.
fn is_like(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len()).filter(|i| rest.is_char_boundary(*i)).any(|i| is_like(after, &rest[i..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permit(targets: &Targets, host: &str, address: &str) -> Result<(), String> {
        targets.permit(host, address.parse().unwrap())
    }

    #[test]
    fn only_named_and_allowed_hosts_are_targets() {
        let allowed =
            vec![Allowed::Host("*.shop.svc".into()), Allowed::Range("10.1.0.0/16".parse().unwrap())];
        let targets = Targets::new(allowed, vec![]).naming(["podinfo-canary.test".into()]);
        for host in ["podinfo-canary.test", "PODINFO-canary.test", "a.shop.svc", "10.1.2.3"] {
            assert_eq!(targets.permit_host(host), Ok(()), "{host}");
        }
        for host in ["podinfo-canary.prod", "shop.svc.evil", "10.2.0.1", "evil-a.shop.svc.example"] {
            let error = targets.permit_host(host).unwrap_err();
            assert!(error.contains("-allow-target"), "{error}");
        }
    }

    #[test]
    fn a_name_does_not_lead_around_what_is_never_dialled() {
        let targets =
            Targets::new(vec![], vec!["10.96.0.1".parse().unwrap()]).naming(["podinfo.test".into()]);
        assert_eq!(permit(&targets, "podinfo.test", "10.1.2.3"), Ok(()));
        for address in [
            "127.0.0.1",
            "169.254.169.254",
            "0.0.0.0",
            "224.0.0.1",
            "::1",
            "fe80::1",
            "fd00:ec2::254",
            "168.63.129.16",
            "100.100.100.200",
            "64:ff9b::100.100.100.200",
            "::ffff:168.63.129.16",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "::7f00:1",
            "10.96.0.1",
        ] {
            assert!(permit(&targets, "podinfo.test", address).is_err(), "{address}");
        }
    }

    #[test]
    fn a_range_of_a_flag_opens_even_those() {
        let targets = Targets::new(vec![Allowed::Range("127.0.0.0/8".parse().unwrap())], vec![]);
        assert_eq!(permit(&targets, "127.0.0.1", "127.0.0.1"), Ok(()));
        assert!(permit(&targets, "169.254.169.254", "169.254.169.254").is_err());
    }

    #[test]
    fn patterns_stand_for_whole_names() {
        assert!(is_like("a*c", "abc") && is_like("*", "") && is_like("a", "a"));
        assert!(!is_like("a*c", "abcd") && !is_like("a", "ab"));
    }
}
