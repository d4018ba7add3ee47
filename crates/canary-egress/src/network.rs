//! Networks in CIDR notation. A single address is a network of one.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

/// A network, such as `10.0.0.0/8` or `fd00::/8`.
///
/// ```
/// use canary_egress::Network;
/// let network: Network = "10.1.0.0/16".parse().unwrap();
/// assert!(network.contains("10.1.2.3".parse().unwrap()));
/// assert!(network.contains("::ffff:10.1.2.3".parse().unwrap()), "IPv4 in IPv6 is IPv4");
/// assert!(!network.contains("10.2.0.1".parse().unwrap()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// A text is not a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a network: it takes an address with or without the length of a prefix, such as 10.0.0.0/8 or 10.1.2.3"
)]
pub struct NotANetwork(String);

impl Network {
    pub(crate) const fn new(address: IpAddr, prefix: u8) -> Self {
        Self { address, prefix }
    }

    /// Whether the address is in it. IPv4 addresses in one of the forms that IPv6 has for them count as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, plain(address)) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let bits = u32::from(network) ^ u32::from(address);
                self.prefix == 0 || bits >> (32 - u32::from(self.prefix)) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let bits = u128::from(network) ^ u128::from(address);
                self.prefix == 0 || bits >> (128 - u32::from(self.prefix)) == 0
            }
            _ => false,
        }
    }
}

/// The IPv4 address where an IPv6 one holds it: mapped (`::ffff:0:0/96`), compatible (`::/96`) or for NAT64
/// (`64:ff9b::/96`).
pub(crate) fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let parts = v6.segments();
    let embedded = match parts[..6] {
        [0, 0, 0, 0, 0, 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0] => true,
        // ::1 and :: are no IPv4 addresses.
        [0, 0, 0, 0, 0, 0] => parts[6] != 0,
        _ => false,
    };
    if !embedded {
        return address;
    }
    let [.., first, second, third, fourth] = v6.octets();
    IpAddr::V4(Ipv4Addr::new(first, second, third, fourth))
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let wrong = || NotANetwork(text.to_owned());
        let (address, prefix) = match text.trim().split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().map_err(|_| wrong())?)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(most);
        if prefix > most { Err(wrong()) } else { Ok(Self { address, prefix }) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        network.parse::<Network>().unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn prefixes_of_every_length_are_compared() {
        for (network, address, expected) in [
            ("0.0.0.0/0", "8.8.8.8", true),
            ("::/0", "2001:db8::1", true),
            ("::/0", "8.8.8.8", false),
            ("169.254.0.0/16", "169.254.169.254", true),
            ("169.254.0.0/16", "169.255.0.1", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3/32", "10.1.2.2", false),
            ("fe80::/10", "febf::1", true),
            ("fe80::/10", "fec0::1", false),
        ] {
            assert_eq!(contains(network, address), expected, "{address} in {network}");
        }
    }

    #[test]
    fn ipv4_in_ipv6_is_ipv4() {
        for address in ["::ffff:169.254.169.254", "64:ff9b::169.254.169.254", "::169.254.169.254"] {
            assert!(contains("169.254.0.0/16", address), "{address}");
        }
        assert_eq!(plain("::1".parse().unwrap()), "::1".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn what_is_no_network_is_refused_with_an_example() {
        for text in ["", "host", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/", "10.0.0.0/-1"] {
            let error = text.parse::<Network>().unwrap_err().to_string();
            assert!(error.contains("such as 10.0.0.0/8"), "{error}");
        }
        assert_eq!("10.0.0.0/8".parse::<Network>().unwrap().to_string(), "10.0.0.0/8");
    }
}
