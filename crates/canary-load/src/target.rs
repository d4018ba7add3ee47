//! Where requests go: scheme, host and port.

use std::fmt;
use std::str::FromStr;

use http::Uri;

/// How requests are sent on a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1, one request at a time on a connection.
    #[default]
    Http1,
    /// HTTP/2, with and without TLS, with that many requests at a time on a connection.
    Http2 {
        /// Requests at a time on one connection; at least 1.
        streams: usize,
    },
}

/// An origin that requests are sent to.
///
/// ```
/// use canary_load::Target;
/// let target: Target = "http://podinfo-canary.test:9898".parse().unwrap();
/// assert_eq!((target.host(), target.port()), ("podinfo-canary.test", 9898));
/// assert!("ftp://podinfo".parse::<Target>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    host: String,
    port: u16,
    tls: bool,
    /// How requests are sent.
    pub protocol: Protocol,
}

/// An address that is no target.
#[derive(Debug, thiserror::Error)]
#[error("{address:?} is no target: {why}; it takes an address such as http://podinfo-canary.test:9898")]
pub struct TargetError {
    /// What was given.
    pub address: String,
    /// What is wrong with it.
    pub why: String,
}

impl Target {
    /// The origin of an address; path and query are left out.
    ///
    /// # Errors
    /// [`TargetError`] when it has no host or another scheme than `http` and `https`.
    pub fn of(uri: &Uri) -> Result<Self, TargetError> {
        let refuse = |why: &str| TargetError { address: uri.to_string(), why: why.to_owned() };
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            Some(_) => return Err(refuse("the scheme is neither http nor https")),
            None => return Err(refuse("it has no scheme")),
        };
        let authority = uri.authority().ok_or_else(|| refuse("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(refuse("it has a user part; use a header"));
        }
        let host = authority.host().trim_matches(['[', ']']);
        if host.is_empty() {
            return Err(refuse("it has no host"));
        }
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        Ok(Self { host: host.to_owned(), port, tls, protocol: Protocol::default() })
    }

    /// The name or address of the host; of IPv6 without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether connections use TLS.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// Host, and port unless it is the scheme's own, as in the header `host`.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == if self.tls { 443 } else { 80 } { host } else { format!("{host}:{}", self.port) }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let uri: Uri =
            text.parse().map_err(|why| TargetError { address: text.to_owned(), why: format!("{why}") })?;
        Self::of(&uri)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_read_with_the_ports_of_their_schemes() {
        for (text, shown, port) in [
            ("http://podinfo/a?b=c", "http://podinfo", 80),
            ("https://podinfo:443/", "https://podinfo", 443),
            ("http://[::1]:8080/", "http://[::1]:8080", 8080),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!((target.to_string().as_str(), target.port()), (shown, port));
        }
    }

    #[test]
    fn what_is_no_origin_is_refused_with_a_reason() {
        for (text, why) in [
            ("podinfo", "no scheme"),
            ("ftp://podinfo", "neither http nor https"),
            ("http://user:secret@podinfo", "user part"),
            ("/path", "no scheme"),
        ] {
            let error = text.parse::<Target>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
