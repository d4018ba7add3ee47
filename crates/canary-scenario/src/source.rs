//! Where data comes from: what a source names, and whether it is named well.

use url::Url;

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
        if self.sha256.as_deref().is_some_and(|digest| !is_sha256(digest)) {
            return Err((".sha256", "it takes 64 hexadecimal digits".to_owned()));
        }
        if let Some(url) = &self.url {
            fetchable(url).map_err(|why| (".url", why))?;
        }
        if let Some(git) = &self.git {
            git.check()?;
        }
        if let Some(oci) = &self.oci {
            Artifact::parse(oci).map_err(|why| (".oci", why))?;
        }
        if self.file.as_deref().is_some_and(|file| !stays_within(file)) {
            return Err((".file", "it takes a path below the scenario's folder, without ..".to_owned()));
        }
        Ok(())
    }
}

/// Whether that is a SHA-256 in hexadecimal.
pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether a path stays below the folder that it begins in.
pub(crate) fn stays_within(path: &str) -> bool {
    !path.starts_with('/') && path.split(['/', '\\']).all(|part| part != "..")
}

/// An address that data can be fetched from; a user or a password in it would be told to everybody who reads the file.
pub(crate) fn fetchable(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{text:?} is no address: {error}"))?;
    if !["https", "http"].contains(&url.scheme()) {
        return Err(format!("{text:?} has the scheme {}; it takes https or http", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it takes no user and no password".to_owned());
    }
    Ok(url)
}
