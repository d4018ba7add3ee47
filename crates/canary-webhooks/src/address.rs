//! Where a hook is, and how its address may be shown: user name, password and query, which may carry a token, stay out of
//! texts.
//! Not the transport.

use url::Url;

/// A checked address.
pub(crate) struct Address {
    /// To call.
    pub(crate) url: Url,
    /// To show: as it was written, without user name, password and query.
    pub(crate) shown: String,
}

impl Address {
    /// Reads an http or https address, or says why `text` is none. That text does not repeat the address, since nobody
    /// knows where a secret would be in something malformed.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let url = Url::parse(text).map_err(|error| error.to_string())?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("unsupported protocol scheme {:?}", url.scheme()));
        }
        let shown = without_query(shown(text, &url));
        Ok(Self { url, shown })
    }
}

/// Many services take their token as a parameter.
fn without_query(mut shown: String) -> String {
    if let Some(at) = shown.find('?') {
        shown.truncate(at + 1);
        shown.push('…');
    }
    shown
}

/// Flagger's texts have the address as it was written, which a parsed one is not (`http://host` has no slash).
fn shown(text: &str, url: &Url) -> String {
    let mut bare = url.clone();
    if bare.set_username("").is_err() || bare.set_password(None).is_err() {
        return format!("{}://…", url.scheme());
    }
    if bare == *url {
        return text.to_owned();
    }
    let cut = text.split_once("://").map(|(scheme, rest)| {
        let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
        let host = rest[..end].rfind('@').map_or(0, |at| at + 1);
        format!("{scheme}://{}", &rest[host..])
    });
    match cut {
        Some(cut) if Url::parse(&cut).is_ok_and(|cut| cut == bare) => cut,
        _ => bare.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_as_it_was_written() {
        for text in ["http://gate.test", "https://gate.test:8443/a#d", "HTTP://Gate.test/%7euser/@x"] {
            assert_eq!(Address::parse(text).unwrap().shown, text);
        }
    }

    #[test]
    fn user_name_password_and_query_are_not_shown() {
        for (text, shown) in [
            ("http://me:secret@gate.test", "http://gate.test"),
            ("http://secret@gate.test:80/a@b?c=d", "http://gate.test:80/a@b?…"),
            ("http://me:se@cret@gate.test/x", "http://gate.test/x"),
            ("http://:secret@gate.test?x", "http://gate.test?…"),
            ("https://gate.test/x?token=secret&a=b#c", "https://gate.test/x?…"),
            ("http:\\\\me:secret@gate.test/x", "http://gate.test/x"),
            ("http:/me:secret@gate.test/x", "http://gate.test/x"),
        ] {
            assert_eq!(Address::parse(text).unwrap().shown, shown, "{text}");
        }
    }

    #[test]
    fn what_is_no_http_address_is_refused_without_repeating_it() {
        for text in [
            "",
            "gate",
            "/check",
            "http://",
            "http://me:sec/ret@gate",
            "ftp://me:secret@gate/",
            "gate:secret",
        ] {
            let reason = Address::parse(text).err().unwrap();
            assert!(!reason.is_empty() && !reason.contains("sec"), "{text}: {reason}");
        }
    }
}
