//! What an answer has to be: `status 200..204, 404`, `json $.items is not empty`, `latency < 500ms`, ….

use std::ops::RangeInclusive;
use std::time::Duration;

use canary_load::{Answer, GrpcCode};
use regex::Regex;
use serde_json::Value;

use crate::quantity::length;
use crate::selector::{Document, Selector, json_path, pattern};

/// What an answer has to be.
#[derive(Clone, Debug)]
pub(crate) enum Check {
    Status(Vec<RangeInclusive<u16>>),
    Grpc(Vec<GrpcCode>),
    Latency(Comparison, Duration),
    Part(Selector, Test),
}

/// What a part of an answer has to be.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    Exists(bool),
    Empty(bool),
    Equal(Value, bool),
    Compare(Comparison, f64),
    Contains(String, bool),
    Matches(Regex),
}

/// How two numbers are to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    More,
    /// `>=`
    AtLeast,
}

impl Comparison {
    /// The one that is written so; `None` for what is none of the four.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "<" => Self::Less,
            "<=" => Self::AtMost,
            ">" => Self::More,
            ">=" => Self::AtLeast,
            _ => return None,
        })
    }

    /// Whether the numbers are so to each other.
    pub fn holds<T: PartialOrd + Copy>(self, left: T, right: T) -> bool {
        match self {
            Self::Less => left < right,
            Self::AtMost => left <= right,
            Self::More => left > right,
            Self::AtLeast => left >= right,
        }
    }
}

/// Words that stand between a part and what it has to be.
const OPERATORS: [&str; 15] = [
    "is not empty",
    "is empty",
    "does not exist",
    "exists",
    "does not contain",
    "contains",
    "matches",
    "==",
    "!=",
    "<=",
    ">=",
    "<",
    ">",
    "is not",
    "is",
];

impl Check {
    /// Reads a check.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is no check; checks are such as \"status 200..204, 404\", \"grpc OK\", \"latency < 500ms\", \"json $.items is not \
                 empty\", \"json $.state == \\\"open\\\"\", \"header ETag exists\" and \"body contains OK\""
            )
        };
        let (kind, rest) = text.trim().split_once(char::is_whitespace).ok_or_else(wrong)?;
        let rest = rest.trim();
        match kind {
            "status" => statuses(rest).map(Self::Status).ok_or_else(wrong),
            "latency" => {
                let (comparison, limit) = rest.split_once(char::is_whitespace).ok_or_else(wrong)?;
                Ok(Self::Latency(Comparison::parse(comparison).ok_or_else(wrong)?, length(limit)?))
            }
            "grpc" => {
                rest.split(',').map(|code| code.trim().parse()).collect::<Result<_, _>>().map(Self::Grpc)
            }
            "body" => Ok(Self::Part(Selector::Body, Test::parse(rest).ok_or_else(wrong)??)),
            "json" | "header" | "cookie" => {
                let (part, condition) = split(rest).ok_or_else(wrong)?;
                if part.is_empty() {
                    return Err(wrong());
                }
                let selector = match kind {
                    "json" => Selector::Json(json_path(part)?),
                    "header" => Selector::Header(part.to_owned()),
                    _ => Selector::Cookie(part.to_owned()),
                };
                Ok(Self::Part(selector, Test::parse(condition).ok_or_else(wrong)??))
            }
            _ => Err(wrong()),
        }
    }

    /// It says which status is right, so that 400 and more may be.
    pub(crate) fn is_about_status(&self) -> bool {
        matches!(self, Self::Status(_) | Self::Grpc(_))
    }

    pub(crate) fn holds(&self, answer: &Answer, document: &mut Document) -> bool {
        match self {
            Self::Status(ranges) => ranges.iter().any(|range| range.contains(&answer.status.as_u16())),
            Self::Grpc(codes) => answer.grpc.as_ref().is_some_and(|status| codes.contains(&status.code)),
            Self::Latency(comparison, limit) => comparison.holds(answer.latency, *limit),
            Self::Part(selector, test) => test.holds(selector.of(answer, document).as_ref()),
        }
    }
}

/// Splits before the first operator that stands outside of quotes and brackets.
fn split(text: &str) -> Option<(&str, &str)> {
    let (mut depth, mut quote) = (0_usize, None);
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (None, '"' | '\'') => quote = Some(character),
            (None, '[' | '(') => depth += 1,
            (None, ']' | ')') => depth = depth.saturating_sub(1),
            (None, ' ') if depth == 0 => {
                let rest = text[at..].trim_start();
                if OPERATORS.iter().any(|operator| strip_word(rest, operator).is_some()) {
                    return Some((text[..at].trim(), rest));
                }
            }
            (Some(_) | None, _) => {}
        }
    }
    None
}

fn strip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let rest = text.strip_prefix(word)?;
    (rest.is_empty() || rest.starts_with(' ')).then(|| rest.trim())
}

fn statuses(text: &str) -> Option<Vec<RangeInclusive<u16>>> {
    let status = |text: &str| text.trim().parse::<u16>().ok().filter(|status| (100..600).contains(status));
    text.split(',')
        .map(|part| match part.split_once("..") {
            Some((from, to)) => {
                let (from, to) = (status(from)?, status(to.trim_start_matches('='))?);
                (from <= to).then_some(from..=to)
            }
            None => status(part).map(|status| status..=status),
        })
        .collect()
}

impl Test {
    /// `None`: it begins with no operator.
    fn parse(text: &str) -> Option<Result<Self, String>> {
        let operator = OPERATORS.iter().find(|operator| strip_word(text, operator).is_some())?;
        let operand = strip_word(text, operator)?;
        let takes_none = matches!(*operator, "is not empty" | "is empty" | "exists" | "does not exist");
        if takes_none != operand.is_empty() {
            return None;
        }
        Some(Ok(match *operator {
            "is not empty" => Self::Empty(false),
            "is empty" => Self::Empty(true),
            "exists" => Self::Exists(true),
            "does not exist" => Self::Exists(false),
            "==" | "is" => Self::Equal(value(operand), true),
            "!=" | "is not" => Self::Equal(value(operand), false),
            "contains" => Self::Contains(unquoted(operand), true),
            "does not contain" => Self::Contains(unquoted(operand), false),
            "matches" => match pattern(&unquoted(operand)) {
                Ok(regex) => Self::Matches(regex),
                Err(why) => return Some(Err(why)),
            },
            comparison => {
                let number = operand.parse().map_err(|_| format!("{operand:?} is no number"));
                match (Comparison::parse(comparison)?, number) {
                    (comparison, Ok(number)) => Self::Compare(comparison, number),
                    (_, Err(why)) => return Some(Err(why)),
                }
            }
        }))
    }

    fn holds(&self, found: Option<&Value>) -> bool {
        match self {
            Self::Exists(wanted) => found.is_some() == *wanted,
            Self::Empty(wanted) => is_empty(found) == *wanted,
            Self::Equal(value, wanted) => found.is_some_and(|found| is_equal(found, value) == *wanted),
            Self::Compare(comparison, number) => {
                found.and_then(as_number).is_some_and(|found| comparison.holds(found, *number))
            }
            Self::Contains(part, wanted) => found.is_some_and(|found| contains(found, part) == *wanted),
            Self::Matches(regex) => found.is_some_and(|found| regex.is_match(&as_text(found))),
        }
    }
}

/// JSON if it is, else a text.
fn value(operand: &str) -> Value {
    serde_json::from_str(operand).unwrap_or_else(|_| unquoted(operand).into())
}

fn unquoted(text: &str) -> String {
    let inner = [('"', '"'), ('\'', '\'')]
        .into_iter()
        .find_map(|(open, close)| text.strip_prefix(open)?.strip_suffix(close));
    inner.unwrap_or(text).to_owned()
}

fn is_empty(found: Option<&Value>) -> bool {
    match found {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(list)) => list.is_empty(),
        Some(Value::Object(map)) => map.is_empty(),
        Some(Value::Bool(_) | Value::Number(_)) => false,
    }
}

/// Headers and cookies are texts: `header x-count == 3` means the text.
fn is_equal(found: &Value, wanted: &Value) -> bool {
    found == wanted
        || as_number(found)
            .zip(wanted.as_f64())
            .is_some_and(|(found, wanted)| (found - wanted).abs() <= f64::EPSILON * wanted.abs())
}

fn as_number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())
}

fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn contains(found: &Value, part: &str) -> bool {
    match found {
        Value::Array(list) => list.iter().any(|item| as_text(item) == part),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            as_text(found).contains(part)
        }
    }
}

#[cfg(test)]
mod tests;
