//! What templates mean: recorded from Go, and the bounds that Go does not have.

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

/// A template and what Go makes of it; `tests/templates/record.go` writes these.
#[derive(Deserialize)]
struct Vector {
    template: String,
    output: Option<String>,
    fails: Option<String>,
}

/// The model of the recordings.
fn model() -> QueryModel {
    let variables = [("zone", "a"), ("code", "5.."), ("empty", ""), ("text", "é<b>'&\"\\ x")];
    QueryModel {
        name: "podinfo".into(),
        namespace: "test".into(),
        target: "podinfo-target".into(),
        service: "podinfo-svc".into(),
        ingress: "podinfo-ing".into(),
        route: "podinfo-route".into(),
        interval: "1m".into(),
        variables: variables.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
    }
}

fn render(text: &str) -> Result<String, TemplateError> {
    Template::parse(text)?.render(&model())
}

/// Templates on which this engine differs from Go on purpose.
const DIFFERENT: &[(&str, &str)] = &[
    ("{{ 9223372036854775808 }}", "line 1, column 4: integer overflow"), // which Go finds only when it renders
    (r#"{{ "\xff" | len }}"#, "is not UTF-8"),
    ("{{ 1i }}", "complex numbers are not supported"),
    ("{{ 1+2i }}", r#"unexpected "+2i" in operand"#),
    ("{{ 0x1p4 }}", "hexadecimal floating-point numbers are not supported"),
];

#[test]
fn templates_mean_what_they_mean_in_go() {
    let vectors: Vec<Vector> =
        serde_json::from_str(include_str!("../../tests/templates/vectors.json")).unwrap();
    let mut wrong = Vec::new();
    for Vector { template, output, fails } in vectors {
        if DIFFERENT.iter().any(|(different, _)| *different == template) {
            continue;
        }
        let got = render(&template);
        let agrees = match (&got, fails.as_deref()) {
            (Ok(text), None) => Some(text) == output.as_ref(),
            (Err(TemplateError::Syntax { .. }), fails) => fails == Some("parse"),
            (Err(TemplateError::Render { .. }), fails) => fails == Some("render"),
            _ => false,
        };
        if !agrees {
            wrong
                .push(format!("{template}\n   Go: {}\n   we: {got:?}", output.or(fails).unwrap_or_default()));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn where_it_differs_from_go_it_says_why() {
    for (template, problem) in DIFFERENT {
        let text = render(template).unwrap_or_else(|error| error.to_string());
        assert!(text.contains(problem), "{template}: {text}");
    }
}

#[test]
fn errors_say_where_and_what_was_expected() {
    let table = [
        ("a\nb {{ target", r#"line 2, column 12: unclosed action; expected "}}""#),
        ("{{ target | } }}", "line 1, column 13: unexpected '}' in command; expected a value or a function"),
        ("{{ if true }}x", "line 1, column 15: unexpected end of template in block; expected {{end}}"),
        (
            "é{{ nam }}",
            r#"line 1, column 5: function "nam" not defined; known are: ingress, interval, name,"#,
        ),
        ("{{ my-name }}", r#"line 1, column 6: bad character '-' after "my""#),
        ("{{ $x }}", r#"line 1, column 4: undefined variable "$x""#),
        (
            "{{ template x }}",
            r#"unexpected "x" in template clause; expected the name of a template in quotes"#,
        ),
        ("{{ variables.nope }}", r#"line 1, column 4: map has no entry for key "nope""#),
        ("a {{ .Values }}", r#"line 1, column 6: nil data; no entry for key "Values""#),
        ("{{ name 1 }}", "line 1, column 4: wrong number of arguments for name: want 0, got 1"),
        ("{{ slice \"é\" 1 }}", "line 1, column 4: slice: slice 1:2 cuts a character of \"é\" in two"),
    ];
    for (template, text) in table {
        let error = render(template).unwrap_err().to_string();
        assert!(error.contains(text), "{template}: {error}");
    }
}

#[test]
fn no_template_runs_for_ever_or_fills_the_memory() {
    let nested = |open: &str, close: &str| format!("{}1{}", open.repeat(200), close.repeat(200));
    let calls = (0..99).fold(String::new(), |calls, n| {
        let next = format!(r#"{{{{ template "{}" }}}}"#, n + 1);
        format!(r#"{calls}{{{{ define "{n}" }}}}{next}{next}{{{{ end }}}}"#)
    });
    let table = [
        (r#"{{ define "a" }}{{ template "a" }}{{ end }}{{ template "a" }}"#.to_owned(), "levels deep"),
        (format!(r#"{calls}{{{{ define "99" }}}}{{{{ end }}}}{{{{ template "0" }}}}"#), "steps"),
        (r#"{{ $x := "a" }}{{ range 100 }}{{ $x = print $x $x }}{{ end }}"#.into(), "print writes more than"),
        (
            r#"{{ $x := printf "%200000d" 1 }}{{ range 100000 }}{{ if eq $x $x }}{{ end }}{{ end }}"#.into(),
            "steps",
        ),
        (r#"{{ printf "%999999d%999999d" 1 1 }}"#.into(), "printf writes more than"),
        (r#"{{ printf "%.999999f" 1.5 }}"#.into(), "printf writes more than"),
        ("{{ range 9000000000000 }}{{ end }}".into(), "steps"),
        ("{{ range 9000000000000 }}text{{ end }}".into(), "longer than"),
        (nested("{{ if true }}", "{{ end }}"), "levels deep"),
        (format!("{{{{ print {} }}}}", nested("(", ")")), "levels deep"),
        (format!("{}{}", "{{ if 0 }}{{ else if 0 }}".repeat(200), "{{ end }}".repeat(200)), "levels deep"),
        ("x".repeat(MAX_SOURCE + 1), "more than the 262144 that are allowed"),
    ];
    for (template, problem) in table {
        let error = render(&template).unwrap_err().to_string();
        assert!(error.contains(problem), "{}: {error}", &template[..60]);
    }
}

#[test]
fn the_deepest_nesting_fits_a_small_stack() {
    let depth = MAX_DEPTH - 1;
    let blocks = format!("{}x{}", "{{ if true }}".repeat(depth), "{{ end }}".repeat(depth));
    let parens = format!("{{{{ print {}1{} }}}}", "(".repeat(depth), ")".repeat(depth));
    let small = std::thread::Builder::new().stack_size(1024 * 1024);
    let rendered = small.spawn(move || (render(&blocks), render(&parens))).unwrap().join().unwrap();
    assert_eq!(rendered, (Ok("x".into()), Ok("1".into())));
}

proptest! {
    #[test]
    fn any_text_is_rendered_or_refused(text in ".*") {
        let _ = render(&text);
    }

    #[test]
    fn any_action_is_rendered_or_refused(
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                "{{", "}}", "{{-", "-}}", " ", "\n", "|", "(", ")", ",", ":=", "=", "$", "$x", ".", ".zone", "..", "nil", "true",
                "if", "else", "end", "range", "with", "define", "template", "block", "break", "continue", "print", "printf",
                "and", "or", "not", "eq", "lt", "index", "slice", "len", "html", "call", "name", "variables", "\"zone\"",
                "\"%d %[2]*.[1]*f %q\"", "`raw`", "'c'", "0", "1", "-7", "0x1F", "1.5e3", "/*", "*/", "é", "\\", "\"", "text",
            ]),
            0..40,
        )
    ) {
        let _ = render(&pieces.concat());
        let _ = render(&format!("{{{{ {} }}}}", pieces.join(" ")));
    }

    #[test]
    fn any_format_is_shown(format in "[%#0+\\- 0-9.*\\[\\]a-zA-Zé]{0,24}", number: i64, float: f64, text in ".{0,8}") {
        let arguments = [
            value::Value::Int(number),
            value::Value::Float(float),
            value::Value::text(text),
            value::Value::Nil,
            value::Value::Byte(7),
            value::Value::Bool(true),
        ];
        let _ = printf::sprintf(&format, &arguments);
        let _ = printf::sprintf(&format, &arguments[1..]);
        let _ = printf::sprintf(&format, &arguments[2..]);
    }
}
