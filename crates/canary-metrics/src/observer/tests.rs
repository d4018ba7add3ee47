//! Queries as Flagger 1.44 sends them, and the rules that choose them.

use super::*;

fn model(namespace: &str, interval: &str) -> QueryModel {
    let podinfo = || "podinfo".to_owned();
    QueryModel {
        name: podinfo(),
        namespace: namespace.into(),
        target: podinfo(),
        service: podinfo(),
        ingress: podinfo(),
        // Knative's route is a revision.
        route: if namespace == "knative" { "podinfo-00002".into() } else { podinfo() },
        interval: interval.into(),
        ..QueryModel::default()
    }
}

/// Provider, namespace, and the two queries that Flagger sends for them.
const SENT_BY_FLAGGER: &[(&str, &str, &str, &str)] = &[
    (
        "istio",
        "seed-success",
        r#"sum( rate( istio_requests_total{ reporter="destination", destination_workload_namespace="seed-success", destination_workload=~"podinfo", response_code!~"5.*" }[1m] ) ) / sum( rate( istio_requests_total{ reporter="destination", destination_workload_namespace="seed-success", destination_workload=~"podinfo" }[1m] ) ) * 100"#,
        r#"histogram_quantile( 0.99, sum( rate( istio_request_duration_milliseconds_bucket{ reporter="destination", destination_workload_namespace="seed-success", destination_workload=~"podinfo" }[30s] ) ) by (le) )"#,
    ),
    (
        "linkerd",
        "linkerd-smi",
        r#"sum( rate( response_total{ namespace="linkerd-smi", deployment=~"podinfo", classification!="failure", direction="inbound" }[1m] ) ) / sum( rate( response_total{ namespace="linkerd-smi", deployment=~"podinfo", direction="inbound" }[1m] ) ) * 100"#,
        r#"histogram_quantile( 0.99, sum( rate( response_latency_ms_bucket{ namespace="linkerd-smi", deployment=~"podinfo", direction="inbound" }[30s] ) ) by (le) )"#,
    ),
    (
        "appmesh",
        "appmesh",
        r#"sum( rate( envoy_cluster_upstream_rq{ kubernetes_namespace="appmesh", kubernetes_pod_name=~"podinfo-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)", envoy_response_code!~"5.*" }[1m] ) ) / sum( rate( envoy_cluster_upstream_rq{ kubernetes_namespace="appmesh", kubernetes_pod_name=~"podinfo-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)" }[1m] ) ) * 100"#,
        r#"histogram_quantile( 0.99, sum( rate( envoy_cluster_upstream_rq_time_bucket{ kubernetes_namespace="appmesh", kubernetes_pod_name=~"podinfo-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)" }[30s] ) ) by (le) )"#,
    ),
    (
        "contour",
        "contour",
        r#"sum( rate( envoy_cluster_upstream_rq{ envoy_cluster_name=~"contour_podinfo-canary_[0-9a-zA-Z-]+", envoy_response_code!~"5.*" }[1m] ) ) / sum( rate( envoy_cluster_upstream_rq{ envoy_cluster_name=~"contour_podinfo-canary_[0-9a-zA-Z-]+", }[1m] ) ) * 100"#,
        r#"histogram_quantile( 0.99, sum( rate( envoy_cluster_upstream_rq_time_bucket{ envoy_cluster_name=~"contour_podinfo-canary_[0-9a-zA-Z-]+", }[30s] ) ) by (le) )"#,
    ),
    (
        "gloo",
        "gloo",
        r#"sum( rate( envoy_cluster_upstream_rq{ envoy_cluster_name=~"gloo-podinfo-canaryupstream-[0-9a-zA-Z-]+_[0-9a-zA-Z-]+", envoy_response_code!~"5.*" }[1m] ) ) / sum( rate( envoy_cluster_upstream_rq{ envoy_cluster_name=~"gloo-podinfo-canaryupstream-[0-9a-zA-Z-]+_[0-9a-zA-Z-]+", }[1m] ) ) * 100"#,
        r#"histogram_quantile( 0.99, sum( rate( envoy_cluster_upstream_rq_time_bucket{ envoy_cluster_name=~"gloo-podinfo-canaryupstream-[0-9a-zA-Z-]+_[0-9a-zA-Z-]+", }[30s] ) ) by (le) )"#,
    ),
    (
        "knative",
        "knative",
        r#"sum( rate( envoy_cluster_upstream_rq{ envoy_cluster_name=~"knative/podinfo-00002", envoy_response_code!~"5.*" }[1m] ) ) / sum( rate( envoy_cluster_upstream_rq{ envoy_cluster_name=~"knative/podinfo-00002", }[1m] ) ) * 100"#,
        "",
    ),
    (
        "kuma",
        "kuma",
        r#"sum( rate( envoy_cluster_upstream_rq{ service=~"podinfo-canary_kuma_svc_[0-9a-zA-Z-]+", envoy_response_code!~"5.*" }[1m] ) ) / sum( rate( envoy_cluster_upstream_rq{ service=~"podinfo-canary_kuma_svc_[0-9a-zA-Z-]+", }[1m] ) ) * 100"#,
        r#"histogram_quantile( 0.99, sum( rate( envoy_cluster_upstream_rq_time_bucket{ service=~"podinfo-canary_kuma_svc_[0-9a-zA-Z-]+", }[30s] ) ) by (le) )"#,
    ),
    (
        "nginx",
        "nginx",
        r#"sum( rate( nginx_ingress_controller_requests{ namespace="nginx", ingress="podinfo", canary!="", status!~"5.*" }[1m] ) ) / sum( rate( nginx_ingress_controller_requests{ namespace="nginx", ingress="podinfo", canary!="" }[1m] ) ) * 100"#,
        r#"sum( rate( nginx_ingress_controller_response_duration_seconds_sum{ namespace="nginx", ingress="podinfo", canary!="" }[30s] ) ) / sum( rate( nginx_ingress_controller_response_duration_seconds_count{ namespace="nginx", ingress="podinfo", canary!="" }[30s] ) ) * 1000"#,
    ),
    (
        "kubernetes",
        "blue-green-iterations",
        r#"sum( rate( http_request_duration_seconds_count{ kubernetes_namespace="blue-green-iterations", kubernetes_pod_name=~"podinfo-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)", status!~"5.*" }[1m] ) ) / sum( rate( http_request_duration_seconds_count{ kubernetes_namespace="blue-green-iterations", kubernetes_pod_name=~"podinfo-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)" }[1m] ) ) * 100"#,
        r#"histogram_quantile( 0.99, sum( rate( http_request_duration_seconds_bucket{ kubernetes_namespace="blue-green-iterations", kubernetes_pod_name=~"podinfo-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)" }[30s] ) ) by (le) )"#,
    ),
    (
        "gatewayapi:v1",
        "gateway-api",
        r#"sum( rate( http_request_duration_seconds_count{ kubernetes_namespace="gateway-api", kubernetes_pod_name=~"podinfo-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)", status!~"5.*" }[1m] ) ) / sum( rate( http_request_duration_seconds_count{ kubernetes_namespace="gateway-api", kubernetes_pod_name=~"podinfo-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)" }[1m] ) ) * 100"#,
        r#"histogram_quantile( 0.99, sum( rate( http_request_duration_seconds_bucket{ kubernetes_namespace="gateway-api", kubernetes_pod_name=~"podinfo-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)" }[30s] ) ) by (le) )"#,
    ),
    (
        "traefik",
        "traefik",
        r#"sum( rate( traefik_service_request_duration_seconds_bucket{ service=~"traefik-podinfo-canary-[0-9a-zA-Z-]+@kubernetescrd", code!~"5..", le="+Inf" }[1m] ) ) / sum( rate( traefik_service_request_duration_seconds_bucket{ service=~"traefik-podinfo-canary-[0-9a-zA-Z-]+@kubernetescrd", le="+Inf" }[1m] ) ) * 100"#,
        r#"histogram_quantile( 0.99, sum( rate( traefik_service_request_duration_seconds_bucket{ service=~"traefik-podinfo-canary-[0-9a-zA-Z-]+@kubernetescrd" }[30s] ) ) by (le) ) * 1000"#,
    ),
    (
        "apisix",
        "apisix",
        r#"sum( rate( apisix_http_status{ route=~"apisix_podinfo-podinfo-canary_.+", code!~"5.." }[1m] ) ) / sum( rate( apisix_http_status{ route=~"apisix_podinfo-podinfo-canary_.+" }[1m] ) ) * 100"#,
        r#"histogram_quantile( 0.99, sum( rate( apisix_http_latency_bucket{ type=~"request", route=~"apisix_podinfo-podinfo-canary_.+" }[30s] ) ) by (le) )"#,
    ),
    (
        "skipper",
        "skipper",
        r#"sum(rate(skipper_response_duration_seconds_bucket{route=~"kube(ew)?_skipper__podinfo_canary__.*__podinfo_canary(_[0-9]+)?",code!~"5..",le="+Inf"}[1m])) / sum(rate(skipper_response_duration_seconds_bucket{route=~"kube(ew)?_skipper__podinfo_canary__.*__podinfo_canary(_[0-9]+)?",le="+Inf"}[1m])) * 100"#,
        r#"sum(rate(skipper_serve_route_duration_seconds_sum{route=~"kube(ew)?_skipper__podinfo_canary__.*__podinfo_canary(_[0-9]+)?"}[30s])) / sum(rate(skipper_serve_route_duration_seconds_count{route=~"kube(ew)?_skipper__podinfo_canary__.*__podinfo_canary(_[0-9]+)?"}[30s])) * 1000"#,
    ),
];

#[test]
fn queries_are_flaggers() {
    for (provider, namespace, success_rate, duration) in SENT_BY_FLAGGER {
        let (observer, shown) = observer("istio", provider, false);
        assert_eq!(shown, *provider);
        assert_eq!(observer.success_rate(&model(namespace, "1m")).unwrap(), *success_rate);
        if !duration.is_empty() {
            assert_eq!(observer.duration(&model(namespace, "30s")).unwrap(), *duration);
        }
    }
}

#[test]
fn queries_that_no_recording_shows_follow_the_same_form() {
    let model = model("shop", "1m");
    let (osm, _) = observer("osm", "", false);
    let labels = r#"destination_namespace="shop", destination_kind="Deployment", destination_name="podinfo""#;
    assert_eq!(
        osm.success_rate(&model).unwrap(),
        format!(
            r#"sum( rate( osm_request_total{{ {labels}, response_code!~"5.*" }}[1m] ) ) / sum( rate( osm_request_total{{ {labels} }}[1m] ) ) * 100"#
        )
    );
    assert_eq!(
        osm.duration(&model).unwrap(),
        format!(
            "histogram_quantile( 0.99, sum( rate( osm_request_duration_ms_bucket{{ {labels} }}[1m] ) ) by (le) )"
        )
    );
    let (knative, _) = observer("knative", "", false);
    assert_eq!(
        knative.duration(&model).unwrap(),
        r#"histogram_quantile( 0.99, sum( rate( envoy_cluster_upstream_rq_time_bucket{ envoy_cluster_name=~"shop/podinfo", }[1m] ) ) by (le) )"#
    );
}

#[test]
fn skipper_names_have_word_characters_only() {
    let mut model = model("my-shop", "1m");
    model.ingress = "front.end".into();
    model.service = "pod-info".into();
    let query = observer("skipper", "", false).0.duration(&model).unwrap();
    assert!(
        query
            .contains(r#"{route=~"kube(ew)?_my_shop__front_end_canary__.*__pod_info_canary(_[0-9]+)?"}[1m]"#),
        "{query}"
    );
}

#[test]
fn the_observer_is_chosen_as_flagger_chooses() {
    // flag, canary's provider, core Service target, observer, shown
    let table = [
        ("istio", "", false, "istio", "istio"),
        ("istio", "", true, "istio", "istio:service"),
        ("kubernetes", "", false, "http", "kubernetes"),
        ("kubernetes", "", true, "istio", "kubernetes:service"),
        ("istio", "kubernetes", false, "http", "kubernetes"),
        ("istio", "gatewayapi:v1", false, "http", "gatewayapi:v1"),
        ("istio", "gatewayapi:v1beta1", true, "http", "gatewayapi:v1beta1:service"),
        ("istio", "nginx", true, "istio", "nginx:service"),
        ("appmesh:v1beta2", "", true, "appmesh", "appmesh:v1beta2:service"),
        ("istio", "gloo", true, "gloo", "gloo:service"),
        ("smi:crossover", "", false, "istio", "crossover"),
        ("smi:crossover", "kuma", false, "kuma", "kuma"),
        ("linkerd", "", false, "linkerd", "linkerd"),
        ("linkerd", "nginx", false, "linkerd", "linkerd"),
        ("smi:linkerd", "", false, "istio", "smi:linkerd"),
        ("smi:linkerd", "nginx", false, "linkerd", "linkerd"),
        ("istio", "isito", false, "istio", "isito"),
        ("istio", "http", false, "istio", "http"),
        ("istio", "osm", false, "osm", "osm"),
        ("istio", "knative", false, "knative", "knative"),
        ("", "", false, "istio", ""),
    ];
    for (flag, provider, service, name, shown) in table {
        let (observer, text) = observer(flag, provider, service);
        assert_eq!((observer.name(), text.as_str()), (name, shown), "flag {flag:?}, provider {provider:?}");
    }
}

#[test]
fn durations_are_whole_milliseconds() {
    let of = |provider: &str, answer: f64| observer(provider, "", false).0.duration_milliseconds(answer);
    assert_eq!(of("istio", 499.9), Some(499.0));
    assert_eq!(of("istio", 0.7), Some(0.0));
    assert_eq!(of("kubernetes", 0.4999), Some(499.0));
    assert_eq!(of("traefik", 12.5), Some(12.0));
    assert!(of("istio", -0.5).is_some_and(f64::is_sign_positive));
    for none in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e307] {
        assert_eq!(of("kubernetes", none), None, "{none}");
    }
}

#[test]
fn older_istio_counts_seconds_under_another_name() {
    let (istio, _) = observer("istio", "", false);
    let query = istio.older_duration(&model("shop", "30s")).unwrap().unwrap();
    let present = istio.duration(&model("shop", "30s")).unwrap();
    assert_eq!(query, present.replace("_milliseconds_", "_seconds_"));
    assert_eq!(istio.older_duration_milliseconds(0.4999), Some(499.0));
    assert_eq!(istio.older_duration_milliseconds(f64::INFINITY), None);
    assert!(observer("nginx", "", false).0.older_duration(&model("shop", "30s")).is_none());
}
