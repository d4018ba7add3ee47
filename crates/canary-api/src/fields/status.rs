//! The fields of `Canary.status`. The controller writes them, nobody else.

use crate::schema::{Node, choice, list, object, text, text_map, whole};

/// The values of `status.phase`, in the order of a life.
const PHASES: &[&str] = &[
    "",
    "Initializing",
    "Initialized",
    "Waiting",
    "Progressing",
    "WaitingPromotion",
    "Promoting",
    "Finalising",
    "Succeeded",
    "Failed",
    "Terminating",
    "Terminated",
];

pub(super) fn canary_status() -> Node {
    object(
        "Where the rollout stands.",
        [
            ("phase", choice("Position of the rollout.", PHASES)),
            ("failedChecks", whole("Number of failed checks of the running analysis.")),
            ("canaryWeight", whole("Percentage of traffic that the last step gave to the canary.")),
            (
                "iterations",
                whole("Number of iterations done; -1 while a weighted canary waits for its promotion."),
            ),
            (
                "trackedConfigs",
                text_map(
                    "Checksums of the target's configuration, by `configmap/<name>` or `secret/<name>`.",
                ),
            ),
            ("lastAppliedSpec", text("Hash of the revision of the last rollout.")),
            ("lastPromotedSpec", text("Hash of the revision that the primary was last promoted to.")),
            ("lastTransitionTime", text("When this status was last written.").format("date-time")),
            ("sessionAffinityCookie", text("Cookie of the canary, `name=value`.")),
            ("primarySessionAffinityCookie", text("Cookie of the primary, `name=value`.")),
            ("previousSessionAffinityCookie", text("Cookie of the canary before, `name=value`.")),
            (
                "conditions",
                list(
                    "The conditions `Promoted` and, if a metric failed in this rollout, `MetricCheckFailed`.",
                    object(
                        "A condition.",
                        [
                            ("type", text("Name of the condition.").required()),
                            ("status", text("`True`, `False` or `Unknown`.").required()),
                            ("reason", text("Name of the phase, or of the trouble.").required()),
                            ("message", text("A sentence.")),
                            (
                                "lastUpdateTime",
                                text("When the condition was last written.").format("date-time"),
                            ),
                            ("lastTransitionTime", text("When its status last changed.").format("date-time")),
                        ],
                    ),
                ),
            ),
        ],
    )
}
