//! The fields of conditions on requests. The two places that have them admit different ones.

use crate::schema::{Node, flag, integer, list, map, object, text, text_map, texts};

const ONE_OF_THREE: &[&[&str]] = &[&["exact"], &["prefix"], &["regex"]];
const ONE_OF_FOUR: &[&[&str]] = &[&["exact"], &["prefix"], &["suffix"], &["regex"]];

/// `service.match`.
pub(super) fn service_match() -> Node {
    list(
        "Conditions of the generated route; a request that meets one of them is routed.",
        object(
            "A condition: every part of it must be met.",
            [
                ("name", text("A name for the condition.")),
                ("uri", three_ways("Condition on the path.")),
                ("scheme", three_ways("Condition on the scheme.")),
                ("method", three_ways("Condition on the method.")),
                ("authority", three_ways("Condition on the authority.")),
                ("headers", map("Conditions on headers, by lower-case name.", three_ways(""))),
                ("port", integer("Port that the request is for.")),
                ("sourceLabels", text_map("Labels of the calling workload.")),
                ("gateways", texts("Gateways that the condition is for.")),
                ("queryParams", map("Conditions on query parameters, by name.", three_ways(""))),
                ("ignoreUriCase", flag("Whether the case of the path does not matter.").assumed("false")),
                ("withoutHeaders", map("Headers that must not match, by lower-case name.", three_ways(""))),
                ("sourceNamespace", text("Namespace of the calling workload.")),
            ],
        ),
    )
}

/// `analysis.match`.
pub(super) fn analysis_match() -> Node {
    list(
        "Conditions of A/B testing: requests that meet one of them go to the canary. Only with iterations.",
        object(
            "A condition: every part of it must be met.",
            [
                ("headers", map("Conditions on headers, by lower-case name.", four_ways())),
                ("queryParams", map("Conditions on query parameters, by name.", three_ways(""))),
                ("sourceLabels", text_map("Labels of the calling workload; needs the gateway `mesh`.")),
            ],
        ),
    )
}

/// `corsPolicy.allowOrigins[]`.
pub(super) fn origin() -> Node {
    object("A condition on the origin.", three_fields()).exactly_one_of(ONE_OF_THREE)
}

fn three_ways(doc: &'static str) -> Node {
    object(doc, three_fields()).at_most_one_of(ONE_OF_THREE)
}

fn three_fields() -> [(&'static str, Node); 3] {
    [
        ("exact", text("The whole text.")),
        ("prefix", text("Its beginning.")),
        ("regex", text("A regular expression (RE2) for the whole text.")),
    ]
}

fn four_ways() -> Node {
    let [exact, prefix, regex] = three_fields();
    object("", [exact, prefix, ("suffix", text("Its end.")), regex]).exactly_one_of(ONE_OF_FOUR)
}
