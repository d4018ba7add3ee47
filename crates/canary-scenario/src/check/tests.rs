use super::*;
use crate::selector::tests::answer;

fn holds(text: &str) -> bool {
    let answer = answer(
        204,
        &[("etag", "v7"), ("x-count", "3"), ("set-cookie", "session=abc")],
        r#"{"items": [1, 2], "none": [], "state": "open", "total": 12, "tags": ["a", "b"], "deep": [{"is": "x y"}]}"#,
    );
    Check::parse(text).unwrap_or_else(|why| panic!("{why}")).holds(&answer, &mut Document::default())
}

#[test]
fn checks_hold_or_not() {
    for (text, wanted) in [
        ("status 204", true),
        ("status 200", false),
        ("status 200..204, 404", true),
        ("status 404, 500..599", false),
        ("latency < 500ms", true),
        ("latency <= 20ms", true),
        ("latency < 20ms", false),
        ("json $.items is not empty", true),
        ("json $.none is not empty", false),
        ("json $.none is empty", true),
        ("json $.missing is empty", true),
        ("json $.missing exists", false),
        ("json $.missing does not exist", true),
        ("json $.state == open", true),
        ("json $.state == \"open\"", true),
        ("json $.state != open", false),
        ("json $.state is open", true),
        ("json $.total == 12", true),
        ("json $.total > 11.5", true),
        ("json $.total <= 11", false),
        ("json $.missing > 1", false),
        ("json $.tags contains b", true),
        ("json $.tags does not contain c", true),
        ("json $.state matches ^o.*n$", true),
        ("json $.deep[?(@.is == 'x y')] is not empty", true),
        ("header ETag exists", true),
        ("header etag == v7", true),
        ("header x-count == 3", true),
        ("header x-count < 3", false),
        ("cookie session == abc", true),
        ("body contains \"state\": \"open\"", true),
        ("body does not contain error", true),
        ("body matches \"total\": [0-9]+", true),
        ("body is empty", false),
    ] {
        assert_eq!(holds(text), wanted, "{text}");
    }
}

#[test]
fn malformed_checks_say_what_checks_are() {
    for (text, why) in [
        ("", "checks are such as"),
        ("status", "checks are such as"),
        ("status OK", "checks are such as"),
        ("status 204..200", "checks are such as"),
        ("status 2xx", "checks are such as"),
        ("latency < 500", "500ms"),
        ("latency 500ms", "checks are such as"),
        ("json $.items", "checks are such as"),
        ("json $.items exists now", "checks are such as"),
        ("json $.items ==", "checks are such as"),
        ("json items exists", "JSON path"),
        ("json $.n < many", "is no number"),
        ("body matches (", "is no pattern"),
        ("headers a exists", "checks are such as"),
    ] {
        let error = Check::parse(text).unwrap_err();
        assert!(error.contains(why), "{text}: {error}");
    }
}
