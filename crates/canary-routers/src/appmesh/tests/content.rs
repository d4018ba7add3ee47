//! What is written: the shapes that Flagger writes for the same canary.

use canary_core::Metadata;

use super::*;

const TOOLKIT: [(&str, &str); 2] = [
    ("helm.toolkit.fluxcd.io/driftDetection", "disabled"),
    ("kustomize.toolkit.fluxcd.io/reconcile", "disabled"),
];

fn toolkit() -> Value {
    json!({"annotations": TOOLKIT.into_iter().collect::<std::collections::BTreeMap<_, _>>()})
}

fn gateway() -> Value {
    json!({"annotations": {
        "gateway.appmesh.k8s.aws/domain": "*,",
        "gateway.appmesh.k8s.aws/expose": "true",
        "gateway.appmesh.k8s.aws/retries": "3",
        "gateway.appmesh.k8s.aws/timeout": "15s",
    }})
}

#[tokio::test]
async fn the_first_version_has_three_nodes_and_two_services() {
    let mesh = Mesh::recorded("v1beta1").reconciled().await;
    for (node, host) in [
        ("podinfo", "podinfo-primary.test"),
        ("podinfo-primary", "podinfo-primary.test"),
        ("podinfo-canary", "podinfo-canary.test"),
    ] {
        assert_eq!(mesh.metadata("VirtualNode", node), toolkit());
        assert_eq!(
            mesh.spec("VirtualNode", node),
            json!({
                "backends": [
                    {"virtualService": {"virtualServiceName": "db.prod"}},
                    {"virtualService": {
                        "virtualServiceName": "arn:aws:appmesh:eu-west-1:1:mesh/m/virtualService/x"}},
                ],
                "listeners": [{"portMapping": {"port": 80, "protocol": "http"}}],
                "logging": {"accessLog": {"file": {"path": "/dev/stdout"}}},
                "meshName": "global",
                "serviceDiscovery": {"dns": {"hostName": host}},
            })
        );
    }
    for (name, primary, canary, metadata) in
        [("podinfo", 100, 0, gateway()), ("podinfo-canary", 0, 100, json!({}))]
    {
        let object = format!("{name}.test");
        assert_eq!(mesh.metadata("VirtualService", &object), metadata);
        assert_eq!(
            mesh.spec("VirtualService", &object),
            json!({
                "meshName": "global",
                "routes": [{"name": name, "http": {
                    "action": mesh.action(primary, canary),
                    "match": {"prefix": "/"},
                    "retryPolicy": {
                        "httpRetryEvents": ["gateway-error", "connect-failure"],
                        "maxRetries": 3,
                        "perRetryTimeoutMillis": 1000,
                    },
                }}],
                "virtualRouter": {"name": name, "listeners": [{"portMapping": {"port": 80, "protocol": "http"}}]},
            })
        );
    }
}

#[tokio::test]
async fn the_second_version_has_two_nodes_two_routers_and_two_services() {
    let mesh = Mesh::recorded("v1beta2").reconciled().await;
    assert!(mesh.find("VirtualNode", "podinfo").is_none());
    let timeout = json!({"perRequest": {"unit": "ms", "value": 15000}});
    for (node, pods) in [("podinfo-primary", "podinfo-primary"), ("podinfo-canary", "podinfo")] {
        assert_eq!(mesh.metadata("VirtualNode", node), toolkit());
        assert_eq!(
            mesh.spec("VirtualNode", node),
            json!({
                "backends": [
                    {"virtualService": {"virtualServiceRef": {"name": "db.prod"}}},
                    {"virtualService": {
                        "virtualServiceARN": "arn:aws:appmesh:eu-west-1:1:mesh/m/virtualService/x"}},
                ],
                "listeners": [{"portMapping": {"port": 9898, "protocol": "http"}, "timeout": {"http": timeout}}],
                "logging": {"accessLog": {"file": {"path": "/dev/stdout"}}},
                "podSelector": {"matchLabels": {"app": pods}},
                "serviceDiscovery": {"dns": {"hostname": format!("{node}.test.svc.cluster.local.")}},
            })
        );
    }
    for (name, primary, canary, metadata) in
        [("podinfo", 100, 0, gateway()), ("podinfo-canary", 0, 100, json!({}))]
    {
        assert_eq!(mesh.metadata("VirtualRouter", name), json!({}));
        assert_eq!(
            mesh.spec("VirtualRouter", name),
            json!({
                "listeners": [{"portMapping": {"port": 9898, "protocol": "http"}}],
                "routes": [{"name": name, "httpRoute": {
                    "action": mesh.action(primary, canary),
                    "match": {"prefix": "/"},
                    "retryPolicy": {
                        "httpRetryEvents": ["gateway-error", "connect-failure"],
                        "maxRetries": 3,
                        "perRetryTimeout": {"unit": "ms", "value": 1000},
                    },
                    "timeout": timeout,
                }}],
            })
        );
        assert_eq!(mesh.metadata("VirtualService", name), metadata);
        let provider = json!({"provider": {"virtualRouter": {"virtualRouterRef": {"name": name}}}});
        assert_eq!(mesh.spec("VirtualService", name), provider);
    }
}

#[tokio::test]
async fn weights_read_back_are_the_weights_written() {
    for version in BOTH {
        let mesh = Mesh::new(version).reconciled().await;
        for percent in 0..=100 {
            mesh.set(canary(percent)).await;
            assert_eq!(mesh.weights().await, canary(percent));
            assert_eq!(mesh.rules()[0]["action"], mesh.action(100 - percent, percent));
        }
    }
}

#[tokio::test]
async fn conditions_choose_the_clients_of_the_canary_and_everyone_else_stays() {
    let regex = StringMatch { regex: Some(".*insider.*".into()), ..StringMatch::default() };
    for version in BOTH {
        let mesh = Mesh::new(version)
            .with(|route| {
                route.conditions = vec![
                    headers(&[("x-b", exact("1")), ("x-a", regex.clone())]),
                    headers(&[("x-0", exact("2"))]),
                ];
            })
            .reconciled()
            .await;
        mesh.set(Weights::CANARY).await;
        assert_eq!(mesh.weights().await, Weights::CANARY);
        let chosen = json!({"prefix": "/", "headers": [
            {"name": "x-a", "match": {"regex": ".*insider.*"}},
            {"name": "x-b", "match": {"exact": "1"}},
            {"name": "x-0", "match": {"exact": "2"}},
        ]});
        let others = json!({"weightedTargets": [mesh.target("podinfo-primary", 100)]});
        assert_eq!(
            mesh.rules(),
            [
                json!({"match": chosen, "action": mesh.action(0, 100)}),
                json!({"match": {"prefix": "/"}, "action": others}),
            ]
        );
        let (of, name) = mesh.apex();
        let routes = &mesh.spec(of, name)["routes"];
        assert_eq!((&routes[0]["name"], &routes[0]["priority"]), (&json!("podinfo-a"), &json!(10)));
        assert_eq!((&routes[1]["name"], &routes[1]["priority"]), (&json!("podinfo-b"), &json!(20)));
    }
}

#[tokio::test]
async fn conditions_without_headers_are_refused_before_everyone_meets_them() {
    let prefix = StringMatch { prefix: Some("/".into()), ..StringMatch::default() };
    let mesh = Mesh::new("v1beta2")
        .with(|route| route.conditions = vec![HttpMatch { uri: Some(prefix), ..HttpMatch::default() }]);
    let error = mesh.router.reconcile(&mesh.route).await.unwrap_err();
    assert_eq!(error.category(), "unsupported");
    assert!(error.to_string().starts_with("analysis.match has no headers"), "{error}");
    assert_eq!(mesh.objects.writes(), 0);
}

#[tokio::test]
async fn defaults_are_those_of_flagger() {
    let mesh = Mesh::new("v1beta2")
        .with(|route| {
            route.port_name = "grpc-web".into();
            route.target_port = Some(TargetPort::Name("http".into()));
            route.timeout = Some("soon".into());
            route.retries = Some(Retries { attempts: 0, per_try_timeout: None, retry_on: None });
            let path = StringMatch { prefix: Some("/api".into()), ..StringMatch::default() };
            route.matches = vec![HttpMatch { uri: Some(path), ..HttpMatch::default() }];
            route.selector = Some(("app".into(), "podinfo-v2".into()));
            route.apex_metadata = Some(Metadata::default());
        })
        .reconciled()
        .await;
    let policy = json!({
        "httpRetryEvents": ["gateway-error"], "maxRetries": 1, "perRetryTimeout": {"unit": "ms", "value": 250},
    });
    assert_eq!(
        mesh.rules(),
        [json!({"match": {"prefix": "/api"}, "retryPolicy": policy, "action": mesh.action(100, 0)})]
    );
    let node = mesh.spec("VirtualNode", "podinfo-primary");
    assert_eq!(node["listeners"], json!([{"portMapping": {"port": 80, "protocol": "grpc"}}]));
    assert_eq!(node["podSelector"]["matchLabels"], json!({"app": "podinfo-v2-primary"}));
    assert!(node.get("backends").is_none() && node.get("logging").is_none());
    assert_eq!(mesh.metadata("VirtualNode", "podinfo-primary"), toolkit());
    assert_eq!(mesh.metadata("VirtualService", "podinfo"), json!({}));
}

#[test]
fn it_splits_traffic_and_knows_conditions() {
    let expected = canary_core::Capabilities::default().with_conditions();
    for version in BOTH {
        assert_eq!(Mesh::new(version).router.capabilities(), expected);
    }
}
