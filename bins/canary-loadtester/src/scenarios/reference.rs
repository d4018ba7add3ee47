//! Where a scenario is, as the metadata of a hook say it.

use canary_scenario::{ObjectKey, SourceSpec};

/// Reads the value of `scenario`: a key of a ConfigMap, an address, or the scenario itself.
///
/// # Errors
/// What it takes.
pub(crate) fn source(text: &str, sha256: Option<&str>) -> Result<SourceSpec, String> {
    let text = text.trim();
    let spec = SourceSpec { sha256: sha256.map(str::to_owned), ..SourceSpec::default() };
    if text.contains('\n') || text.starts_with('{') {
        return Ok(SourceSpec { inline: Some(text.to_owned()), ..spec });
    }
    if text.starts_with("https://") || text.starts_with("http://") {
        return Ok(SourceSpec { url: Some(text.to_owned()), ..spec });
    }
    if let Some(artifact) = text.strip_prefix("oci://") {
        return Ok(SourceSpec { oci: Some(artifact.to_owned()), ..spec });
    }
    let parts: Vec<&str> = text.split('/').collect();
    let (name, key) = match parts.as_slice() {
        [kind, name, key] if kind.eq_ignore_ascii_case("configMap") => (*name, *key),
        [name, key] => (*name, *key),
        _ => ("", ""),
    };
    if name.is_empty() || key.is_empty() {
        return Err(format!(
            "scenario is {text:?}; it takes NAME/KEY of a ConfigMap in the canary's namespace, an address such as \
             https://data.example/shop.yaml or oci://registry.example/load:v1, or the text of a scenario"
        ));
    }
    let config_map = Some(ObjectKey { name: name.to_owned(), key: key.to_owned(), namespace: None });
    Ok(SourceSpec { config_map, ..spec })
}

/// Its name in what is said about mistakes.
pub(crate) fn label(source: &SourceSpec) -> String {
    match (&source.config_map, source.url.as_ref().or(source.oci.as_ref())) {
        (Some(at), _) => format!("{}/{}", at.name, at.key),
        // Without a query, which may hold a secret.
        (_, Some(url)) => url.split(['?', '#']).next().unwrap_or_default().to_owned(),
        (None, None) => "scenario".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn config_maps_addresses_and_texts_are_told_apart() {
        for text in ["load/shop.yaml", "configMap/load/shop.yaml", "configmap/load/shop.yaml"] {
            let at = source(text, None).unwrap().config_map.unwrap();
            assert_eq!((at.name.as_str(), at.key.as_str()), ("load", "shop.yaml"));
        }
        let at = source("https://data.example/a.yaml?token=x", Some("00")).unwrap();
        assert_eq!((label(&at).as_str(), at.sha256.as_deref()), ("https://data.example/a.yaml", Some("00")));
        assert_eq!(
            source("oci://registry.example/a:v1", None).unwrap().oci.as_deref(),
            Some("registry.example/a:v1")
        );
        assert!(source("name: a\nload: {}", None).unwrap().inline.is_some());
        assert!(source("{\"name\": \"a\"}", None).unwrap().inline.is_some());
    }

    #[test]
    fn what_is_neither_is_refused_with_what_would_be_right() {
        for text in ["", "shop.yaml", "secret/load/shop.yaml", "/a", "a/", "a/b/c/d", "file:///etc/passwd"] {
            assert!(source(text, None).unwrap_err().contains("NAME/KEY of a ConfigMap"), "{text}");
        }
    }
}
