//! What a request path and its query mean.
//!
//! Knows the layout of Kubernetes URLs, not which kinds exist.

use url::form_urlencoded;

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Resource(ResourcePath),
    CoreVersions,
    Groups,
    Group(String),
    Resources { group: String, version: String },
    Version,
    Health,
    Unknown,
}

/// A resource, as named in a path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ResourcePath {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) plural: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) subresource: String,
}

pub(crate) fn route(path: &str) -> Route {
    let segments: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
    match segments.as_slice() {
        ["version"] => Route::Version,
        ["healthz" | "readyz" | "livez", ..] => Route::Health,
        ["api"] => Route::CoreVersions,
        ["apis"] => Route::Groups,
        ["apis", group] => Route::Group((*group).to_owned()),
        ["api", version] => Route::Resources { group: String::new(), version: (*version).to_owned() },
        ["apis", group, version] => {
            Route::Resources { group: (*group).to_owned(), version: (*version).to_owned() }
        }
        ["api", version, rest @ ..] => resource("", version, rest),
        ["apis", group, version, rest @ ..] => resource(group, version, rest),
        _ => Route::Unknown,
    }
}

fn resource(group: &str, version: &str, rest: &[&str]) -> Route {
    let (namespace, rest) = match rest {
        // `namespaces/x/status` is a namespace; `namespaces/x/pods` is what lies in it.
        ["namespaces", namespace, inner @ ..] if !matches!(inner, [] | ["status" | "finalize"]) => {
            (*namespace, inner)
        }
        all => ("", all),
    };
    let (plural, name, subresource) = match rest {
        [plural] => (*plural, "", ""),
        [plural, name] => (*plural, *name, ""),
        [plural, name, subresource] => (*plural, *name, *subresource),
        _ => return Route::Unknown,
    };
    Route::Resource(ResourcePath {
        group: group.to_owned(),
        version: version.to_owned(),
        plural: plural.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        subresource: subresource.to_owned(),
    })
}

/// The parameters that the server understands; others are ignored, as a real one does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // parameters of a query, each independent of the others
pub(crate) struct Query {
    pub(crate) watch: bool,
    pub(crate) bookmarks: bool,
    pub(crate) send_initial: bool,
    pub(crate) dry_run: bool,
    pub(crate) limit: usize,
    pub(crate) timeout_seconds: Option<u32>,
    pub(crate) resource_version: String,
    pub(crate) resource_version_match: String,
    pub(crate) continues: String,
    pub(crate) labels: String,
    pub(crate) fields: String,
    pub(crate) propagation: String,
}

pub(crate) fn query(text: &str) -> Query {
    let mut query = Query::default();
    for (key, value) in form_urlencoded::parse(text.as_bytes()) {
        let truth = matches!(&*value, "true" | "1");
        match &*key {
            "watch" => query.watch = truth,
            "allowWatchBookmarks" => query.bookmarks = truth,
            "sendInitialEvents" => query.send_initial = truth,
            "dryRun" => query.dry_run = value == "All",
            "limit" => query.limit = value.parse().unwrap_or(0),
            "timeoutSeconds" => query.timeout_seconds = value.parse().ok(),
            "resourceVersion" => query.resource_version = value.into_owned(),
            "resourceVersionMatch" => query.resource_version_match = value.into_owned(),
            "continue" => query.continues = value.into_owned(),
            "labelSelector" => query.labels = value.into_owned(),
            "fieldSelector" => query.fields = value.into_owned(),
            "propagationPolicy" => query.propagation = value.into_owned(),
            _ => {}
        }
    }
    query
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_namespaces_and_of_what_lies_in_them_differ() {
        let Route::Resource(namespace) = route("/api/v1/namespaces/test/status") else {
            panic!("a resource")
        };
        assert_eq!(
            (&*namespace.plural, &*namespace.name, &*namespace.subresource),
            ("namespaces", "test", "status")
        );
        let Route::Resource(pods) = route("/apis/apps/v1/namespaces/test/deployments/podinfo/scale") else {
            panic!("a resource")
        };
        assert_eq!((&*pods.namespace, &*pods.name, &*pods.subresource), ("test", "podinfo", "scale"));
        assert_eq!(route("/metrics"), Route::Unknown);
    }

    #[test]
    fn queries_are_decoded() {
        let query = query("&watch=true&labelSelector=app%3Dpodinfo%2Ctier+in+%28a%29&timeoutSeconds=290");
        assert!(query.watch);
        assert_eq!(query.labels, "app=podinfo,tier in (a)");
        assert_eq!(query.timeout_seconds, Some(290));
    }
}
