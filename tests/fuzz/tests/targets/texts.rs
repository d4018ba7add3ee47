//! Texts in fields: query templates and durations.

use std::time::Duration;

use canary_api::GoDuration;
use canary_fuzz::Target;
use canary_metrics::{QueryModel, Template};

#[test]
fn fuzz_templates() {
    const WORDS: &[&str] = &[
        "{{",
        "}}",
        "{{-",
        "-}}",
        "namespace",
        "target",
        "interval",
        "variables.zone",
        "if",
        "else",
        "end",
        "range",
        "with",
        "define",
        "template",
        "block",
        "break",
        "continue",
        "printf",
        "%s",
        "%q",
        "%v",
        "%999999999d",
        "%[3]*.[2]*[1]f",
        "len",
        "index",
        "slice",
        "eq",
        "lt",
        "and",
        "or",
        "not",
        "urlquery",
        "js",
        "html",
        "$x :=",
        "$x =",
        "|",
        "\"\\x\"",
        "'a'",
    ];
    let mut model = QueryModel { namespace: "shop".into(), ..QueryModel::default() };
    model.variables.insert("zone".into(), "a".into());
    model.variables.insert("long".into(), "é\"'<>&{{ }}".repeat(100));
    Target::new("templates").with_words(WORDS).run(|input| {
        let Ok(text) = std::str::from_utf8(input) else { return };
        if let Ok(template) = Template::parse(text)
            && let Ok(query) = template.render(&model)
        {
            assert!(query.len() <= 256 * 1024, "a query of {} bytes", query.len());
        }
    });
}

#[test]
fn fuzz_durations() {
    const WORDS: &[&str] =
        &["ns", "us", "µs", "μs", "ms", "s", "m", "h", "d", ".", "9223372036854775807ns", "+"];
    Target::new("durations").with_words(WORDS).run(|input| {
        let Ok(text) = std::str::from_utf8(input) else { return };
        if let Ok(duration) = text.parse::<GoDuration>() {
            let again: GoDuration = duration.to_string().parse().unwrap();
            assert_eq!(again, duration, "{text:?} is shown as another duration");
            assert!(duration.as_nanos() > 0 || duration.to_std() == Duration::ZERO);
        }
    });
}
