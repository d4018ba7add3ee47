//! Keeps addresses and tokens out of what a service answers, since servers repeat paths and headers in their errors.
//! Not for texts of our own, which never hold them.

use url::Url;

/// So much of an answer is shown.
const SHOWN: usize = 256;

/// Path segments from this length on count as secrets; shorter ones are words such as `services`.
const SECRET_SEGMENT: usize = 16;

/// Values of a query from this length on count as secrets.
const SECRET_VALUE: usize = 6;

/// Texts that must not be shown, longest first.
#[derive(Clone)]
pub(crate) struct Secrets(Vec<String>);

impl Secrets {
    /// The token, the address, and the parts of it that authenticate.
    pub(crate) fn of(address: &Url, token: Option<&str>) -> Self {
        let mut texts = vec![address.as_str().to_owned()];
        texts.extend(token.map(str::to_owned));
        texts.extend(address.password().map(str::to_owned));
        texts.extend(address.query().filter(|query| query.len() >= SECRET_VALUE).map(str::to_owned));
        texts.extend(
            address
                .query_pairs()
                .map(|(_, value)| value.into_owned())
                .filter(|value| value.len() >= SECRET_VALUE),
        );
        let segments = address.path().split('/');
        texts.extend(segments.filter(|segment| segment.len() >= SECRET_SEGMENT).map(str::to_owned));
        if address.path().len() >= SECRET_SEGMENT {
            texts.push(address.path().to_owned());
        }
        texts.retain(|text| !text.is_empty());
        texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        Self(texts)
    }

    /// The beginning of `body` in one line, with every secret blotted out.
    pub(crate) fn shortened(&self, body: &str) -> String {
        let clean = self.0.iter().fold(body.to_owned(), |body, secret| body.replace(secret.as_str(), "[…]"));
        let line = clean.split_whitespace().collect::<Vec<_>>().join(" ");
        match line.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shortened(address: &str, token: Option<&str>, body: &str) -> String {
        Secrets::of(&Url::parse(address).unwrap(), token).shortened(body)
    }

    #[test]
    fn an_answer_that_repeats_the_address_is_blotted_out() {
        let slack = "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX";
        for (body, shown) in [
            ("no such hook", "no such hook"),
            ("Cannot POST /services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX", "Cannot POST […]"),
            ("unknown XXXXXXXXXXXXXXXXXXXXXXXX", "unknown […]"),
            (slack, "[…]"),
        ] {
            assert_eq!(shortened(slack, None, body), shown);
        }
    }

    #[test]
    fn tokens_keys_and_passwords_are_blotted_out() {
        let gchat =
            "https://me:hunter2@chat.googleapis.com/v1/spaces/AAA/messages?key=AIzaSy0&token=a%2Fbcdefg";
        for secret in ["AIzaSy0", "a/bcdefg", "key=AIzaSy0&token=a%2Fbcdefg", "hunter2", "xoxb-1"] {
            assert_eq!(shortened(gchat, Some("xoxb-1"), &format!("bad {secret}!")), "bad […]!");
        }
        assert_eq!(shortened(gchat, None, "no messages today"), "no messages today");
    }

    #[test]
    fn a_long_answer_is_cut_after_the_secrets_are_gone() {
        let body = format!("{}<b>\n\t secret-token-secret </b>", "é".repeat(250));
        let shown = shortened("https://chat.test/", Some("secret-token-secret"), &body);
        assert_eq!(shown, format!("{}<b> [……", "é".repeat(250)));
    }
}
