//! The fields of `MetricTemplate.spec`.

use crate::schema::{Node, choice, flag, list, map, object, text};

/// The values of `spec.provider.type` that the API server lets through.
const PROVIDERS: &[&str] = &[
    "prometheus",
    "influxdb",
    "datadog",
    "externalmetrics",
    "stackdriver",
    "cloudwatch",
    "newrelic",
    "graphite",
    "dynatrace",
    "keptn",
    "splunk",
    // Ours.
    "loadtest",
];

pub(super) fn metric_template_spec() -> Node {
    object(
        "A question to a metrics backend that has one number as its answer.",
        [
            (
                "provider",
                object(
                    "The backend that is asked.",
                    [
                        ("type", choice("Kind of backend.", PROVIDERS).open().required()),
                        ("address", text("Base URL of the backend.").hidden()),
                        (
                            "headers",
                            map(
                                "Further HTTP headers, each with its values.",
                                list("", text("").hidden()).hidden(),
                            )
                            .hidden(),
                        ),
                        (
                            "secretRef",
                            object(
                                "The Secret with the credentials, in the namespace of this object.",
                                [("name", text("Name of the Secret.").required())],
                            ),
                        ),
                        ("region", text("Region of the backend (CloudWatch).")),
                        (
                            "insecureSkipVerify",
                            flag("Whether the certificate of the backend is not verified.").assumed("false"),
                        ),
                    ],
                )
                .required(),
            ),
            (
                "query",
                text("The query, a template in which `{{ target }}` stands for the name of the target.")
                    .required(),
            ),
        ],
    )
}
