//! The fields of `Canary.spec`.

use super::{analysis, service};
use crate::schema::{Node, choice, flag, integer, object, small_whole, text, text_map};

/// The values of `spec.provider` that the API server lets through.
const PROVIDERS: &[&str] = &[
    "apisix",
    "appmesh",
    "appmesh:v1beta2",
    "contour",
    "gatewayapi:v1",
    "gatewayapi:v1beta1",
    "gloo",
    "istio",
    "knative",
    "kubernetes",
    "kuma",
    "linkerd",
    "nginx",
    "osm",
    "skipper",
    "smi:v1alpha1",
    "smi:v1alpha2",
    "smi:v1alpha3",
    "traefik",
];

pub(super) fn canary_spec() -> Node {
    object(
        "How a workload is released.",
        [
            (
                "provider",
                choice("The mesh or ingress that moves the traffic of this canary.", PROVIDERS)
                    .open()
                    .assumed("the flag -mesh-provider of the controller"),
            ),
            (
                "metricsServer",
                text("Base URL of the Prometheus that answers the built-in and the inline checks of this canary.")
                    .hidden()
                    .assumed("the flag -metrics-server of the controller"),
            ),
            (
                "progressDeadlineSeconds",
                small_whole("How long a workload may stay unready before the rollout is given up.")
                    .expects("a whole number of seconds")
                    .assumed("600"),
            ),
            ("targetRef", target_ref().required()),
            ("autoscalerRef", autoscaler_ref()),
            ("ingressRef", reference("The Ingress of the target, for NGINX and Skipper.", &["Ingress"])),
            ("routeRef", reference("The ApisixRoute of the target.", &["ApisixRoute"])),
            ("upstreamRef", upstream_ref()),
            ("service", service::service()),
            (
                "skipAnalysis",
                flag("Whether new revisions are promoted at once, without any analysis.").assumed("false"),
            ),
            (
                "revertOnDeletion",
                flag("Whether the objects are given back as they were found when this canary is deleted.")
                    .assumed("false"),
            ),
            ("suspend", flag("Whether this canary is left alone: nothing is checked or changed.").assumed("false")),
            ("analysis", analysis::analysis().required()),
        ],
    )
}

fn target_ref() -> Node {
    object(
        "The workload to release.",
        [
            (
                "apiVersion",
                text(
                    "API version of the target; `serving.knative.dev/v1` makes a Service a Knative Service.",
                )
                .required(),
            ),
            ("kind", choice("Kind of the target.", &["DaemonSet", "Deployment", "Service"]).required()),
            ("name", text("Name of the target; its primary is `<name>-primary`.").required()),
        ],
    )
}

fn autoscaler_ref() -> Node {
    let replicas = |doc| integer(doc).range(1.0, None).expects("a whole number of at least 1");
    object(
        "The autoscaler of the target. The primary gets a copy of it.",
        [
            ("apiVersion", text("API version of the autoscaler.").required()),
            (
                "kind",
                choice("Kind of the autoscaler.", &["HorizontalPodAutoscaler", "ScaledObject"]).required(),
            ),
            ("name", text("Name of the autoscaler; that of the primary is `<name>-primary`.").required()),
            (
                "primaryScalerQueries",
                text_map("Queries of the primary's ScaledObject, by name of the trigger.")
                    .assumed("the target's queries with its name replaced by the primary's"),
            ),
            (
                "primaryScalerReplicas",
                object(
                    "Bounds of the primary's autoscaler, where they differ from the target's.",
                    [
                        ("minReplicas", replicas("Smallest number of primary pods.")),
                        ("maxReplicas", replicas("Largest number of primary pods.")),
                    ],
                ),
            ),
        ],
    )
}

fn reference(doc: &'static str, kinds: &'static [&'static str]) -> Node {
    object(
        doc,
        [
            ("apiVersion", text("API version of the object.").required()),
            ("kind", choice("Kind of the object.", kinds).required()),
            ("name", text("Name of the object.").required()),
        ],
    )
}

fn upstream_ref() -> Node {
    object(
        "The Gloo Upstream whose settings the generated ones take over.",
        [
            ("apiVersion", text("API version of the Upstream.").required()),
            ("kind", choice("Kind of the object.", &["Upstream"]).required()),
            ("name", text("Name of the Upstream.").required()),
            ("namespace", text("Namespace of the Upstream.").assumed("that of the canary")),
        ],
    )
}
