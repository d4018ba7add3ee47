//! The headers of all requests: those of the template, and the one that logs in.
//! Knows what must not show in error messages.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use canary_core::MetricError;
use percent_encoding::percent_decode_str;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use url::Url;

use crate::hidden::Hidden;
use crate::providers::ProviderSpec;

/// Headers of every request.
pub(super) struct Login {
    headers: HeaderMap,
    /// Parts of the headers that are nobody's business.
    hidden: Hidden,
}

impl Login {
    pub(super) fn new(spec: &ProviderSpec, url: &Url) -> Result<Self, MetricError> {
        let mut login = Self { headers: HeaderMap::new(), hidden: Hidden::default() };
        for (name, values) in &spec.headers {
            let header: HeaderName =
                name.parse().map_err(|_| wrong(&format!("header name {name:?} is malformed")))?;
            for value in values {
                login.add(&header, value)?;
            }
        }
        match &spec.secret {
            Some(_) => login.add_secret(spec)?,
            None => login.add_user_of(url)?,
        }
        Ok(login)
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    pub(super) fn hidden(&self) -> &Hidden {
        &self.hidden
    }

    /// A `token`, or else `username` and `password`.
    fn add_secret(&mut self, spec: &ProviderSpec) -> Result<(), MetricError> {
        let entry = |key: &str| -> Result<Option<&str>, MetricError> {
            let Some(bytes) = spec.secret.as_ref().and_then(|secret| secret.get(key)) else {
                return Ok(None);
            };
            let text =
                std::str::from_utf8(bytes).map_err(|_| wrong(&format!("secret key {key:?} is not text")))?;
            Ok(Some(text))
        };
        if let Some(token) = entry("token")? {
            self.hidden.add(token);
            // Flagger: an Authorization among the headers of the template stays beside it.
            return self.add(&AUTHORIZATION, &format!("Bearer {token}"));
        }
        match (entry("username")?, entry("password")?) {
            (Some(user), Some(password)) if !user.is_empty() && !password.is_empty() => {
                self.set_basic(user, password)
            }
            // Flagger: empty credentials are none.
            (Some(_), Some(_)) => Ok(()),
            _ => Err(wrong("secret has neither \"token\" nor \"username\" and \"password\"")),
        }
    }

    /// The user in the address counts if nothing else logs in.
    fn add_user_of(&mut self, url: &Url) -> Result<(), MetricError> {
        if url.username().is_empty() || self.headers.contains_key(AUTHORIZATION) {
            return Ok(());
        }
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        self.set_basic(&decoded(url.username()), &decoded(url.password().unwrap_or_default()))
    }

    fn set_basic(&mut self, user: &str, password: &str) -> Result<(), MetricError> {
        self.hidden.add(password);
        self.headers.remove(AUTHORIZATION);
        let credentials = STANDARD.encode(format!("{user}:{password}"));
        self.add(&AUTHORIZATION, &format!("Basic {credentials}"))?;
        self.hidden.add(&credentials);
        Ok(())
    }

    fn add(&mut self, name: &HeaderName, value: &str) -> Result<(), MetricError> {
        let mut header = HeaderValue::from_str(value).map_err(|_| {
            wrong(&format!("the value of header {:?} has characters that headers cannot have", name.as_str()))
        })?;
        header.set_sensitive(true);
        self.headers.append(name, header);
        if name == AUTHORIZATION {
            self.hidden.add(value);
        }
        Ok(())
    }
}

fn wrong(problem: &str) -> MetricError {
    MetricError::Configuration(format!("prometheus {problem}"))
}
