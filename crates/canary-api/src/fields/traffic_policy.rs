//! The fields of `Canary.spec.service.trafficPolicy`, which goes into Istio DestinationRules as written.

use crate::schema::{Node, choice, flag, integer, list, map, object, small_integer, text, texts};

pub(super) fn traffic_policy() -> Node {
    object(
        "Traffic policy of the Istio DestinationRules.",
        [
            ("connectionPool", connection_pool()),
            ("loadBalancer", load_balancer()),
            ("outlierDetection", outlier_detection()),
            ("tls", tls()),
        ],
    )
    .verbatim()
}

fn connection_pool() -> Node {
    object(
        "Limits of connections to the Services.",
        [(
            "http",
            object(
                "Limits of HTTP connections.",
                [
                    (
                        "h2UpgradePolicy",
                        choice(
                            "Whether connections are upgraded to HTTP/2.",
                            &["DEFAULT", "DO_NOT_UPGRADE", "UPGRADE"],
                        ),
                    ),
                    (
                        "http1MaxPendingRequests",
                        small_integer("Largest number of requests that wait for a connection."),
                    ),
                    ("http2MaxRequests", small_integer("Largest number of requests under way.")),
                    ("idleTimeout", text("When an unused connection is closed.")),
                    (
                        "maxRequestsPerConnection",
                        small_integer("Largest number of requests of a connection."),
                    ),
                    ("maxRetries", small_integer("Largest number of retries under way.")),
                ],
            ),
        )],
    )
}

fn load_balancer() -> Node {
    object(
        "How requests are spread over pods.",
        [
            (
                "simple",
                choice(
                    "A plain algorithm.",
                    &["ROUND_ROBIN", "LEAST_CONN", "RANDOM", "PASSTHROUGH", "LEAST_REQUEST"],
                ),
            ),
            ("consistentHash", consistent_hash()),
            ("localityLbSetting", locality()),
            ("warmupDurationSecs", text("How long a new pod is warmed up.")),
        ],
    )
    .exactly_one_of(&[&["simple"], &["consistentHash"]])
    .within("consistentHash", &["httpHeaderName", "httpCookie", "useSourceIp", "httpQueryParameterName"])
}

fn consistent_hash() -> Node {
    object(
        "Requests with the same hash go to the same pod.",
        [
            ("httpHeaderName", text("Header that is hashed.")),
            (
                "httpCookie",
                object(
                    "Cookie that is hashed.",
                    [
                        ("name", text("Name of the cookie.")),
                        ("path", text("Path of the cookie.")),
                        ("ttl", text("Life of the cookie.")),
                    ],
                ),
            ),
            ("useSourceIp", flag("Whether the address of the caller is hashed.")),
            (
                "httpQueryParameterName",
                text("Query parameter that is hashed. Flagger admits and ignores it."),
            ),
            ("minimumRingSize", integer("Smallest number of virtual nodes of the hash ring.")),
        ],
    )
}

fn locality() -> Node {
    let from = || text("Locality that requests come from.");
    object(
        "How localities are preferred.",
        [
            (
                "distribute",
                list(
                    "Shares of localities.",
                    object(
                        "Shares of the requests from one locality.",
                        [("from", from()), ("to", map("Percentage by locality.", integer("")))],
                    ),
                ),
            ),
            ("enabled", flag("Whether localities are looked at.")),
            (
                "failover",
                list(
                    "Where requests go when a locality fails.",
                    object(
                        "Where requests of one region go.",
                        [("from", from()), ("to", text("Region that takes over."))],
                    ),
                ),
            ),
        ],
    )
}

fn outlier_detection() -> Node {
    object(
        "When a pod that answers with errors is left out.",
        [
            ("baseEjectionTime", text("Shortest time for which a pod is left out.")),
            ("consecutive5xxErrors", integer("Number of 5xx answers in a row.")),
            ("consecutiveErrors", small_integer("Number of errors in a row (former name).")),
            ("consecutiveGatewayErrors", small_integer("Number of gateway errors in a row.")),
            (
                "consecutiveLocalOriginFailures",
                small_integer("Number of local failures in a row; needs splitExternalLocalOriginErrors."),
            ),
            ("interval", text("Time between two looks.")),
            ("maxEjectionPercent", small_integer("Largest percentage of pods that may be left out.")),
            ("minHealthPercent", small_integer("Percentage of healthy pods below which none is left out.")),
            ("splitExternalLocalOriginErrors", flag("Whether local failures are counted apart.")),
        ],
    )
}

fn tls() -> Node {
    object(
        "TLS towards the Services.",
        [
            ("mode", choice("Kind of TLS.", &["DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"])),
            ("caCertificates", text("File with the certificates of the authorities.")),
            ("clientCertificate", text("File with the client's certificate; needed for MUTUAL.")),
            ("privateKey", text("File with the client's key; needed for MUTUAL.")),
            ("sni", text("Server name to ask for.")),
            ("subjectAltNames", texts("Names that the server may have.")),
        ],
    )
}
