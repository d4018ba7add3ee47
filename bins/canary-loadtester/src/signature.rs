//! Signed requests, for senders that have a key and no token. Each signature is good once, within five minutes.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use ring::hmac::{HMAC_SHA256, Key, verify};

/// The header of a signature: `t=<seconds since 1970>,v1=<HMAC-SHA256 in hex>` over the seconds, a dot, the method, a space,
/// path and query, a dot, and the body.
pub(crate) const HEADER: &str = "x-canary-signature";
/// How far the clock of the sender may be off, in seconds; also how long used signatures are remembered.
const WINDOW: i64 = 300;

/// The key, and the signatures that were used.
pub(crate) struct Signatures {
    key: Key,
    used: Mutex<HashMap<Vec<u8>, i64>>,
}

impl fmt::Debug for Signatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signatures")
    }
}

impl Signatures {
    /// With a key; white space around it does not count.
    pub(crate) fn new(key: &str) -> Self {
        Self { key: Key::new(HMAC_SHA256, key.trim().as_bytes()), used: Mutex::default() }
    }

    /// Whether the header is the signature of the request, at `now` in seconds since 1970, and the first time.
    pub(crate) fn accept(&self, header: &str, method: &str, path: &str, body: &[u8], now: i64) -> bool {
        let Some((time, signature)) = read(header) else { return false };
        if (now - time).abs() > WINDOW
            || verify(&self.key, &text(time, method, path, body), &signature).is_err()
        {
            return false;
        }
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, at| now - *at <= WINDOW);
        used.insert(signature, time.max(now)).is_none()
    }
}

fn text(time: i64, method: &str, path: &str, body: &[u8]) -> Vec<u8> {
    let mut text = format!("{time}.{method} {path}.").into_bytes();
    text.extend_from_slice(body);
    text
}

fn read(header: &str) -> Option<(i64, Vec<u8>)> {
    let (time, signature) = header.split_once(',')?;
    let time = time.trim().strip_prefix("t=")?.parse().ok()?;
    let hex = signature.trim().strip_prefix("v1=")?;
    let bytes: Option<Vec<u8>> =
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()).collect();
    Some((time, bytes?))
}

#[cfg(test)]
pub(crate) fn sign(key: &str, time: i64, method: &str, path: &str, body: &[u8]) -> String {
    use std::fmt::Write;
    let tag = ring::hmac::sign(&Key::new(HMAC_SHA256, key.as_bytes()), &text(time, method, path, body));
    let mut header = format!("t={time},v1=");
    for byte in tag.as_ref() {
        write!(header, "{byte:02x}").unwrap();
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;

    #[test]
    fn a_signature_is_good_once_for_its_request_within_its_time() {
        let signatures = Signatures::new("key\n");
        let header = sign("key", NOW, "POST", "/", b"body");
        assert!(!signatures.accept(&header, "POST", "/", b"other", NOW));
        assert!(!signatures.accept(&header, "POST", "/gate/open", b"body", NOW));
        assert!(!signatures.accept(&header, "POST", "/", b"body", NOW + 301));
        assert!(!signatures.accept(&sign("no", NOW, "POST", "/", b"body"), "POST", "/", b"body", NOW));
        assert!(signatures.accept(&header, "POST", "/", b"body", NOW + 299));
        assert!(!signatures.accept(&header, "POST", "/", b"body", NOW + 300), "replayed");
    }

    #[test]
    fn a_signature_from_the_future_is_remembered_as_long_as_it_would_be_good() {
        let signatures = Signatures::new("key");
        let header = sign("key", NOW + 300, "POST", "/", b"");
        assert!(signatures.accept(&header, "POST", "/", b"", NOW));
        assert!(!signatures.accept(&header, "POST", "/", b"", NOW + 599));
    }

    #[test]
    fn malformed_headers_are_refused() {
        for header in ["", "t=1", "t=x,v1=00", "t=1,v1=zz", "t=1,v1=0", "v1=00,t=1", "t=1,v1=é"] {
            assert!(!Signatures::new("key").accept(header, "POST", "/", b"", 1), "{header}");
        }
    }
}
