//! What is written: the shapes that Flagger writes for the same canary.

use canary_core::{
    CorsPolicy, HeaderOperations, Headers, HttpMatch, Metadata, Retries, Rewrite, StringMatch,
};

use super::*;

/// A condition on one header.
fn header(name: &str, regex: &str) -> HttpMatch {
    let value = StringMatch { regex: Some(regex.into()), ..StringMatch::default() };
    HttpMatch { headers: [(name.to_owned(), value)].into(), ..HttpMatch::default() }
}

fn prefix(path: &str) -> HttpMatch {
    HttpMatch {
        uri: Some(StringMatch { prefix: Some(path.into()), ..StringMatch::default() }),
        ..HttpMatch::default()
    }
}

#[tokio::test]
async fn the_first_reconcile_creates_two_rules_and_a_service_that_sends_all_to_the_primary() {
    let mesh = Mesh::new()
        .with(|route| {
            route.retries = Some(Retries {
                attempts: 3,
                per_try_timeout: Some("1s".into()),
                retry_on: Some("gateway-error,connect-failure,refused-stream".into()),
            });
        })
        .reconciled()
        .await;
    let owner = json!([{
        "apiVersion": "flagger.app/v1beta1", "kind": "Canary", "name": "podinfo", "uid": "1234",
        "controller": true, "blockOwnerDeletion": true,
    }]);
    for name in ["podinfo-canary", "podinfo-primary"] {
        let mut rule = mesh.rule(name).unwrap();
        rule["metadata"].as_object_mut().unwrap().remove("resourceVersion");
        assert_eq!(
            rule,
            json!({
                "apiVersion": "networking.istio.io/v1beta1",
                "kind": "DestinationRule",
                "metadata": {"name": name, "namespace": "test", "ownerReferences": owner},
                "spec": {"host": name, "trafficPolicy": {"tls": {"mode": "DISABLE"}}},
            })
        );
    }
    let mut service = mesh.stored();
    service["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    assert_eq!(
        service,
        json!({
            "apiVersion": "networking.istio.io/v1beta1",
            "kind": "VirtualService",
            "metadata": {
                "name": "podinfo",
                "namespace": "test",
                "annotations": {
                    "helm.toolkit.fluxcd.io/driftDetection": "disabled",
                    "kustomize.toolkit.fluxcd.io/reconcile": "disabled",
                },
                "ownerReferences": owner,
            },
            "spec": {
                "gateways": ["istio-system/public-gateway"],
                "hosts": ["*"],
                "http": [{
                    "retries": {"attempts": 3, "perTryTimeout": "1s",
                                "retryOn": "gateway-error,connect-failure,refused-stream"},
                    "route": split(100, 0),
                }],
            },
        })
    );
}

#[tokio::test]
async fn weights_read_back_are_the_weights_written() {
    let mesh = Mesh::new().reconciled().await;
    for percent in 0..=100 {
        mesh.set(canary(percent)).await;
        assert_eq!(mesh.weights().await, canary(percent));
        assert_eq!(mesh.http(), json!([{"route": split(100 - percent, percent)}]));
    }
}

#[tokio::test]
async fn mirroring_adds_the_canary_and_the_share_to_the_rule() {
    let mesh = Mesh::new().reconciled().await;
    mesh.set(Weights::MIRROR).await;
    assert_eq!(mesh.weights().await, Weights::MIRROR);
    assert_eq!(mesh.http(), json!([{"mirror": {"host": "podinfo-canary"}, "route": split(100, 0)}]));

    let mesh = mesh.with(|route| route.mirror_weight = Some(50));
    mesh.set(Weights::MIRROR).await;
    let expected = json!([{
        "mirror": {"host": "podinfo-canary"}, "mirrorPercentage": {"value": 50}, "route": split(100, 0),
    }]);
    assert_eq!(mesh.http(), expected);

    mesh.set(canary(20)).await;
    assert_eq!(mesh.http(), json!([{"route": split(80, 20)}]));
}

#[tokio::test]
async fn conditions_choose_the_clients_of_the_canary_and_everyone_else_stays() {
    let cookie = "^(.*?;)?(canary=always)(;.*)?$";
    let mesh = Mesh::new()
        .with(|route| route.conditions = vec![header("x-canary", ".*insider.*"), header("cookie", cookie)])
        .reconciled()
        .await;
    let expected = |primary: i64, canary: i64| {
        json!([
            {
                "match": [
                    {"headers": {"x-canary": {"regex": ".*insider.*"}}},
                    {"headers": {"cookie": {"regex": cookie}}},
                ],
                "route": split(primary, canary),
            },
            {"route": [{"destination": {"host": "podinfo-primary"}, "weight": primary}]},
        ])
    };
    assert_eq!(mesh.http(), expected(100, 0));
    mesh.set(Weights::CANARY).await;
    assert_eq!(mesh.http(), expected(0, 100));
    assert_eq!(mesh.weights().await, Weights::CANARY);
}

#[tokio::test]
async fn conditions_are_multiplied_with_those_of_the_service() {
    let mesh = Mesh::new()
        .with(|route| {
            route.matches = vec![prefix("/a"), HttpMatch { port: Some(80), ..header("x-old", "1") }];
            route.conditions = vec![
                HttpMatch { uri: prefix("/dropped").uri, ..header("x-new", "1") },
                HttpMatch { source_labels: [("app".into(), "web".into())].into(), ..HttpMatch::default() },
            ];
        })
        .reconciled()
        .await;
    assert_eq!(
        mesh.http()[0]["match"],
        json!([
            {"uri": {"prefix": "/a"}, "headers": {"x-new": {"regex": "1"}}},
            {"port": 80, "headers": {"x-new": {"regex": "1"}}},
            {"uri": {"prefix": "/a"}, "sourceLabels": {"app": "web"}},
            {"port": 80, "headers": {"x-old": {"regex": "1"}}, "sourceLabels": {"app": "web"}},
        ])
    );
    let service = json!([{"uri": {"prefix": "/a"}}, {"port": 80, "headers": {"x-old": {"regex": "1"}}}]);
    assert_eq!(mesh.http()[1]["match"], service);
}

#[tokio::test]
async fn policies_of_the_service_are_on_every_rule() {
    let mesh = Mesh::new()
        .with(|route| {
            route.matches = vec![prefix("/api")];
            route.conditions = vec![header("x-canary", "1")];
            route.timeout = Some("15s".into());
            route.rewrite = Some(Rewrite {
                uri: Some("/".into()),
                authority: None,
                kind: Some("ReplacePrefixMatch".into()),
            });
            route.retries = Some(Retries { attempts: 0, ..Retries::default() });
            route.headers = Some(Headers {
                request: Some(HeaderOperations {
                    add: [("x-a".into(), "1".into())].into(),
                    remove: vec!["x-b".into()],
                    ..HeaderOperations::default()
                }),
                response: None,
            });
            route.cors_policy = Some(CorsPolicy {
                allow_origin: vec!["example.com".into()],
                allow_credentials: Some(false),
                max_age: Some("24h".into()),
                ..CorsPolicy::default()
            });
        })
        .reconciled()
        .await;
    for rule in mesh.http().as_array().unwrap() {
        assert_eq!(rule["timeout"], "15s");
        assert_eq!(rule["rewrite"], json!({"uri": "/"}));
        assert_eq!(rule["retries"], json!({"attempts": 0}));
        assert_eq!(rule["headers"], json!({"request": {"add": {"x-a": "1"}, "remove": ["x-b"]}}));
        let cors = json!({"allowOrigin": ["example.com"], "allowCredentials": false, "maxAge": "24h"});
        assert_eq!(rule["corsPolicy"], cors);
    }
}

#[tokio::test]
async fn hosts_and_gateways_have_defaults() {
    let cases: [(&[&str], &[&str], Value, Value); 4] = [
        (&[], &[], json!(["podinfo"]), json!(["mesh"])),
        (&["app.example.com"], &["gw"], json!(["app.example.com", "podinfo"]), json!(["gw"])),
        (&["podinfo", "other"], &["gw", "mesh"], json!(["podinfo", "other"]), json!(["gw", "mesh"])),
        (&["*"], &[], json!(["*"]), json!(["mesh"])),
    ];
    for (hosts, gateways, expected_hosts, expected_gateways) in cases {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        let mesh = Mesh::new()
            .with(|route| (route.hosts, route.gateways) = (texts(hosts), texts(gateways)))
            .reconciled()
            .await;
        assert_eq!(mesh.spec()["hosts"], expected_hosts);
        assert_eq!(mesh.spec()["gateways"], expected_gateways);
    }
}

#[tokio::test]
async fn a_delegate_has_an_empty_list_of_hosts_and_no_gateways() {
    let mesh = Mesh::new()
        .with(|route| {
            route.delegation = true;
            (route.hosts, route.gateways) = (vec![], vec![]);
        })
        .reconciled()
        .await;
    assert_eq!(mesh.spec(), json!({"hosts": [], "http": [{"route": split(100, 0)}]}));
    let writes = mesh.objects.writes();
    mesh.reconcile().await;
    assert_eq!(mesh.objects.writes(), writes);
}

#[tokio::test]
async fn a_discovered_port_is_named_where_a_gateway_would_have_to_guess() {
    let cases = [
        (true, false, vec!["gw"], true),
        (true, false, vec!["mesh", "gw"], false),
        (true, false, vec![], false),
        (true, true, vec![], true),
        (false, false, vec!["gw"], false),
    ];
    for (discovery, delegation, gateways, named) in cases {
        let mesh = Mesh::new()
            .with(|route| {
                (route.port_discovery, route.delegation, route.port) = (discovery, delegation, 8080);
                route.hosts.clear();
                route.gateways = gateways.iter().map(|text| (*text).to_owned()).collect();
            })
            .reconciled()
            .await;
        let port = mesh.http()[0]["route"][1]["destination"].get("port").cloned();
        assert_eq!(port, named.then(|| json!({"number": 8080})), "{discovery} {delegation} {gateways:?}");
    }
}

#[tokio::test]
async fn tcp_splits_connections_and_knows_only_ports() {
    let mesh = Mesh::new()
        .with(|route| {
            route.app_protocol = Some("TCP".into());
            route.timeout = Some("15s".into());
            route.matches = vec![HttpMatch { port: Some(5432), ..prefix("/ignored") }, prefix("/")];
            route.conditions = vec![header("x-canary", "1")];
        })
        .reconciled()
        .await;
    let expected =
        |primary, canary| json!([{"match": [{"port": 5432}, {}], "route": split(primary, canary)}]);
    assert_eq!(mesh.spec()["tcp"], expected(100, 0));
    assert!(mesh.spec().get("http").is_none());
    mesh.set(canary(30)).await;
    assert_eq!(mesh.spec()["tcp"], expected(70, 30));
    assert_eq!(mesh.weights().await, canary(30));
    mesh.set(Weights::MIRROR).await;
    assert_eq!(mesh.weights().await, Weights::PRIMARY);
}

#[tokio::test]
async fn metadata_of_the_apex_is_on_the_service() {
    let mesh = Mesh::new()
        .with(|route| {
            route.apex_metadata = Some(Metadata {
                labels: [("team".into(), "web".into())].into(),
                annotations: [("note".into(), "x".into())].into(),
            });
            route.selector = Some(("app".into(), "podinfo".into()));
        })
        .reconciled()
        .await;
    assert_eq!(mesh.stored()["metadata"]["labels"], json!({"app": "podinfo", "team": "web"}));
    assert_eq!(mesh.stored()["metadata"]["annotations"]["note"], "x");
}

#[tokio::test]
async fn another_version_of_the_api_is_written_in_that_version() {
    let objects = Arc::new(MemoryObjects::new());
    let router = Istio::with_version(objects.clone(), "v1");
    router.reconcile(&Mesh::new().route).await.unwrap();
    let stored = objects.read(&virtual_services(), "test", "podinfo").unwrap();
    assert_eq!(stored["apiVersion"], "networking.istio.io/v1");
}
