//! The queries of every observer: what the series and labels of each mesh are called.
//! Spelt as Flagger spells them, because dashboards and recording rules copy these texts.

use super::Observer;

/// Share of good requests in percent. `good` and `all` are label matchers.
macro_rules! ratio {
    ($series:literal, good: $good:expr, all: $all:expr) => {
        concat!(
            "sum( rate( ",
            $series,
            "{ ",
            $good,
            " }[{{ interval }}] ) ) / sum( rate( ",
            $series,
            "{ ",
            $all,
            " }[{{ interval }}] ) ) * 100"
        )
    };
}

/// 99th percentile of a histogram.
macro_rules! p99 {
    ($series:literal, $labels:expr) => {
        concat!(
            "histogram_quantile( 0.99, sum( rate( ",
            $series,
            "{ ",
            $labels,
            " }[{{ interval }}] ) ) by (le) )"
        )
    };
}

/// An observer whose duration query answers milliseconds.
macro_rules! observer {
    ($name:literal, success_rate: $success_rate:expr, duration: $duration:expr) => {
        Observer {
            name: $name,
            success_rate: $success_rate,
            duration: $duration,
            milliseconds: 1.0,
            older_duration: None,
            word_names: false,
        }
    };
}

/// The clusters of Envoy that a label names.
macro_rules! envoy_cluster {
    ($name:literal, $label:literal) => {
        observer!(
            $name,
            success_rate: ratio!(
                "envoy_cluster_upstream_rq",
                good: concat!($label, r#", envoy_response_code!~"5.*""#),
                all: concat!($label, ",")
            ),
            duration: p99!("envoy_cluster_upstream_rq_time_bucket", concat!($label, ","))
        )
    };
}

/// Every observer. The first is the one for names that none matches.
pub static OBSERVERS: [Observer; 13] = [
    Observer {
        name: "istio",
        success_rate: ratio!(
            "istio_requests_total",
            good: r#"reporter="destination", destination_workload_namespace="{{ namespace }}", destination_workload=~"{{ target }}", response_code!~"5.*""#,
            all: r#"reporter="destination", destination_workload_namespace="{{ namespace }}", destination_workload=~"{{ target }}""#
        ),
        duration: p99!(
            "istio_request_duration_milliseconds_bucket",
            r#"reporter="destination", destination_workload_namespace="{{ namespace }}", destination_workload=~"{{ target }}""#
        ),
        milliseconds: 1.0,
        // Istio before 1.5.
        older_duration: Some((
            p99!(
                "istio_request_duration_seconds_bucket",
                r#"reporter="destination", destination_workload_namespace="{{ namespace }}", destination_workload=~"{{ target }}""#
            ),
            1_000.0,
        )),
        word_names: false,
    },
    observer!(
        "linkerd",
        success_rate: ratio!(
            "response_total",
            good: r#"namespace="{{ namespace }}", deployment=~"{{ target }}", classification!="failure", direction="inbound""#,
            all: r#"namespace="{{ namespace }}", deployment=~"{{ target }}", direction="inbound""#
        ),
        duration: p99!(
            "response_latency_ms_bucket",
            r#"namespace="{{ namespace }}", deployment=~"{{ target }}", direction="inbound""#
        )
    ),
    observer!(
        "appmesh",
        success_rate: ratio!(
            "envoy_cluster_upstream_rq",
            good: r#"kubernetes_namespace="{{ namespace }}", kubernetes_pod_name=~"{{ target }}-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)", envoy_response_code!~"5.*""#,
            all: r#"kubernetes_namespace="{{ namespace }}", kubernetes_pod_name=~"{{ target }}-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)""#
        ),
        duration: p99!(
            "envoy_cluster_upstream_rq_time_bucket",
            r#"kubernetes_namespace="{{ namespace }}", kubernetes_pod_name=~"{{ target }}-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)""#
        )
    ),
    envoy_cluster!("contour", r#"envoy_cluster_name=~"{{ namespace }}_{{ service }}-canary_[0-9a-zA-Z-]+""#),
    envoy_cluster!(
        "gloo",
        r#"envoy_cluster_name=~"{{ namespace }}-{{ target }}-canaryupstream-[0-9a-zA-Z-]+_[0-9a-zA-Z-]+""#
    ),
    envoy_cluster!("knative", r#"envoy_cluster_name=~"{{ namespace }}/{{ route }}""#),
    envoy_cluster!("kuma", r#"service=~"{{ target }}-canary_{{ namespace }}_svc_[0-9a-zA-Z-]+""#),
    observer!(
        "nginx",
        success_rate: ratio!(
            "nginx_ingress_controller_requests",
            good: r#"namespace="{{ namespace }}", ingress="{{ ingress }}", canary!="", status!~"5.*""#,
            all: r#"namespace="{{ namespace }}", ingress="{{ ingress }}", canary!="""#
        ),
        // The mean: NGINX has no histogram that tells the canary apart.
        duration: concat!(
            "sum( rate( nginx_ingress_controller_response_duration_seconds_sum{ ",
            r#"namespace="{{ namespace }}", ingress="{{ ingress }}", canary!="" }[{{ interval }}] ) ) / "#,
            "sum( rate( nginx_ingress_controller_response_duration_seconds_count{ ",
            r#"namespace="{{ namespace }}", ingress="{{ ingress }}", canary!="" }[{{ interval }}] ) ) * 1000"#
        )
    ),
    Observer {
        name: "http",
        success_rate: ratio!(
            "http_request_duration_seconds_count",
            good: r#"kubernetes_namespace="{{ namespace }}", kubernetes_pod_name=~"{{ target }}-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)", status!~"5.*""#,
            all: r#"kubernetes_namespace="{{ namespace }}", kubernetes_pod_name=~"{{ target }}-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)""#
        ),
        duration: p99!(
            "http_request_duration_seconds_bucket",
            r#"kubernetes_namespace="{{ namespace }}", kubernetes_pod_name=~"{{ target }}-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)""#
        ),
        milliseconds: 1_000.0,
        older_duration: None,
        word_names: false,
    },
    observer!(
        "osm",
        success_rate: ratio!(
            "osm_request_total",
            good: r#"destination_namespace="{{ namespace }}", destination_kind="Deployment", destination_name="{{ target }}", response_code!~"5.*""#,
            all: r#"destination_namespace="{{ namespace }}", destination_kind="Deployment", destination_name="{{ target }}""#
        ),
        duration: p99!(
            "osm_request_duration_ms_bucket",
            r#"destination_namespace="{{ namespace }}", destination_kind="Deployment", destination_name="{{ target }}""#
        )
    ),
    observer!(
        "traefik",
        success_rate: ratio!(
            "traefik_service_request_duration_seconds_bucket",
            good: r#"service=~"{{ namespace }}-{{ target }}-canary-[0-9a-zA-Z-]+@kubernetescrd", code!~"5..", le="+Inf""#,
            all: r#"service=~"{{ namespace }}-{{ target }}-canary-[0-9a-zA-Z-]+@kubernetescrd", le="+Inf""#
        ),
        duration: concat!(
            p99!(
                "traefik_service_request_duration_seconds_bucket",
                r#"service=~"{{ namespace }}-{{ target }}-canary-[0-9a-zA-Z-]+@kubernetescrd""#
            ),
            " * 1000"
        )
    ),
    observer!(
        "apisix",
        success_rate: ratio!(
            "apisix_http_status",
            good: r#"route=~"{{ namespace }}_{{ route }}-{{ target }}-canary_.+", code!~"5..""#,
            all: r#"route=~"{{ namespace }}_{{ route }}-{{ target }}-canary_.+""#
        ),
        duration: p99!(
            "apisix_http_latency_bucket",
            r#"type=~"request", route=~"{{ namespace }}_{{ route }}-{{ target }}-canary_.+""#
        )
    ),
    Observer {
        name: "skipper",
        success_rate: concat!(
            "sum(rate(skipper_response_duration_seconds_bucket{",
            r#"route=~"kube(ew)?_{{ namespace }}__{{ ingress }}_canary__.*__{{ service }}_canary(_[0-9]+)?","#,
            r#"code!~"5..",le="+Inf"}[{{ interval }}])) / sum(rate(skipper_response_duration_seconds_bucket{"#,
            r#"route=~"kube(ew)?_{{ namespace }}__{{ ingress }}_canary__.*__{{ service }}_canary(_[0-9]+)?","#,
            r#"le="+Inf"}[{{ interval }}])) * 100"#
        ),
        // The mean, as for NGINX.
        duration: concat!(
            "sum(rate(skipper_serve_route_duration_seconds_sum{",
            r#"route=~"kube(ew)?_{{ namespace }}__{{ ingress }}_canary__.*__{{ service }}_canary(_[0-9]+)?""#,
            "}[{{ interval }}])) / sum(rate(skipper_serve_route_duration_seconds_count{",
            r#"route=~"kube(ew)?_{{ namespace }}__{{ ingress }}_canary__.*__{{ service }}_canary(_[0-9]+)?""#,
            "}[{{ interval }}])) * 1000"
        ),
        milliseconds: 1.0,
        older_duration: None,
        word_names: true,
    },
];
