//! What a server says about itself.

use canary_api::Canary;
use kube::Client;
use kube::core::GroupVersionKind;
use kube::core::discovery::Scope;
use kube::discovery::{Discovery, pinned_kind};

use super::cases;

cases!(
    a_kind_can_be_looked_up_with_its_scope_and_subresources,
    all_kinds_can_be_discovered_in_both_forms,
    a_server_tells_its_version_and_health,
);

async fn a_kind_can_be_looked_up_with_its_scope_and_subresources(client: Client, _: String) {
    for (group, version, kind, plural, subresources) in [
        ("apps", "v1", "Deployment", "deployments", vec!["scale", "status"]),
        ("", "v1", "ConfigMap", "configmaps", vec![]),
        ("flagger.app", "v1beta1", "Canary", "canaries", vec!["status"]),
    ] {
        let (resource, capabilities) =
            pinned_kind(&client, &GroupVersionKind::gvk(group, version, kind)).await.unwrap();
        assert_eq!((resource.plural.as_str(), capabilities.scope), (plural, Scope::Namespaced));
        let mut found: Vec<_> = capabilities.subresources.iter().map(|(r, _)| last(&r.plural)).collect();
        found.sort_unstable();
        assert_eq!(found, subresources, "{kind}");
    }
}

fn last(plural: &str) -> &str {
    plural.rsplit('/').next().unwrap_or_default()
}

async fn all_kinds_can_be_discovered_in_both_forms(client: Client, _: String) {
    let canary = <Canary as kube::Resource>::group(&()).into_owned();
    for discovery in [
        Discovery::new(client.clone()).run().await.unwrap(),
        Discovery::new(client).run_aggregated().await.unwrap(),
    ] {
        for (group, kind, scope) in [
            ("", "Namespace", Scope::Cluster),
            ("apps", "DaemonSet", Scope::Namespaced),
            ("autoscaling", "HorizontalPodAutoscaler", Scope::Namespaced),
            ("events.k8s.io", "Event", Scope::Namespaced),
            ("apiextensions.k8s.io", "CustomResourceDefinition", Scope::Cluster),
            (&canary, "MetricTemplate", Scope::Namespaced),
        ] {
            let found = discovery.get(group).and_then(|group| group.recommended_kind(kind));
            assert_eq!(found.map(|(_, capabilities)| capabilities.scope), Some(scope), "{kind}");
        }
    }
}

async fn a_server_tells_its_version_and_health(client: Client, _: String) {
    let version = client.apiserver_version().await.unwrap();
    assert_eq!(version.major, "1");
    for path in ["/healthz", "/readyz", "/livez"] {
        let request = http::Request::get(path).body(Vec::new()).unwrap();
        assert_eq!(client.request_text(request).await.unwrap(), "ok");
    }
}
