//! Reading what a MetricTemplate says about its provider: address, keys of the secret, interval.
//! Errors name the provider, the setting and what would be right, and never repeat an address or a key.

use std::time::Duration;

use canary_core::MetricError;
use jiff::{SignedDuration, Timestamp};
use url::Url;

use crate::providers::ProviderSpec;

/// How many intervals the window of a query is long. Flagger's number, for backends that answer late.
const WINDOW_INTERVALS: u32 = 10;

impl ProviderSpec {
    /// What is wrong with a setting of this provider.
    pub(crate) fn wrong(&self, problem: impl std::fmt::Display) -> MetricError {
        MetricError::Configuration(format!("{} {problem}", self.kind))
    }

    /// The address, or the default one for an empty address, as a URL of http or https. User, query and fragment are cut off,
    /// and the path does not end in a slash.
    pub(crate) fn url(&self, default: Option<&str>) -> Result<Url, MetricError> {
        let mut url = self.whole_url(default)?;
        if url.set_username("").and_then(|()| url.set_password(None)).is_err() {
            return Err(self.wrong("address has no host"));
        }
        url.set_query(None);
        url.set_fragment(None);
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(url)
    }

    /// The address as it stands.
    pub(crate) fn whole_url(&self, default: Option<&str>) -> Result<Url, MetricError> {
        let text = match (self.address.as_str(), default) {
            ("", Some(default)) => default,
            ("", None) => {
                return Err(self.wrong("address is empty; expected a URL such as http://prometheus:9090"));
            }
            (address, _) => address,
        };
        let url = Url::parse(text).map_err(|error| self.wrong(format!("address is not a URL: {error}")))?;
        match url.scheme() {
            "http" | "https" => Ok(url),
            other => Err(self.wrong(format!("address has the scheme {other:?}; expected http or https"))),
        }
    }

    /// The text under a key of the secret, if there is one that is not empty.
    pub(crate) fn secret_text(&self, key: &str) -> Result<Option<&str>, MetricError> {
        let Some(bytes) = self.secret.as_ref().and_then(|secret| secret.get(key)) else {
            return Ok(None);
        };
        let text =
            std::str::from_utf8(bytes).map_err(|_| self.wrong(format!("secret key {key:?} is not text")))?;
        // A line end comes from `echo key | base64`, and no header can have it.
        Ok(Some(text.trim_end_matches(['\r', '\n'])).filter(|text| !text.is_empty()))
    }

    /// The text under a key that the secret must have.
    pub(crate) fn required_text(&self, key: &str) -> Result<&str, MetricError> {
        self.secret_text(key)?.ok_or_else(|| match &self.secret {
            Some(_) => self.wrong(format!("secret has no key {key:?}")),
            None => self.wrong(format!("has no secretRef; expected a secret with the key {key:?}")),
        })
    }

    /// The metric's interval in Go's notation.
    pub(crate) fn interval(&self) -> Result<Duration, MetricError> {
        let text = self.interval.as_deref().unwrap_or_default();
        if text.is_empty() {
            return Err(self.wrong("needs the interval of the metric, such as 1m; it is not set"));
        }
        let wrong = || self.wrong(format!("interval {text:?} is not a duration such as 30s or 1m30s"));
        // jiff reads all that Go reads, and words such as `1 hour` besides, which are no harm.
        let parsed: SignedDuration = text.parse().map_err(|_| wrong())?;
        Duration::try_from(parsed).ok().filter(|interval| !interval.is_zero()).ok_or_else(wrong)
    }

    /// The window of a query that ends now: start and end.
    pub(crate) fn window(&self) -> Result<Window, MetricError> {
        let length = self.interval()?.saturating_mul(WINDOW_INTERVALS);
        Ok(Window { length })
    }
}

/// A length of time before now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    length: Duration,
}

impl Window {
    /// Start and end in whole seconds since 1970.
    pub(crate) fn seconds(self) -> (i64, i64) {
        let end = Timestamp::now().as_second();
        let length = i64::try_from(self.length.as_secs()).unwrap_or(i64::MAX);
        (end.saturating_sub(length), end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(interval: &str) -> Result<Duration, MetricError> {
        ProviderSpec { interval: Some(interval.into()), ..ProviderSpec::new("datadog", "") }.interval()
    }

    #[test]
    fn intervals_are_gos() {
        for (text, millis) in
            [("300ms", 300), ("1.5h", 5_400_000), ("2m30s", 150_000), ("30s", 30_000), ("1m", 60_000)]
        {
            assert_eq!(of(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "0s", "-1m", "5", "soon"] {
            let error = of(text).unwrap_err().to_string();
            assert!(error.starts_with("datadog ") && error.contains("interval"), "{text}: {error}");
        }
    }

    #[test]
    fn a_window_is_ten_intervals() {
        let spec = ProviderSpec { interval: Some("1m".into()), ..ProviderSpec::new("datadog", "") };
        let (start, end) = spec.window().unwrap().seconds();
        assert_eq!(end - start, 600);
    }

    #[test]
    fn addresses_lose_what_no_error_may_show() {
        let url = |address: &str, default| ProviderSpec::new("x", address).url(default);
        assert_eq!(url("http://me:pass@host/p/?q=1#f", None).unwrap().as_str(), "http://host/p");
        assert_eq!(url("", Some("https://api.example.com")).unwrap().as_str(), "https://api.example.com/");
        let error = url("ftp://me:pass@host", None).unwrap_err();
        assert_eq!(
            error,
            MetricError::Configuration("x address has the scheme \"ftp\"; expected http or https".into())
        );
    }
}
