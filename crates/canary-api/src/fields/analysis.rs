//! The fields of `Canary.spec.analysis`.

use super::{MINUTES_OR_SECONDS, matching};
use crate::schema::{Node, choice, flag, list, number, object, text, text_map, whole};

const PERCENTAGE: &str = "a whole number between 1 and 100";

pub(super) fn analysis() -> Node {
    object(
        "How a new revision is judged, and how it gets its traffic. Exactly one of iterations, stepWeight and stepWeights.",
        [
            (
                "interval",
                text("Time between two steps, 10 s at least.").pattern(MINUTES_OR_SECONDS).assumed("60s"),
            ),
            (
                "threshold",
                whole("Number of failed checks at which the revision is rolled back.")
                    .expects("a whole number of at least 1")
                    .assumed("1"),
            ),
            (
                "iterations",
                whole("Number of steps of A/B testing (with match) or of blue/green.")
                    .expects("a whole number of at least 1")
                    .assumed("0"),
            ),
            (
                "stepWeight",
                whole("Percentage points of traffic that the canary gets more at each step.")
                    .expects(PERCENTAGE)
                    .assumed("0"),
            ),
            (
                "stepWeights",
                list("Percentages of traffic that the canary gets, step by step.", whole("").expects(PERCENTAGE)),
            ),
            (
                "maxWeight",
                whole("Percentage of traffic at which the promotion starts. With stepWeights it is the last of them.")
                    .expects(PERCENTAGE)
                    .assumed("100"),
            ),
            (
                "stepWeightPromotion",
                whole("Percentage points of traffic that go back to the primary at each step of the promotion.")
                    .expects(PERCENTAGE)
                    .assumed("0, which is all in one step"),
            ),
            (
                "mirror",
                flag("Whether requests are copied to the canary before it gets traffic (during blue/green).")
                    .assumed("false"),
            ),
            (
                "mirrorWeight",
                whole("Percentage of the requests that are copied.").expects(PERCENTAGE).assumed("0, which is all"),
            ),
            (
                "primaryReadyThreshold",
                whole("Percentage of the primary's pods that must be available.").expects(PERCENTAGE).assumed("100"),
            ),
            (
                "canaryReadyThreshold",
                whole("Percentage of the target's pods that must be available.").expects(PERCENTAGE).assumed("100"),
            ),
            ("match", matching::analysis_match()),
            ("metrics", list("Checks of every step, in this order.", metric())),
            (
                "alerts",
                list("Who is told what. When there is one, the global notifier is not used.", alert()),
            ),
            ("webhooks", list("Hooks that are called along the way, in this order.", webhook())),
            ("sessionAffinity", session_affinity()),
        ],
    )
    .exactly_one_of(&[
        &["interval", "threshold", "iterations"],
        &["interval", "threshold", "stepWeight"],
        &["interval", "threshold", "stepWeights"],
    ])
}

fn metric() -> Node {
    object(
        "A check.",
        [
            (
                "name",
                text("`request-success-rate` and `request-duration` are built in; any other name is a label.").required(),
            ),
            (
                "interval",
                text("Window of the query.")
                    .pattern(MINUTES_OR_SECONDS)
                    .assumed("1m for built-in and inline queries, empty for templates"),
            ),
            (
                "threshold",
                number("The smallest good success rate, or the largest good value of anything else. Use thresholdRange.")
                    .assumed("0"),
            ),
            (
                "thresholdRange",
                object(
                    "The good values, both ends included.",
                    [("min", number("Smallest good value.")), ("max", number("Largest good value."))],
                ),
            ),
            ("query", text("A Prometheus query. Use a MetricTemplate.")),
            (
                "templateRef",
                object(
                    "The MetricTemplate that is asked.",
                    [
                        ("name", text("Name of the MetricTemplate.").required()),
                        ("namespace", text("Namespace of the MetricTemplate.").assumed("that of the canary")),
                    ],
                ),
            ),
            ("templateVariables", text_map("What the template knows as `variables`.")),
        ],
    )
}

fn alert() -> Node {
    object(
        "A rule for alerts.",
        [
            ("name", text("A name, for people.").required()),
            (
                "severity",
                choice("The least urgent alerts that are sent.", &["", "info", "warn", "error"])
                    .assumed("info"),
            ),
            (
                "providerRef",
                object(
                    "The AlertProvider that delivers.",
                    [
                        ("name", text("Name of the AlertProvider.").required()),
                        ("namespace", text("Namespace of the AlertProvider.").assumed("that of the canary")),
                    ],
                )
                .required(),
            ),
        ],
    )
}

fn webhook() -> Node {
    object(
        "A hook.",
        [
            ("name", text("A name, for people.").required()),
            (
                "type",
                choice(
                    "When it is called.",
                    &[
                        "",
                        "confirm-rollout",
                        "pre-rollout",
                        "rollout",
                        "confirm-promotion",
                        "post-rollout",
                        "event",
                        "rollback",
                        "confirm-traffic-increase",
                    ],
                )
                .assumed("rollout"),
            ),
            (
                "muteAlert",
                flag("Whether no alert is sent while this hook keeps the rollout waiting.").assumed("false"),
            ),
            (
                "url",
                text("Where to POST. A gate (confirm-...) without one is opened by a person alone.").hidden(),
            ),
            ("timeout", text("Time limit of each attempt.").pattern(MINUTES_OR_SECONDS).assumed("10s")),
            (
                "retries",
                whole("Number of further attempts.").expects("a whole number of at least 0").assumed("0"),
            ),
            ("disableTLS", flag("Whether the certificate of the receiver is not verified.").assumed("false")),
            ("metadata", text_map("What is sent along.")),
        ],
    )
}

fn session_affinity() -> Node {
    object(
        "Keeps a client on the version that it met first, by a cookie.",
        [
            ("cookieName", text("Name of the canary's cookie.").required()),
            (
                "primaryCookieName",
                text("Name of the primary's cookie, another one than cookieName.")
                    .assumed("none; clients of the primary are not kept there"),
            ),
            ("domain", text("Attribute Domain of the cookies.")),
            ("httpOnly", flag("Attribute HttpOnly of the cookies.").assumed("false")),
            (
                "maxAge",
                whole(
                    "Life of the canary's cookie in seconds. The primary's lives for the analysis interval.",
                )
                .default(86400)
                .expects("a whole number of seconds"),
            ),
            ("partitioned", flag("Attribute Partitioned of the cookies.").assumed("false")),
            ("path", text("Attribute Path of the cookies.")),
            ("sameSite", choice("Attribute SameSite of the cookies.", &["Strict", "Lax", "None"])),
            ("secure", flag("Attribute Secure of the cookies.").assumed("false")),
        ],
    )
}
