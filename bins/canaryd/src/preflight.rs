//! What must be so before the controller starts: a Kubernetes that we know, and our kinds installed in it.

use anyhow::{Context, bail};
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client};

/// Kinds whose definitions must be installed, with their plurals.
const KINDS: [(&str, &str); 3] =
    [("Canary", "canaries"), ("MetricTemplate", "metrictemplates"), ("AlertProvider", "alertproviders")];

/// Checks version and kinds.
///
/// # Errors
/// What is missing, and how to get it.
pub(crate) async fn check(client: &Client, namespace: Option<&str>) -> anyhow::Result<()> {
    let info = client
        .apiserver_version()
        .await
        .map_err(readable)
        .context("the API server does not tell its version")?;
    if !is_supported(&info.git_version) {
        bail!("Kubernetes {} is not supported; it takes 1.11 or later, and below 2.0", info.git_version);
    }
    tracing::info!(version = info.git_version, "connected to the Kubernetes API");
    for (kind, plural) in KINDS {
        check_kind(client, namespace, kind, plural).await?;
    }
    Ok(())
}

async fn check_kind(
    client: &Client,
    namespace: Option<&str>,
    kind: &str,
    plural: &str,
) -> anyhow::Result<()> {
    let gvk = GroupVersionKind::gvk("flagger.app", "v1beta1", kind);
    let resource = ApiResource::from_gvk_with_plural(&gvk, plural);
    let api: Api<DynamicObject> = match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    match api.list(&ListParams::default().limit(1)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => bail!(
            "the CustomResourceDefinition {plural}.flagger.app is not installed; \
             install it with `canaryctl crds | kubectl apply --server-side -f -`"
        ),
        Err(error) => Err(readable(error)).with_context(|| format!("{plural}.flagger.app cannot be listed")),
    }
}

/// kube prints a status twice; its message says it once.
fn readable(error: kube::Error) -> anyhow::Error {
    if let kube::Error::Api(status) = &error
        && !status.message.is_empty()
    {
        return anyhow::Error::msg(status.message.clone());
    }
    error.into()
}

/// Whether a version such as `v1.28.5-gke.100` is 1.11 or later and below 2.0. Pre-releases count as their release.
fn is_supported(git_version: &str) -> bool {
    let mut numbers = git_version.trim_start_matches('v').split(['.', '-', '+']).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(1)), Some(Ok(minor))) => minor >= 11,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::{Request, Response};
    use kube::client::Body;

    use super::*;

    #[test]
    fn versions_from_1_11_to_below_2_0_are_supported() {
        for version in ["v1.11.0", "v1.28.5-gke.100", "1.36.3+k3s1", "v1.37.0-alpha.1"] {
            assert!(is_supported(version), "{version}");
        }
        for version in ["v1.10.9", "v2.0.0", "v0.21.0", "", "latest"] {
            assert!(!is_supported(version), "{version}");
        }
    }

    /// An API server that knows canaries, and answers `(status, body)` about everything else.
    fn server(code: u16, body: &'static str) -> Client {
        let service = tower::service_fn(move |request: Request<Body>| async move {
            let (code, body) = match request.uri().path() {
                "/version" => (
                    200,
                    r#"{"major":"1","minor":"36","gitVersion":"v1.36.3","buildDate":"","compiler":"",
                    "gitCommit":"","gitTreeState":"","goVersion":"","platform":""}"#,
                ),
                path if path.ends_with("/canaries") => (
                    200,
                    r#"{"kind":"CanaryList","apiVersion":"flagger.app/v1beta1","metadata":{},"items":[]}"#,
                ),
                _ => (code, body),
            };
            Ok::<_, Infallible>(
                Response::builder().status(code).body(Body::from(body.as_bytes().to_vec())).unwrap(),
            )
        });
        Client::new(service, "default")
    }

    #[tokio::test]
    async fn a_missing_definition_is_named_with_the_way_to_install_it() {
        let error = check(&server(404, "404 page not found"), None).await.unwrap_err();
        let text = format!("{error:#}");
        assert!(
            text.starts_with("the CustomResourceDefinition metrictemplates.flagger.app is not installed"),
            "{text}"
        );
        assert!(text.contains("canaryctl crds | kubectl apply"), "{text}");
    }

    #[tokio::test]
    async fn a_refusal_is_told_in_the_servers_words_and_once() {
        let body = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"not for you",
            "reason":"Forbidden","code":403}"#;
        let error = check(&server(403, body), Some("test")).await.unwrap_err();
        assert_eq!(format!("{error:#}"), "metrictemplates.flagger.app cannot be listed: not for you");
    }
}
