//! Why an attempt got no answer, in words that hold no address, and whether another attempt may fare better.
//! Not for answers with a bad status.

use std::error::Error;
use std::io;
use std::time::Duration;

use canary_egress::Refused;

/// Why there was no answer.
#[derive(Debug)]
pub(crate) struct Cause {
    /// For people.
    pub(crate) text: String,
    /// Another attempt may succeed.
    pub(crate) again: bool,
}

impl Cause {
    /// Reads an error of an attempt that had `limit`.
    pub(crate) fn of(error: &reqwest::Error, limit: Duration) -> Self {
        if error.is_timeout() {
            return Self { text: format!("no answer within {limit:?}"), again: true };
        }
        if let Some(refused) = chain(error).find_map(|error| error.downcast_ref::<Refused>()) {
            return Self { text: refused.to_string(), again: false };
        }
        let text = innermost(error);
        let text = if error.is_connect() { format!("could not connect: {text}") } else { text };
        Self { text, again: !(error.is_builder() || error.is_redirect() || is_bad_certificate(error)) }
    }
}

/// Errors of the client itself are left out: they only say that a request failed, and repeat its address.
fn innermost(error: &reqwest::Error) -> String {
    chain(error)
        .filter(|error| !error.is::<reqwest::Error>())
        .last()
        .map_or_else(|| "the request failed".into(), ToString::to_string)
}

fn is_bad_certificate(error: &reqwest::Error) -> bool {
    chain(error).any(|error| {
        matches!(error.downcast_ref::<rustls::Error>(), Some(rustls::Error::InvalidCertificate(_)))
    })
}

/// The error and all below it. An I/O error hides the one that it was made of from `source`.
fn chain(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(Some(error as &(dyn Error + 'static)), |error| below(*error))
}

fn below<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}
