//! The annotations by which App Mesh's gateway exposes a service.

use canary_core::{Metadata, RouteSpec};

const EXPOSE: &str = "gateway.appmesh.k8s.aws/expose";
const DOMAIN: &str = "gateway.appmesh.k8s.aws/domain";
const TIMEOUT: &str = "gateway.appmesh.k8s.aws/timeout";
const RETRIES: &str = "gateway.appmesh.k8s.aws/retries";

/// The annotations of the service `name`, and those of ours that it must not have. Only the apex is exposed, and only when
/// the canary names hosts; without hosts, annotations are the user's own.
pub(super) fn annotations(route: &RouteSpec, name: &str) -> (Metadata, Vec<&'static str>) {
    let mut metadata = Metadata::default();
    if name != route.apex || route.hosts.is_empty() {
        return (metadata, Vec::new());
    }
    // Flagger: a comma follows the last host, too.
    let domain = format!("{},", route.hosts.join(","));
    let attempts = route.retries.as_ref().map(|retries| retries.attempts).filter(|attempts| *attempts > 0);
    let timeout = route.timeout.clone().filter(|timeout| !timeout.is_empty());
    let mut dropped = Vec::new();
    for (key, value) in [
        (EXPOSE, Some("true".to_owned())),
        (DOMAIN, Some(domain)),
        (TIMEOUT, timeout),
        (RETRIES, attempts.map(|attempts| attempts.to_string())),
    ] {
        match value {
            Some(value) => drop(metadata.annotations.insert(key.to_owned(), value)),
            None => dropped.push(key),
        }
    }
    (metadata, dropped)
}
