//! `html`, `js` and `urlquery`, with the escapes that Go uses.
//! A query is never escaped unless the template asks for it.

use std::fmt::Write as _;

use super::functions::print;
use super::value::Value;
use super::verb::is_printable;

/// The text of the arguments of an escaping function.
pub(super) fn joined(args: &[Value]) -> String {
    // Go: these functions show an absent value as an action does, unlike print.
    let shown: Vec<Value> = args
        .iter()
        .map(|arg| if matches!(arg, Value::Nil) { Value::text("<no value>") } else { arg.clone() })
        .collect();
    print(&shown)
}

pub(super) fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\0' => out.push('\u{fffd}'),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
    out
}

pub(super) fn js(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '\'' | '"' => {
                out.push('\\');
                out.push(c);
            }
            '<' | '>' | '&' | '=' | '\0'..='\u{1f}' => push_unicode_escape(&mut out, c),
            // Go: ASCII is let through from the blank on, other characters if they are printable.
            c if c.is_ascii() || is_printable(c) => out.push(c),
            c => push_unicode_escape(&mut out, c),
        }
    }
    out
}

fn push_unicode_escape(out: &mut String, c: char) {
    // Writing to a string does not fail.
    let _ = write!(out, "\\u{:04X}", u32::from(c));
}

pub(super) fn url_query(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => {
                // Writing to a string does not fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}
