//! Flags about scenarios: where they and their data come from, and whether they may write.

use std::path::PathBuf;

use clap::{ArgAction, Args};

/// Flags about scenarios.
#[derive(Debug, Args)]
#[command(next_help_heading = "Scenarios")]
pub(crate) struct ScenarioFlags {
    /// Whether scenarios may write, if their Canary has the annotation canaryd/allow-load-writes: "true"
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, default_value_t = false, num_args = 0..=1,
        require_equals = true, default_missing_value = "true")]
    pub(crate) allow_writes: bool,
    /// File in which what scenarios write is entered until it is taken back, also by the next process
    #[arg(long, value_name = "PATH")]
    pub(crate) journal_file: Option<PathBuf>,
    /// A host from which scenarios and their data are taken without a checksum; * stands for any
    #[arg(long, value_name = "HOST")]
    pub(crate) source_host: Vec<String>,
    /// A Secret of the load tester's own namespace that scenarios may use as data, and the namespaces of the canaries
    /// whose scenarios may (all when left out), such as users@test,prod
    #[arg(long, value_name = "NAME[@NAMESPACES]", value_parser = SharedSecret::parse)]
    pub(crate) source_secret: Vec<SharedSecret>,
    /// A host with private repositories, files or artifacts, the Secret of the load tester's own namespace with the login
    /// for it, and the namespaces of the canaries whose scenarios may read there (all when left out), such as
    /// ghcr.io=ghcr-login@test,prod. The Secret has .dockerconfigjson, username and password, or token
    #[arg(long, value_name = "HOST=NAME[@NAMESPACES]", value_parser = SourceLogin::parse)]
    pub(crate) source_login: Vec<SourceLogin>,
    /// File with logins for such hosts, for scenarios of all canaries: a config.json of Docker, or lines of git
    /// credential-store. It is read anew each time
    #[arg(long, value_name = "PATH")]
    pub(crate) source_login_file: Vec<PathBuf>,
}

/// A Secret that scenarios may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SharedSecret {
    name: String,
    /// None: all.
    namespaces: Option<Vec<String>>,
}

impl SharedSecret {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (name, namespaces) = match text.split_once('@') {
            None => (text, None),
            Some((name, namespaces)) => {
                (name, Some(namespaces.split(',').map(str::to_owned).collect::<Vec<_>>()))
            }
        };
        let is_name = |name: &str| !name.is_empty() && !name.contains(['/', ' ']);
        if !is_name(name) || !namespaces.iter().flatten().all(|namespace| is_name(namespace)) {
            return Err(
                "it takes a name, such as users, or users@test,prod for canaries of those namespaces".into(),
            );
        }
        Ok(Self { name: name.to_owned(), namespaces })
    }

    /// Whether a scenario of a canary in `namespace` may use the Secret `name`.
    pub(crate) fn is_for(&self, name: &str, namespace: &str) -> bool {
        let is_meant = |namespaces: &Vec<String>| namespaces.iter().any(|known| known == namespace);
        self.name == name && self.namespaces.as_ref().is_none_or(is_meant)
    }
}

/// A Secret with the login for a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceLogin {
    host: String,
    secret: SharedSecret,
}

impl SourceLogin {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            || "it takes HOST=NAME, such as ghcr.io=ghcr-login or ghcr.io=ghcr-login@test,prod".to_owned();
        let (host, secret) = text.split_once('=').ok_or_else(wrong)?;
        if host.is_empty() || host.contains(['/', ' ', '@']) {
            return Err(wrong());
        }
        let secret = SharedSecret::parse(secret).map_err(|_| wrong())?;
        Ok(Self { host: host.to_ascii_lowercase(), secret })
    }

    /// The Secret with the login for that host, if a scenario of a canary in `namespace` may use it.
    pub(crate) fn for_host(&self, host: &str, namespace: &str) -> Option<&str> {
        let is_meant =
            self.host.eq_ignore_ascii_case(host) && self.secret.is_for(&self.secret.name, namespace);
        is_meant.then_some(self.secret.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_for_its_host_and_for_all_namespaces_or_those_named() {
        let login = SourceLogin::parse("localhost:5000=ghcr-login@test").unwrap();
        assert_eq!(login.for_host("LOCALHOST:5000", "test"), Some("ghcr-login"));
        assert_eq!(
            (login.for_host("localhost:5000", "other"), login.for_host("localhost", "test")),
            (None, None)
        );
        assert_eq!(SourceLogin::parse("ghcr.io=a").unwrap().for_host("ghcr.io", "x"), Some("a"));
        for wrong in ["", "ghcr.io", "=a", "ghcr.io=", "https://ghcr.io=a", "ghcr.io=a@", "a@b=c"] {
            assert!(SourceLogin::parse(wrong).unwrap_err().contains("HOST=NAME"), "{wrong}");
        }
    }

    #[test]
    fn a_secret_is_for_all_namespaces_or_for_those_named() {
        let all = SharedSecret::parse("users").unwrap();
        assert!(all.is_for("users", "test") && !all.is_for("tokens", "test"));
        let some = SharedSecret::parse("users@test,prod").unwrap();
        assert!(some.is_for("users", "prod") && !some.is_for("users", "other"));
        for wrong in ["", "@test", "a@", "a b", "a@b,"] {
            assert!(SharedSecret::parse(wrong).is_err(), "{wrong}");
        }
    }
}
