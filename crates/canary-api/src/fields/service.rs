//! The fields of `Canary.spec.service`.

use super::{matching, traffic_policy};
use crate::schema::{
    Node, choice, flag, list, object, port_or_name, small_integer, small_whole, text, text_map, texts,
};

const DNS_LABEL: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
const DNS_SUBDOMAIN: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
const GROUP: &str = r"^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
const KIND: &str = "^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$";

pub(super) fn service() -> Node {
    object(
        "How the Services and the routes of this canary are made.",
        [
            (
                "name",
                text("Name of the Service that clients use; those behind it are `<name>-primary` and `<name>-canary`.")
                    .assumed("the name of the target"),
            ),
            (
                "port",
                small_whole("Port of the Services.").required().expects("a port number between 1 and 65535"),
            ),
            ("portName", text("Name of that port.").assumed("http")),
            ("targetPort", port_or_name("Port of the containers, by number or by name.").assumed("the same as port")),
            (
                "appProtocol",
                text("Application protocol of the port; `tcp` makes the Istio routes TCP routes."),
            ),
            (
                "trafficDistribution",
                choice(
                    "Traffic distribution of the Services, set when they are created.",
                    &["PreferClose", "PreferSameZone", "PreferSameNode"],
                )
                .open(),
            ),
            (
                "portDiscovery",
                flag("Whether the Services also have the other ports of the target's containers.").assumed("false"),
            ),
            ("headless", flag("Whether the Services are created without a cluster IP.").assumed("false")),
            ("timeout", text("Time limit of requests on the route, for example `15s`.")),
            ("backendTimeout", text("Time limit between gateway and backend (Gateway API only).")),
            ("gateways", texts("Istio gateways of the route.").assumed("`mesh`")),
            ("gatewayRefs", gateway_refs()),
            ("hosts", texts("Hosts of the route. The apex name is added unless it or `*` is there.")),
            (
                "delegation",
                flag("Whether the Istio VirtualService is a delegate, without hosts and gateways.").assumed("false"),
            ),
            ("trafficPolicy", traffic_policy::traffic_policy()),
            ("match", matching::service_match()),
            ("rewrite", rewrite()),
            ("retries", retries()),
            ("headers", headers()),
            ("mirror", mirror()),
            ("corsPolicy", cors_policy()),
            ("meshName", text("Name of the App Mesh mesh.")),
            ("backends", texts("Backends of the App Mesh virtual nodes.")),
            ("apex", metadata("Metadata of the apex Service and of the routes.")),
            ("primary", metadata("Metadata of the primary Service.")),
            ("canary", metadata("Metadata of the canary Service.")),
            ("unmanagedMetadata", unmanaged_metadata()),
        ],
    )
}

fn gateway_refs() -> Node {
    list(
        "Gateway API parents of the route.",
        object(
            "A parent.",
            [
                (
                    "group",
                    text("API group of the parent.")
                        .default("gateway.networking.k8s.io")
                        .length(None, 253)
                        .pattern(GROUP),
                ),
                ("kind", text("Kind of the parent.").default("Gateway").length(Some(1), 63).pattern(KIND)),
                ("name", text("Name of the parent.").required().length(Some(1), 253)),
                (
                    "namespace",
                    text("Namespace of the parent.")
                        .assumed("that of the canary")
                        .length(Some(1), 63)
                        .pattern(DNS_LABEL),
                ),
                ("sectionName", text("Listener of the parent.").length(Some(1), 253).pattern(DNS_SUBDOMAIN)),
                ("port", small_integer("Port of the parent.").range(1.0, Some(65535.0))),
            ],
        ),
    )
    .max_items(32)
    .verbatim()
}

fn mirror() -> Node {
    let backend = object(
        "The backend that gets the copies.",
        [
            ("group", text("API group of the backend.").default("").length(None, 253).pattern(GROUP)),
            ("kind", text("Kind of the backend.").default("Service").length(Some(1), 63).pattern(KIND)),
            ("name", text("Name of the backend.").required().length(Some(1), 253)),
            (
                "namespace",
                text("Namespace of the backend.")
                    .assumed("that of the canary")
                    .length(Some(1), 63)
                    .pattern(DNS_LABEL),
            ),
            ("port", small_integer("Port of the backend.").range(1.0, Some(65535.0))),
        ],
    )
    .rule(
        "(size(self.group) == 0 && self.kind == 'Service') ? has(self.port) : true",
        "a reference to a Service needs a port",
    );
    list(
        "Backends that always get a copy of the requests (Gateway API only; not the mirroring of the analysis).",
        object("A copy.", [("backendRef", backend)]),
    )
    .verbatim()
}

fn rewrite() -> Node {
    object(
        "How requests are rewritten.",
        [
            ("uri", text("The new path.")),
            ("authority", text("The new authority.")),
            (
                "type",
                text("`ReplacePrefixMatch` replaces the matched prefix, anything else the whole path (Gateway API only).")
                    .assumed("ReplaceFullPath"),
            ),
        ],
    )
}

fn retries() -> Node {
    object(
        "How failed requests are tried again.",
        [
            ("attempts", small_integer("Number of retries.").assumed("0")),
            ("perTryTimeout", text("Time limit of each try.")),
            ("retryOn", text("Conditions for a retry, separated by commas.")),
        ],
    )
}

fn headers() -> Node {
    let operations = |doc| {
        object(
            doc,
            [
                ("add", text_map("Headers to add.")),
                ("set", text_map("Headers to replace.")),
                ("remove", texts("Headers to remove.")),
            ],
        )
    };
    object(
        "How headers are changed.",
        [
            ("request", operations("Changes on the way to the workload.")),
            ("response", operations("Changes on the way back.")),
        ],
    )
}

fn cors_policy() -> Node {
    object(
        "Cross-origin resource sharing.",
        [
            ("allowCredentials", flag("Whether credentials may be sent.")),
            ("allowHeaders", texts("Allowed request headers.")),
            ("allowMethods", texts("Allowed methods.")),
            ("allowOrigin", texts("Allowed origins, exact texts.")),
            ("allowOrigins", list("Allowed origins, as conditions.", matching::origin())),
            ("exposeHeaders", texts("Response headers that scripts may read.")),
            ("maxAge", text("How long the answer to a preflight request may be kept.")),
        ],
    )
}

fn metadata(doc: &'static str) -> Node {
    object(doc, [("labels", text_map("Labels to add.")), ("annotations", text_map("Annotations to add."))])
}

fn unmanaged_metadata() -> Node {
    object(
        "Metadata that others put on the generated Services and that is kept as found.",
        [("labels", texts("Keys of labels.")), ("annotations", texts("Keys of annotations."))],
    )
}
