//! The cookies of session affinity: what clients are told to keep, and how they are recognised by it.
//!
//! A cookie comes as text from the status. Where its headers go is each mesh's affair.

use std::collections::BTreeMap;
use std::fmt::Write;

use canary_core::{CookieAttributes, HttpMatch, StringMatch};

/// The header that clients send.
pub(crate) const COOKIE: &str = "Cookie";
/// The header that servers send.
pub(crate) const SET_COOKIE: &str = "Set-Cookie";
/// Life of the canary's cookie when none is given, seconds.
pub(crate) const DAY: i64 = 86_400;

/// A cookie in force.
pub(crate) struct Cookie<'a> {
    name: &'a str,
    value: &'a str,
}

impl<'a> Cookie<'a> {
    /// From `name=value`. Flagger stores a cookie without a name when none was configured; it then gets `name`.
    pub(crate) fn parse(text: &'a str, name: &'a str) -> Self {
        match text.split_once('=') {
            Some(("", value)) => Self { name, value },
            Some((name, value)) => Self { name, value },
            None => Self { name, value: text },
        }
    }

    /// The condition that a client holds it.
    pub(crate) fn condition(&self) -> HttpMatch {
        let regex = Some(format!(".*{}.*{}.*", escaped(self.name), escaped(self.value)));
        let holds = StringMatch { regex, ..StringMatch::default() };
        HttpMatch { headers: BTreeMap::from([(COOKIE.to_owned(), holds)]), ..HttpMatch::default() }
    }

    /// The text of `Set-Cookie` that makes a client forget it.
    pub(crate) fn forget(&self) -> String {
        format!("{}={}; Max-Age=-1", self.name, self.value)
    }

    /// The text of `Set-Cookie`, attributes in Flagger's order.
    pub(crate) fn set(&self, max_age: i64, attributes: &CookieAttributes) -> String {
        let mut text = format!("{}={}; Max-Age={max_age}", self.name, self.value);
        let valued = |text: &mut String, name: &str, value: Option<&String>| {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                let _ = write!(text, "; {name}={value}"); // a String takes everything
            }
        };
        let flag = |text: &mut String, name: &str, set: bool| {
            if set {
                let _ = write!(text, "; {name}");
            }
        };
        valued(&mut text, "Domain", attributes.domain.as_ref());
        flag(&mut text, "HttpOnly", attributes.http_only);
        flag(&mut text, "Partitioned", attributes.partitioned);
        valued(&mut text, "Path", attributes.path.as_ref());
        valued(&mut text, "SameSite", attributes.same_site.as_ref());
        flag(&mut text, "Secure", attributes.secure);
        text
    }
}

/// `text` as a regular expression for just that text. A name such as `app.session` would else match others.
pub(crate) fn escaped(text: &str) -> String {
    let mut regex = String::with_capacity(text.len());
    for letter in text.chars() {
        if r"\.+*?()|[]{}^$".contains(letter) {
            regex.push('\\');
        }
        regex.push(letter);
    }
    regex
}
