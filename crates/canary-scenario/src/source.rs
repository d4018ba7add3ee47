//! Where data comes from: what a source names, and whether it is named well.

use crate::fetch::oci::Artifact;
use crate::quantity::size;
use crate::spec::SourceSpec;

/// The most that one source may bring, in bytes.
pub(crate) const MOST_BYTES: usize = 64 << 20;

impl SourceSpec {
    /// The name of the file that it leads to, for its ending.
    pub(crate) fn file_name(&self) -> &str {
        let object = self.config_map.as_ref().or(self.secret.as_ref());
        let named = self
            .file
            .as_deref()
            .or(self.url.as_deref().map(|url| url.split(['?', '#']).next().unwrap_or(url)))
            .or(self.git.as_ref().map(|git| git.path.as_str()))
            .or(self.oci.as_deref().and_then(|oci| oci.split_once('#').map(|(_, file)| file)))
            .or(object.map(|object| object.key.as_str()));
        named.unwrap_or_default()
    }

    /// How large it may be, in bytes.
    pub(crate) fn most_bytes(&self) -> usize {
        self.max.as_deref().and_then(|max| size(max).ok()).unwrap_or(MOST_BYTES).min(MOST_BYTES)
    }

    /// What is wrong with it: the field below it, and why.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String)> {
        let given = [
            self.inline.is_some(),
            self.file.is_some(),
            self.url.is_some(),
            self.git.is_some(),
            self.oci.is_some(),
            self.config_map.is_some(),
            self.secret.is_some(),
        ];
        if given.iter().filter(|given| **given).count() != 1 {
            return Err((
                "",
                "it takes exactly one of inline, file, url, git, oci, configMap and secret".to_owned(),
            ));
        }
        if let Some(max) = &self.max {
            let bytes = size(max).map_err(|why| (".max", why))?;
            if bytes > MOST_BYTES {
                return Err((".max", format!("{max} is too much; 64MiB is the most")));
            }
        }
        if let Some(digest) = &self.sha256
            && (digest.len() != 64 || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()))
        {
            return Err((".sha256", "it takes 64 hexadecimal digits".to_owned()));
        }
        if let Some(url) = &self.url {
            let parsed =
                url::Url::parse(url).map_err(|error| (".url", format!("{url:?} is no address: {error}")))?;
            if !["https", "http"].contains(&parsed.scheme()) {
                return Err((
                    ".url",
                    format!("{url:?} has the scheme {}; it takes https or http", parsed.scheme()),
                ));
            }
            if !parsed.username().is_empty() || parsed.password().is_some() {
                return Err((".url", "it takes no user and no password".to_owned()));
            }
        }
        if let Some(git) = &self.git {
            git.check()?;
        }
        if let Some(oci) = &self.oci {
            Artifact::parse(oci).map_err(|why| (".oci", why))?;
        }
        let leaves = |path: &str| path.starts_with('/') || path.split(['/', '\\']).any(|part| part == "..");
        if self.file.as_deref().is_some_and(leaves) {
            return Err((".file", "it takes a path below the scenario's folder, without ..".to_owned()));
        }
        Ok(())
    }
}
