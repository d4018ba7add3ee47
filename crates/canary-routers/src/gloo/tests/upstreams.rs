//! The Upstreams of both versions: where they lead, and the settings that they take over.

use super::*;

fn kube(version: &str, app: &str) -> Value {
    json!({"kube": {
        "serviceName": format!("podinfo-{version}"), "serviceNamespace": "test", "servicePort": 80,
        "selector": {"app": app},
    }})
}

/// Puts an Upstream there that canaries name.
fn insert(mesh: &Mesh, namespace: &str, spec: &Value) {
    let metadata = json!({"name": "settings", "namespace": namespace});
    mesh.objects.insert(&upstreams(), json!({"metadata": metadata, "spec": spec}));
}

#[tokio::test]
async fn each_version_has_an_upstream_with_the_selector_of_its_service() {
    let mesh = Mesh::new().reconciled().await;
    assert_eq!(mesh.upstream("primary")["spec"], kube("primary", "podinfo-primary"));
    assert_eq!(mesh.upstream("canary")["spec"], kube("canary", "podinfo"));
    assert_eq!(mesh.upstream("canary")["metadata"]["ownerReferences"][0]["uid"], "1234");
    assert!(mesh.upstream("canary")["metadata"].get("annotations").is_none());

    // The Services are in another cluster than the mesh.
    let other = Mesh::new().with(|route| {
        route.owner = None;
        route.selector = Some(("app".into(), "other".into()));
    });
    let other = other.reconciled().await;
    assert_eq!(other.upstream("primary")["spec"], kube("primary", "other-primary"));
    assert_eq!(other.upstream("canary")["spec"], kube("canary", "other"));
}

#[tokio::test]
async fn the_settings_of_the_named_upstream_arrive_at_both_and_follow_it() {
    let mesh = Mesh::new().with(|route| route.upstream = Some((None, "settings".into())));
    let balanced = json!({"leastRequest": {"choiceCount": 2}});
    insert(
        &mesh,
        "test",
        &json!({
            "static": {"hosts": []}, "useHttp2": true, "loadBalancerConfig": balanced, "failover": {"x": 1},
        }),
    );
    mesh.reconcile().await;
    for (version, app) in [("primary", "podinfo-primary"), ("canary", "podinfo")] {
        let mut expected = kube(version, app);
        expected["useHttp2"] = json!(true);
        expected["loadBalancerConfig"] = balanced.clone();
        assert_eq!(mesh.upstream(version)["spec"], expected);
    }
    let writes = mesh.objects.writes();
    mesh.reconcile().await;
    assert_eq!(mesh.objects.writes(), writes);

    insert(&mesh, "test", &json!({"useHttp2": true}));
    mesh.reconcile().await;
    assert!(mesh.upstream("primary")["spec"].get("loadBalancerConfig").is_none());
    assert_eq!(mesh.upstream("primary")["spec"]["useHttp2"], true);
}

#[tokio::test]
async fn the_named_upstream_may_be_in_another_namespace_and_must_be_there() {
    let mesh = Mesh::new().with(|route| route.upstream = Some((Some("infra".into()), "settings".into())));
    let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
    let text = r#"error creating flagger primary upstream: config upstream settings.infra get query error: upstreams.gloo.solo.io "settings" not found"#;
    assert_eq!((error.to_string().as_str(), mesh.objects.writes()), (text, 0));
    insert(&mesh, "infra", &json!({"httpProxyHostName": "proxy"}));
    mesh.reconcile().await;
    assert_eq!(mesh.upstream("canary")["spec"]["httpProxyHostName"], "proxy");
}

#[tokio::test]
async fn an_upstream_that_leads_elsewhere_is_repaired_and_keeps_what_is_not_ours() {
    let mesh = Mesh::new().reconciled().await;
    let mut object = mesh.upstream("canary");
    object["spec"]["kube"]["serviceName"] = json!("elsewhere");
    object["spec"]["useHttp2"] = json!(true);
    mesh.objects.insert(&upstreams(), object);
    mesh.reconcile().await;
    let mut expected = kube("canary", "podinfo");
    expected["useHttp2"] = json!(true);
    assert_eq!(mesh.upstream("canary")["spec"], expected);
}

#[tokio::test]
async fn refusals_say_which_upstream_could_not_be_made() {
    let mesh = Mesh::new().with(|route| route.apex = "web".into()).with(|r| r.primary = "web-primary".into());
    let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
    let text = r#"error creating flagger primary upstream: service web-primary.test get query error: services "web-primary" not found"#;
    assert_eq!(error.to_string(), text);

    let mesh = Mesh::new();
    for (operation, what) in [(Operation::Get, "get"), (Operation::Create, "create")] {
        mesh.objects.fail_next(operation, ObjectError::Unavailable("etcd is away".into()));
        let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
        let expected = format!(
            "error creating flagger primary upstream: upstream test-podinfo-primaryupstream-80.test {what} query error: \
             etcd is away"
        );
        assert_eq!(error.to_string(), expected);
    }
}
