//! The variables that commands see: what programs need to run, and not what the load tester's own pod was given.

use std::ffi::OsString;
use std::sync::Arc;

/// Kept without being named: where programs, files and certificates are, the language, proxies, and the cluster for kubectl and
/// helm.
const USUAL: [&str; 23] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TERM",
    "TMPDIR",
    "TZ",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "XDG_*",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "KUBECONFIG",
    "KUBERNETES_*",
    "HELM_*",
];

/// Which variables commands see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Environment(Arc<[String]>);

impl Environment {
    /// The usual ones and those: names, or beginnings that end with `*`.
    pub(crate) fn with(more: Vec<String>) -> Self {
        Self(more.into())
    }

    /// The variables of this process that are kept.
    pub(super) fn kept(&self) -> impl Iterator<Item = (OsString, OsString)> {
        std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(|name| self.keeps(name)))
    }

    fn keeps(&self, name: &str) -> bool {
        USUAL.into_iter().chain(self.0.iter().map(String::as_str)).any(|known| {
            match known.strip_suffix('*') {
                Some(beginning) => name.starts_with(beginning),
                None => name == known,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_is_not_kept() {
        let some = Environment::with(vec!["STAGE".to_owned(), "SHOP_*".to_owned()]);
        for (name, is_kept) in [
            ("PATH", true),
            ("LC_ALL", true),
            ("KUBERNETES_SERVICE_HOST", true),
            ("STAGE", true),
            ("SHOP_URL", true),
            ("STAGES", false),
            ("path", false),
            ("AWS_SECRET_ACCESS_KEY", false),
            ("GITHUB_TOKEN", false),
        ] {
            assert_eq!(some.keeps(name), is_kept, "{name}");
        }
        assert!(!Environment::default().keeps("STAGE"));
        assert!(Environment::with(vec!["*".to_owned()]).keeps("GITHUB_TOKEN"));
    }
}
