//! Parts of an answer: what checks look at and captures keep.

use std::cell::OnceCell;

use canary_load::Answer;
use jsonpath_rust::parser::model::JpQuery;
use jsonpath_rust::parser::parse_json_path;
use jsonpath_rust::query::{QueryRef, js_path_process};
use regex::Regex;
use serde_json::Value;

/// Letters of a JSON path, and brackets and negations in it.
const LONGEST_PATH: usize = 500;
const MOST_BRACKETS: usize = 32;

/// A part of an answer.
#[derive(Clone, Debug)]
pub(crate) enum Selector {
    Status,
    /// The name of the gRPC status.
    Grpc,
    Json(JpQuery),
    Header(String),
    Cookie(String),
    /// The first group of the pattern in the body; the whole match when it has none.
    Regex(Regex),
    Body,
}

/// The body as JSON, read at most once for an answer.
#[derive(Default)]
pub(crate) struct Document(OnceCell<Option<Value>>);

impl Document {
    fn of(&mut self, answer: &Answer) -> Option<&Value> {
        self.0.get_or_init(|| serde_json::from_slice(&answer.body).ok()).as_ref()
    }
}

/// Reads a JSON path.
pub(crate) fn json_path(path: &str) -> Result<JpQuery, String> {
    // The parser goes deeper with each bracket, and a stack that is used up ends the process.
    if path.len() > LONGEST_PATH || path.matches(['(', '[', '!']).count() > MOST_BRACKETS {
        return Err(format!(
            "a JSON path has {LONGEST_PATH} letters and {MOST_BRACKETS} brackets at the most; it has {} letters",
            path.len()
        ));
    }
    parse_json_path(path).map_err(|_| format!("{path:?} is no JSON path; paths are such as $.items[0].id"))
}

/// Reads a pattern.
pub(crate) fn pattern(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| {
        let why = error.to_string();
        format!("{text:?} is no pattern: {}", why.lines().last().unwrap_or_default())
    })
}

impl Selector {
    /// Reads what a capture keeps.
    pub(crate) fn of_capture(text: &str) -> Result<Self, String> {
        let (kind, rest) = text.trim().split_once(char::is_whitespace).unwrap_or((text.trim(), ""));
        let rest = rest.trim();
        match (kind, rest.is_empty()) {
            ("status", true) => Ok(Self::Status),
            ("grpc", true) => Ok(Self::Grpc),
            ("json", false) => json_path(rest).map(Self::Json),
            ("header", false) => Ok(Self::Header(rest.to_owned())),
            ("cookie", false) => Ok(Self::Cookie(rest.to_owned())),
            ("regex", false) => pattern(rest).map(Self::Regex),
            _ => Err(format!(
                "{text:?} is no capture; captures are \"json $.id\", \"header ETag\", \"regex id=([0-9]+)\", \"cookie \
                 session\", \"status\" and \"grpc\""
            )),
        }
    }

    /// The part of an answer, if it has it. Several values of a path are a list.
    pub(crate) fn of(&self, answer: &Answer, document: &mut Document) -> Option<Value> {
        match self {
            Self::Status => Some(answer.status.as_u16().into()),
            Self::Grpc => answer.grpc.as_ref().map(|status| status.code.as_str().into()),
            Self::Body => Some(String::from_utf8_lossy(&answer.body).into()),
            Self::Header(name) => answer
                .headers
                .get(name.as_str())
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into()),
            Self::Cookie(name) => cookie(answer, name).map(Value::from),
            Self::Regex(regex) => {
                let body = String::from_utf8_lossy(&answer.body);
                let found = regex.captures(&body)?;
                found.get(1).or_else(|| found.get(0)).map(|part| part.as_str().into())
            }
            Self::Json(path) => {
                let mut found =
                    js_path_process(path, document.of(answer)?).ok()?.into_iter().map(QueryRef::val);
                let first = found.next()?.clone();
                let rest: Vec<Value> = found.cloned().collect();
                Some(if rest.is_empty() {
                    first
                } else {
                    Value::Array(std::iter::once(first).chain(rest).collect())
                })
            }
        }
    }
}

fn cookie(answer: &Answer, name: &str) -> Option<String> {
    answer.headers.get_all("set-cookie").iter().find_map(|cookie| {
        let text = String::from_utf8_lossy(cookie.as_bytes()).into_owned();
        let (known, value) = text.split(';').next()?.split_once('=')?;
        (known.trim() == name).then(|| value.trim().to_owned())
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use super::*;

    pub(crate) fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> Answer {
        let mut all = http::HeaderMap::new();
        for (name, value) in headers {
            all.append(*name, value.parse().unwrap());
        }
        Answer {
            status: http::StatusCode::from_u16(status).unwrap(),
            headers: all,
            grpc: None,
            body: bytes::Bytes::copy_from_slice(body.as_bytes()),
            length: u64::try_from(body.len()).unwrap(),
            latency: Duration::from_millis(20),
        }
    }

    fn capture(text: &str, answer: &Answer) -> Option<Value> {
        Selector::of_capture(text).unwrap().of(answer, &mut Document::default())
    }

    #[test]
    fn parts_of_an_answer_are_found_or_not() {
        let answer = answer(
            201,
            &[("etag", "abc"), ("set-cookie", "a=1; Path=/"), ("set-cookie", "session=xyz; Secure")],
            r#"{"id": 7, "items": [{"id": "x"}, {"id": "y"}]}"#,
        );
        for (text, value) in [
            ("status", Some(Value::from(201))),
            ("json $.id", Some(7.into())),
            ("json $.items[0].id", Some("x".into())),
            ("json $.items[*].id", Some(serde_json::json!(["x", "y"]))),
            ("json $.other", None),
            ("header ETag", Some("abc".into())),
            ("header x-other", None),
            ("cookie session", Some("xyz".into())),
            ("cookie other", None),
            (r#"regex "id": "(\w)""#, Some("x".into())),
            ("regex [0-9]", Some("7".into())),
            ("regex none", None),
        ] {
            assert_eq!(capture(text, &answer), value, "{text}");
        }
    }

    /// On a stack as small as those of threads are.
    #[test]
    fn a_path_as_deep_as_it_may_be_does_not_use_up_a_stack_and_a_deeper_one_is_refused() {
        let nested = |open: &str, close: &str, times: usize| {
            format!("$[?{}@.a{}]", open.repeat(times), close.repeat(times))
        };
        for (open, close) in [("(", ")"), ("!(", ")"), ("@[?", "]"), ("!", "")] {
            let times = (MOST_BRACKETS - 1) / open.matches(['(', '[', '!']).count();
            let _ = json_path(&nested(open, close, times));
            for times in [1000, 100_000] {
                let why = json_path(&nested(open, close, times)).unwrap_err();
                assert!(why.contains("32 brackets at the most"), "{why}");
            }
        }
        assert!(json_path("$.items[?(@.price < 10 && (@.a[0] || !@.b))].id").is_ok());
        assert!(json_path(&format!("$.{}", "a".repeat(600))).unwrap_err().contains("500 letters"));
    }

    #[test]
    fn malformed_captures_say_what_captures_are() {
        for text in ["", "json", "status 200", "xml /a", "header"] {
            assert!(Selector::of_capture(text).unwrap_err().contains("captures are"), "{text}");
        }
        assert!(Selector::of_capture("json items[").unwrap_err().contains("$.items[0].id"));
        assert!(Selector::of_capture("regex (").unwrap_err().contains("is no pattern"));
    }
}
