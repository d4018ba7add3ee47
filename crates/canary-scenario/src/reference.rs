//! Where a scenario or an overlay of one is, in a word: as the metadata of a hook and the command line say it.

use crate::source::is_sha256;
use crate::spec::{GitFile, ObjectKey, SourceSpec};

/// What a reference may be.
const TAKES: &str = "it takes NAME/KEY of a ConfigMap in the canary's namespace, an address such as https://data.example/shop.yaml, \
                     git:https://github.com/shop/load//shop.yaml?ref=v1, oci://registry.example/load:v1, or the text of a scenario";

impl SourceSpec {
    /// Reads a reference: a key of a `ConfigMap`, an address, a file of a Git repository, one of an OCI artifact, or the text
    /// itself. `sha256` is what its content must be; `@sha256:…` behind the reference says the same.
    ///
    /// # Errors
    /// What it takes.
    pub fn of_reference(text: &str, sha256: Option<&str>) -> Result<Self, String> {
        let text = text.trim();
        let of = |sha256: Option<&str>| Self { sha256: sha256.map(str::to_owned), ..Self::default() };
        if is_inline(text) {
            return Ok(Self { inline: Some(text.to_owned()), ..of(sha256) });
        }
        let source = if let Some(artifact) = text.strip_prefix("oci://") {
            Self { oci: Some(artifact.to_owned()), ..of(sha256) }
        } else {
            let (place, digest) = match text.rsplit_once("@sha256:") {
                Some((place, digest)) if is_sha256(digest) => (place, Some(digest)),
                _ => (text, None),
            };
            let source = of(sha256.or(digest));
            if let Some(git) = place.strip_prefix("git::").or_else(|| place.strip_prefix("git:")) {
                Self { git: Some(git_file(git)?), ..source }
            } else if place.starts_with("https://") || place.starts_with("http://") {
                Self { url: Some(place.to_owned()), ..source }
            } else {
                Self { config_map: Some(key(place)?), ..source }
            }
        };
        source.check().map_err(|(field, why)| format!("{text:?}: {}{why}", told(field)))?;
        Ok(source)
    }

    /// Reads several references, which are separated by blanks, commas or lines; or one text.
    ///
    /// # Errors
    /// As [`Self::of_reference`].
    pub fn of_references(text: &str) -> Result<Vec<Self>, String> {
        if is_inline(text.trim()) {
            return Self::of_reference(text, None).map(|one| vec![one]);
        }
        let words = text.split([' ', ',', '\n', '\t', '\r']).filter(|word| !word.is_empty());
        words.map(|word| Self::of_reference(word, None)).collect()
    }

    /// Its name in what is said about mistakes: without a query, which may hold a secret.
    pub fn label(&self) -> String {
        if let Some(at) = &self.config_map {
            return format!("{}/{}", at.name, at.key);
        }
        if let Some(git) = &self.git {
            let url = git.url.split(['?', '#']).next().unwrap_or_default();
            return format!("{url}//{}", git.path);
        }
        match (&self.oci, &self.url, &self.file) {
            (Some(artifact), ..) => artifact.clone(),
            (_, Some(url), _) => url.split(['?', '#']).next().unwrap_or_default().to_owned(),
            (.., Some(file)) => file.clone(),
            (None, None, None) => "scenario".to_owned(),
        }
    }
}

/// Whether it is a text of YAML and no reference: those have no fields.
fn is_inline(text: &str) -> bool {
    text.starts_with('{') || text.lines().any(|line| line.contains(": ") || line.ends_with(':'))
}

/// A field of a source as the beginning of a sentence.
fn told(field: &str) -> String {
    let field = field.trim_start_matches('.');
    if field.is_empty() { String::new() } else { format!("{field}: ") }
}

/// `https://HOST/REPOSITORY//PATH?ref=REF`.
fn git_file(text: &str) -> Result<GitFile, String> {
    let wrong = || {
        format!(
            "{text:?} is no file of a repository; it takes git:https://HOST/REPOSITORY//PATH?ref=REF, such as \
             git:https://github.com/shop/load//shop.yaml?ref=v1"
        )
    };
    let (place, reference) = text.split_once("?ref=").ok_or_else(wrong)?;
    let scheme = place.find("://").ok_or_else(wrong)? + 3;
    let at = place[scheme..].find("//").ok_or_else(wrong)? + scheme;
    let (url, path) = (place[..at].to_owned(), place[at + 2..].to_owned());
    Ok(GitFile { url, reference: reference.to_owned(), path })
}

/// `NAME/KEY`, or `configMap/NAME/KEY`.
fn key(text: &str) -> Result<ObjectKey, String> {
    let parts: Vec<&str> = text.split('/').collect();
    let (name, key) = match parts.as_slice() {
        [kind, name, key] if kind.eq_ignore_ascii_case("configMap") => (*name, *key),
        [name, key] => (*name, *key),
        _ => ("", ""),
    };
    if name.is_empty() || key.is_empty() || name.contains(':') {
        return Err(format!("{text:?} is nothing that can be fetched; {TAKES}"));
    }
    Ok(ObjectKey { name: name.to_owned(), key: key.to_owned(), namespace: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    fn source(text: &str) -> Result<SourceSpec, String> {
        SourceSpec::of_reference(text, None)
    }

    #[test]
    fn config_maps_addresses_and_texts_are_told_apart() {
        for text in ["load/shop.yaml", "configMap/load/shop.yaml", "configmap/load/shop.yaml"] {
            let at = source(text).unwrap().config_map.unwrap();
            assert_eq!((at.name.as_str(), at.key.as_str()), ("load", "shop.yaml"));
        }
        let at = SourceSpec::of_reference("https://data.example/a.yaml?token=x", Some(DIGEST)).unwrap();
        assert_eq!(
            (at.label().as_str(), at.sha256.as_deref()),
            ("https://data.example/a.yaml", Some(DIGEST))
        );
        assert_eq!(
            source("oci://registry.example/a:v1").unwrap().oci.as_deref(),
            Some("registry.example/a:v1")
        );
        for text in ["name: a\nload: {}", "{\"name\": \"a\"}", "load: {target: 5/s}"] {
            assert!(source(text).unwrap().inline.is_some(), "{text}");
        }
    }

    #[test]
    fn a_file_of_a_repository_is_named_by_address_path_and_reference() {
        for prefix in ["git:", "git::"] {
            let text = format!("{prefix}https://github.com/shop/load//a/shop.yaml?ref=v1@sha256:{DIGEST}");
            let at = source(&text).unwrap();
            assert_eq!(
                (at.label().as_str(), at.sha256.as_deref()),
                ("https://github.com/shop/load//a/shop.yaml", Some(DIGEST))
            );
            let git = at.git.unwrap();
            assert_eq!(
                (git.url.as_str(), git.reference.as_str(), git.path.as_str()),
                ("https://github.com/shop/load", "v1", "a/shop.yaml")
            );
        }
        for (text, why) in [
            ("git:https://github.com/shop/load//shop.yaml", "?ref=REF"),
            ("git:https://github.com/shop/load?ref=v1", "//PATH"),
            (
                "git:https://github.com/shop/load//../a?ref=v1",
                "git.path: it takes a path within the repository",
            ),
            ("git:https://github.com/shop/load//a?ref=a..b", "git.ref: \"a..b\" is no branch"),
            ("git:https://user:pass@github.com/shop/load//a?ref=b", "no user and no password"),
            ("git:ssh://git@github.com/shop/load//a?ref=b", "it takes https or http"),
            ("oci://a b", "is no artifact"),
        ] {
            let error = source(text).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn several_are_separated_by_blanks_commas_and_lines() {
        let all = SourceSpec::of_references("load/a.yaml, load/b.yaml\n  oci://r.example/c\n").unwrap();
        assert_eq!(
            all.iter().map(SourceSpec::label).collect::<Vec<_>>(),
            ["load/a.yaml", "load/b.yaml", "r.example/c"]
        );
        assert_eq!(SourceSpec::of_references("load: {target: 5/s, max: 9/s}").unwrap().len(), 1);
        assert!(
            SourceSpec::of_references("load/a.yaml shop.yaml")
                .unwrap_err()
                .contains("\"shop.yaml\" is nothing")
        );
    }

    #[test]
    fn what_is_neither_is_refused_with_what_would_be_right() {
        for text in
            ["", "shop.yaml", "secret/load/shop.yaml", "/a", "a/", "a/b/c/d", "file:///etc/passwd", "file:/a"]
        {
            assert!(source(text).unwrap_err().contains("NAME/KEY of a ConfigMap"), "{text}");
        }
    }
}
