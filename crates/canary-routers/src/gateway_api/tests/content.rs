//! What is written: the shapes that Flagger writes for the same canary.

use canary_core::{CorsPolicy, HeaderOperations, Headers, Rewrite};

use super::*;

/// A canary with a policy of every kind.
fn rich(route: &mut RouteSpec) {
    route.timeout = Some("30s".into());
    route.matches = vec![prefix("/api")];
    route.rewrite =
        Some(Rewrite { uri: Some("/".into()), authority: None, kind: Some("ReplacePrefixMatch".into()) });
    let request = HeaderOperations {
        add: [("x-b".into(), "2".into()), ("x-a".into(), "1".into())].into(),
        remove: vec!["x-old".into()],
        ..HeaderOperations::default()
    };
    let response =
        HeaderOperations { set: [("x-r".into(), "1".into())].into(), ..HeaderOperations::default() };
    route.headers = Some(Headers { request: Some(request), response: Some(response) });
}

#[tokio::test]
async fn the_first_reconcile_creates_a_route_with_every_policy_that_sends_all_to_the_primary() {
    let mesh = Mesh::new("v1").with(rich).reconciled().await;
    let mut object = mesh.stored();
    object["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    assert_eq!(
        object,
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {
                "annotations": {
                    "helm.toolkit.fluxcd.io/driftDetection": "disabled",
                    "kustomize.toolkit.fluxcd.io/reconcile": "disabled",
                },
                "name": "podinfo",
                "namespace": "test",
                "ownerReferences": [{
                    "apiVersion": "flagger.app/v1beta1", "kind": "Canary", "name": "podinfo", "uid": "1234",
                    "controller": true, "blockOwnerDeletion": true,
                }],
            },
            "spec": {
                "hostnames": ["app.example.com"],
                "parentRefs": [{
                    "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "gateway", "namespace": "infra",
                }],
                "rules": [{
                    "backendRefs": split(100, 0),
                    "filters": [
                        {
                            "requestHeaderModifier": {
                                "add": [{"name": "x-a", "value": "1"}, {"name": "x-b", "value": "2"}],
                                "remove": ["x-old"],
                            },
                            "type": "RequestHeaderModifier",
                        },
                        {
                            "responseHeaderModifier": {"set": [{"name": "x-r", "value": "1"}]},
                            "type": "ResponseHeaderModifier",
                        },
                        {
                            "type": "URLRewrite",
                            "urlRewrite": {"path": {"replacePrefixMatch": "/", "type": "ReplacePrefixMatch"}},
                        },
                    ],
                    "matches": [{"path": {"type": "PathPrefix", "value": "/api"}}],
                    "timeouts": {"request": "30s"},
                }],
            },
        })
    );
}

#[tokio::test]
async fn weights_read_back_are_the_weights_written() {
    for version in ["v1", "v1beta1"] {
        let mesh = Mesh::new(version).reconciled().await;
        for percent in 0..=100 {
            mesh.set(canary(percent)).await;
            assert_eq!(mesh.weights().await, canary(percent));
            assert_eq!(mesh.rules()[0]["backendRefs"], split(100 - percent, percent));
        }
        assert_eq!(mesh.rules()[0]["matches"], json!([{"path": {"type": "PathPrefix", "value": "/"}}]));
    }
}

#[tokio::test]
async fn v1beta1_has_no_timeouts_and_no_cors() {
    let policies = |route: &mut RouteSpec| {
        route.timeout = Some("30s".into());
        route.backend_timeout = Some("10s".into());
        route.cors_policy = Some(CorsPolicy {
            allow_origin: vec!["https://a.example.com".into()],
            allow_credentials: Some(true),
            max_age: Some("24h".into()),
            ..CorsPolicy::default()
        });
    };
    let stable = Mesh::new("v1").with(policies).reconciled().await.rules();
    assert_eq!(stable[0]["timeouts"], json!({"request": "30s", "backendRequest": "10s"}));
    let cors = json!({"allowOrigins": ["https://a.example.com"], "allowCredentials": true, "maxAge": 86_400});
    assert_eq!(stable[0]["filters"], json!([{"type": "CORS", "cors": cors}]));

    let beta = Mesh::new("v1beta1").with(policies).reconciled().await.rules();
    assert!(beta[0].get("timeouts").is_none() && beta[0].get("filters").is_none());
}

#[tokio::test]
async fn mirroring_copies_to_the_canary_until_it_has_traffic() {
    let fixed = json!({"backendRef": {"name": "audit", "port": 80}});
    let mesh = Mesh::new("v1").with(|route| route.static_mirrors = vec![fixed]).reconciled().await;
    assert_eq!(mesh.weights().await, Weights::PRIMARY);
    mesh.set(Weights::MIRROR).await;
    assert_eq!(mesh.weights().await, Weights::MIRROR);
    let to = |name: &str| json!({"group": "", "kind": "Service", "name": name, "port": 80});
    let mirror = |name: &str| json!({"type": "RequestMirror", "requestMirror": {"backendRef": to(name)}});
    assert_eq!(mesh.rules()[0]["filters"], json!([mirror("audit"), mirror("podinfo-canary")]));
    let writes = mesh.objects.writes();
    mesh.reconcile().await;
    assert_eq!(mesh.objects.writes(), writes);
    mesh.set(canary(10)).await;
    assert_eq!(mesh.rules()[0]["filters"], json!([mirror("audit")]));
}

#[tokio::test]
async fn conditions_choose_the_clients_of_the_canary_and_everyone_else_stays() {
    let mesh = Mesh::new("v1")
        .with(|route| {
            route.matches = vec![prefix("/api")];
            route.conditions = vec![header("x-canary", exact("insider")), header("x-b", exact("1"))];
        })
        .reconciled()
        .await;
    mesh.set(Weights::CANARY).await;
    let path = json!({"type": "PathPrefix", "value": "/api"});
    let one = |name: &str, value: &str| json!({"path": path, "headers": [{"name": name, "type": "Exact", "value": value}]});
    let expected = json!([
        {"matches": [one("x-canary", "insider"), one("x-b", "1")], "backendRefs": split(0, 100)},
        {"matches": [{"path": path}], "backendRefs": [backend("podinfo-primary", 100)]},
    ]);
    assert_eq!(mesh.rules(), expected);
    assert_eq!(mesh.weights().await, Weights::CANARY);
}

#[tokio::test]
async fn what_gateway_api_cannot_express_is_refused_and_nothing_is_written() {
    let suffix = StringMatch { suffix: Some(".png".into()), ..StringMatch::default() };
    let path = HttpMatch { uri: Some(suffix.clone()), ..HttpMatch::default() };
    let method = HttpMatch { method: Some(suffix.clone()), ..HttpMatch::default() };
    let query = HttpMatch { query_params: [("q".into(), suffix.clone())].into(), ..HttpMatch::default() };
    let cases = [("path", path), ("method", method), ("query", query), ("header", header("x", suffix))];
    for (what, condition) in cases {
        for analysis in [false, true] {
            let mesh = Mesh::new("v1").with(|route| {
                let list = if analysis { &mut route.conditions } else { &mut route.matches };
                list.push(condition.clone());
            });
            let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
            let expected = format!(
                "Invalid request matching selectors: Gateway API doesn't support the specified {what} matching selector: "
            );
            assert!(error.to_string().starts_with(&expected), "{error}");
            assert_eq!((error.category(), mesh.objects.writes()), ("unsupported", 0));
        }
    }
    let mesh = Mesh::new("v1").with(|route| route.gateway_refs.clear());
    let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
    assert_eq!(error.to_string(), "GatewayRefs must be specified when using Gateway API as a provider.");
}
