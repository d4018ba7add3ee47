//! Whether a connection comes from a process of this pod under our own user, such as `kubectl exec … curl`.
//! Loopback alone proves nothing: the proxy of a mesh connects from there too, under another user.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Asks the kernel for the owner of the peer's socket.
pub(crate) fn is_inside(peer: SocketAddr, own: SocketAddr) -> bool {
    if !peer.ip().to_canonical().is_loopback() {
        return false;
    }
    let user = rustix::process::getuid().as_raw();
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .any(|table| owner(&table, peer, own) == Some(user))
}

/// The user who owns the socket at `peer` that is connected to `own`.
fn owner(table: &str, peer: SocketAddr, own: SocketAddr) -> Option<u32> {
    let same = |text: &str, address: SocketAddr| {
        read(text).is_some_and(|(ip, port)| ip == address.ip().to_canonical() && port == address.port())
    };
    table.lines().skip(1).find_map(|line| {
        let mut columns = line.split_whitespace();
        let (local, remote) = (columns.nth(1)?, columns.next()?);
        (same(local, peer) && same(remote, own)).then(|| columns.nth(4)?.parse().ok()).flatten()
    })
}

/// An address as the kernel prints it: words of 32 bits in the order of the machine's bytes, and the port.
fn read(text: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = text.split_once(':')?;
    let mut bytes = Vec::with_capacity(16);
    for at in (0..address.len()).step_by(8) {
        bytes.extend(u32::from_str_radix(address.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    }
    let ip = match bytes.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
        16 => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
        _ => return None,
    };
    Some((ip.to_canonical(), u16::from_str_radix(port, 16).ok()?))
}

/// The addresses that load must not go to: the API server, and this pod.
pub(crate) fn own_addresses(variable: impl Fn(&str) -> Option<String>) -> Vec<IpAddr> {
    ["KUBERNETES_SERVICE_HOST", "POD_IP"]
        .iter()
        .filter_map(|name| variable(name)?.trim_matches(['[', ']']).parse().ok())
        .filter(|ip| *ip != IpAddr::V4(Ipv4Addr::UNSPECIFIED) && *ip != IpAddr::V6(Ipv6Addr::UNSPECIFIED))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    const TABLE: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000   100        0 1 1
   1: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1337        0 2 1
";

    #[test]
    #[cfg(target_endian = "little")]
    fn the_owner_of_the_other_end_is_found() {
        let (peer, own) = ("127.0.0.1:50000".parse().unwrap(), "127.0.0.1:8080".parse().unwrap());
        assert_eq!(owner(TABLE, peer, own), Some(1337));
        assert_eq!(owner(TABLE, own, peer), Some(100));
        assert_eq!(owner(TABLE, peer, "127.0.0.1:8081".parse().unwrap()), None);
        assert_eq!(owner("", peer, own), None);
    }

    #[test]
    fn a_connection_of_this_process_is_from_inside() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(is_inside(client.local_addr().unwrap(), client.peer_addr().unwrap()));
        assert!(!is_inside("127.0.0.1:1".parse().unwrap(), client.peer_addr().unwrap()));
        assert!(!is_inside("10.0.0.1:1".parse().unwrap(), client.peer_addr().unwrap()));
    }
}
