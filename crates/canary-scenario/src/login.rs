//! Who one is at a host from which scenarios and their data are fetched. Nothing here is ever shown.

use std::fmt;
use std::net::IpAddr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::HeaderValue;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use url::{Host, Url};

/// Names of the registry of Docker.
const DOCKER: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/// A user with a password, or a token.
#[derive(Clone, PartialEq, Eq)]
pub struct Login(Kind);

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    Password { user: String, password: String },
    Token(String),
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(…)")
    }
}

impl Login {
    /// A user name and a password.
    pub fn password(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self(Kind::Password { user: user.into(), password: password.into() })
    }

    /// A token without a user name.
    pub fn token(token: impl Into<String>) -> Self {
        Self(Kind::Token(token.into()))
    }

    /// As the header `authorization`.
    pub(crate) fn header(&self) -> Result<HeaderValue, String> {
        match &self.0 {
            Kind::Password { user, password } => basic(user, password),
            Kind::Token(token) => bearer(token),
        }
    }

    /// For who hands out tokens of a registry: a user name has to be there, and with a token any will do.
    pub(crate) fn basic(&self) -> Result<HeaderValue, String> {
        match &self.0 {
            Kind::Password { user, password } => basic(user, password),
            Kind::Token(token) => basic("token", token),
        }
    }
}

fn basic(user: &str, password: &str) -> Result<HeaderValue, String> {
    secret(&format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}"))))
}

/// A token as the header `authorization`.
pub(crate) fn bearer(token: &str) -> Result<HeaderValue, String> {
    secret(&format!("Bearer {}", token.trim()))
}

fn secret(text: &str) -> Result<HeaderValue, String> {
    let mut value =
        HeaderValue::from_str(text).map_err(|_| "the login has letters that no header takes".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

/// Logins by host.
#[derive(Clone, Debug, Default)]
pub struct Logins(Vec<(String, Login)>);

#[derive(Deserialize)]
struct DockerConfig {
    auths: std::collections::BTreeMap<String, DockerAuth>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct DockerAuth {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    registrytoken: Option<String>,
}

impl Logins {
    /// Reads a configuration of Docker, as `docker login` writes it and Secrets of the type
    /// `kubernetes.io/dockerconfigjson` hold it, or the lines of `git credential-store`.
    ///
    /// # Errors
    /// What is malformed; never with what stands there.
    pub fn read(text: &str) -> Result<Self, String> {
        if text.trim_start().starts_with('{') { Self::of_docker(text) } else { Self::of_git(text) }
    }

    fn of_docker(text: &str) -> Result<Self, String> {
        let config: DockerConfig = serde_json::from_str(text).map_err(|error| {
            // What the parser says may hold a part of the text.
            format!("line {} is none of a configuration of Docker such as {{\"auths\": …}}", error.line())
        })?;
        let mut logins = Vec::new();
        for (key, auth) in config.auths {
            let host = host_of(&key);
            let wrong = || format!("{host}: its auth is no USER:PASSWORD in base64");
            let DockerAuth { auth, username, password, registrytoken } = auth;
            let login = match (auth.filter(|auth| !auth.is_empty()), username.zip(password), registrytoken) {
                (_, _, Some(token)) => Login::token(token),
                (Some(auth), ..) => {
                    let decoded = BASE64_STANDARD.decode(auth.trim()).map_err(|_| wrong())?;
                    let decoded = String::from_utf8(decoded).map_err(|_| wrong())?;
                    let (user, password) = decoded.split_once(':').ok_or_else(wrong)?;
                    Login::password(user, password)
                }
                (None, Some((user, password)), _) => Login::password(user, password),
                // It is with a helper of Docker, which is not there.
                (None, None, None) => continue,
            };
            logins.push((host, login));
        }
        Ok(Self(logins))
    }

    fn of_git(text: &str) -> Result<Self, String> {
        let lines =
            text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
        let logins = lines.map(|(n, line)| {
            let wrong = || format!("line {} is none such as https://USER:PASSWORD@HOST", n + 1);
            let url = Url::parse(line.trim()).map_err(|_| wrong())?;
            let plain = |text: &str| {
                let text = percent_decode_str(text).decode_utf8();
                text.map(std::borrow::Cow::into_owned).map_err(|_| wrong())
            };
            let password = plain(url.password().ok_or_else(wrong)?)?;
            let host = place(&url).ok_or_else(wrong)?;
            Ok((host, Login::password(plain(url.username())?, password)))
        });
        logins.collect::<Result<_, String>>().map(Self)
    }

    /// The login for a host, with its port if that is not the usual one.
    pub fn at(&self, host: &str) -> Option<&Login> {
        let host = host_of(host);
        let is_meant = |known: &str| {
            known.eq_ignore_ascii_case(&host) || (DOCKER.contains(&known) && DOCKER.contains(&host.as_str()))
        };
        self.0.iter().find(|(known, _)| is_meant(known)).map(|(_, login)| login)
    }
}

/// Host and port of what may be written as an address.
fn host_of(text: &str) -> String {
    let text = text.split_once("://").map_or(text, |(_, rest)| rest);
    let host = text.split('/').next().unwrap_or_default();
    host.strip_suffix(":443").unwrap_or(host).to_ascii_lowercase()
}

/// Host of an address, with its port if that is not the usual one.
pub(crate) fn place(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

/// Whether a login may go there: by TLS, or within this machine.
pub(crate) fn is_private(url: &Url) -> bool {
    url.scheme() == "https"
        || match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
            Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
            None => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(login: Option<&Login>) -> String {
        login.unwrap().header().unwrap().to_str().unwrap().to_owned()
    }

    #[test]
    fn logins_are_read_from_configurations_of_docker_and_lines_of_git() {
        let docker = Logins::read(
            r#"{"auths": {"https://index.docker.io/v1/": {"auth": "bWU6cHc="}, "ghcr.io": {"username": "me", "password": "pw"},
                "localhost:5000": {"registrytoken": "t"}, "helper.test": {}}, "credsStore": "none"}"#,
        )
        .unwrap();
        for (host, expected) in
            [("docker.io", "Basic bWU6cHc="), ("GHCR.io", "Basic bWU6cHc="), ("localhost:5000", "Bearer t")]
        {
            assert_eq!(header(docker.at(host)), expected, "{host}");
        }
        for none in ["localhost", "helper.test", "hcr.io", "ghcr.io:8443"] {
            assert_eq!(docker.at(none), None, "{none}");
        }
        let git =
            Logins::read("# mine\nhttps://me:p%40w@git.test\nhttps://x:y@git.test:8443/shop\n").unwrap();
        assert_eq!(git.at("git.test"), Some(&Login::password("me", "p@w")));
        assert_eq!(git.at("git.test:8443"), Some(&Login::password("x", "y")));
    }

    #[test]
    fn what_is_malformed_is_told_without_what_stands_there() {
        for text in [
            "{\"auths\": {\"a.test\": \"hush\"}}",
            "{\"auths\": {\"a.test\": {\"auth\": \"hush!\"}}}",
            "{\"auths\": {\"a.test\": {\"auth\": \"aHVzaA==\"}}}",
            "{\"hush\": 1}",
            "https://hush@git.test",
            "hush",
        ] {
            let error = Logins::read(text).unwrap_err();
            assert!(!error.contains("hush") && !error.is_empty(), "{text}: {error}");
        }
        assert_eq!(format!("{:?}", Login::token("hush")), "Login(…)");
    }

    #[test]
    fn logins_go_by_tls_or_within_this_machine() {
        for (url, may) in [
            ("https://git.test/a", true),
            ("http://git.test/a", false),
            ("http://127.0.0.1:9/a", true),
            ("http://[::1]:9/a", true),
            ("http://localhost/a", true),
            ("http://localhost.git.test/a", false),
        ] {
            assert_eq!(is_private(&Url::parse(url).unwrap()), may, "{url}");
        }
    }
}
