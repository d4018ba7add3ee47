//! JSON as one text per value: keys sorted, no blanks, escaped as Go's encoder does, since checksums in the status of
//! existing canaries were made from Go's text. Not for anything that people read.

use std::fmt::Write as _;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// The canonical text of `value`.
pub(crate) fn text(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

/// The first 16 hexadecimal digits of the SHA-256 of the canonical text.
pub(crate) fn digest(value: &Value) -> String {
    let hash = Sha256::digest(text(value).as_bytes());
    hash.iter().take(8).fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            let _ = write!(out, "{value}");
        }
        Value::String(text) => quote(text, out),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            // Sorted here, because the map's own order depends on a feature that any crate may turn on.
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (index, (key, field)) in fields.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                quote(key, out);
                out.push(':');
                write(field, out);
            }
            out.push('}');
        }
    }
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn checksums_are_those_of_flagger() {
        for (value, expected) in [
            (json!(null), "74234e98afe7498f"),
            (json!({"color": "red"}), "241889ca0604e333"),
            (json!({"apiKey": "dGVzdA=="}), "3930f0692c2295eb"),
        ] {
            assert_eq!(digest(&value), expected, "{value}");
        }
    }

    #[test]
    fn strings_are_escaped_as_go_does() {
        let value = json!("<&> \u{2028}\u{2029} \u{8}\u{c}\n\r\t\"\\ \u{1}\u{1f} /\u{7f}é😀");
        let expected =
            "\"\\u003c\\u0026\\u003e \\u2028\\u2029 \\b\\f\\n\\r\\t\\\"\\\\ \\u0001\\u001f /\u{7f}é😀\"";
        assert_eq!(text(&value), expected);
    }

    #[test]
    fn keys_are_sorted_at_every_level() {
        assert_eq!(
            text(&json!({"b": [{"z": 1, "a": null}], "a": true})),
            r#"{"a":true,"b":[{"a":null,"z":1}]}"#
        );
    }
}
