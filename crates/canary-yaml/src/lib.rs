#![doc = include_str!("../README.md")]

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

/// Where the parts of a value stand; not what they mean. Lines are counted from 1.
#[derive(Clone, Debug, Default)]
pub struct Lines(Part);

/// A value with the lines of its parts.
#[derive(Clone, Debug, Default)]
enum Part {
    Map(Vec<(String, At, Part)>),
    List(Vec<(At, Part)>),
    #[default]
    Scalar,
}

/// Levels of mappings and lists: each takes its part of a stack, and threads have small ones.
const MOST_DEPTH: usize = 40;

/// Line and column, from 1.
type At = (usize, usize);

impl Lines {
    /// Of a text; empty when it is no YAML, or nested more than 40 levels deep.
    pub fn of(text: &str) -> Self {
        let options = serde_saphyr::options! { budget: serde_saphyr::budget! { max_depth: MOST_DEPTH } };
        let part = serde_saphyr::from_str_with_options::<Spanned<Part>>(text, options);
        Self(part.map(|part| part.value).unwrap_or_default())
    }

    /// The line of a field such as `flows[0].name`, or of the nearest parent that exists.
    pub fn line(&self, field: &str) -> usize {
        let (mut at, mut line) = (&self.0, 1);
        for step in field.split(['.', '[']).map(|step| step.trim_end_matches(']')) {
            let next = match at {
                Part::Map(entries) => {
                    entries.iter().find(|(key, ..)| key == step).map(|(_, (line, _), part)| (line, part))
                }
                Part::List(items) => step
                    .parse::<usize>()
                    .ok()
                    .and_then(|n| items.get(n))
                    .map(|((line, _), part)| (line, part)),
                Part::Scalar => None,
            };
            let Some((found, part)) = next else { break };
            (at, line) = (part, *found);
        }
        line
    }

    /// The deepest field that begins at or before a column of a line.
    pub fn field(&self, line: usize, column: usize) -> String {
        let place = (line, column);
        let (mut at, mut path) = (&self.0, String::new());
        loop {
            let next = match at {
                Part::Map(entries) => {
                    entries.iter().rev().find(|(_, begins, _)| *begins <= place).map(|(key, _, part)| {
                        let dot = if path.is_empty() { "" } else { "." };
                        (format!("{dot}{key}"), part)
                    })
                }
                Part::List(items) => items
                    .iter()
                    .enumerate()
                    .rev()
                    .find(|(_, (begins, _))| *begins <= place)
                    .map(|(n, (_, part))| (format!("[{n}]"), part)),
                Part::Scalar => None,
            };
            let Some((step, part)) = next else { return path };
            path.push_str(&step);
            at = part;
        }
    }
}

fn begin<T>(part: &Spanned<T>) -> At {
    at(part.referenced)
}

fn at(place: Location) -> At {
    let number = |number: u64| usize::try_from(number).unwrap_or(1).max(1);
    (number(place.line()), number(place.column()))
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts;

        impl<'de> Visitor<'de> for Parts {
            type Value = Part;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Part, A::Error> {
                let mut entries = Vec::new();
                while let Some(key) = map.next_key::<Spanned<String>>()? {
                    let at = begin(&key);
                    entries.push((key.value, at, map.next_value()?));
                }
                Ok(Part::Map(entries))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Part, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element::<Spanned<Part>>()? {
                    items.push((begin(&item), item.value));
                }
                Ok(Part::List(items))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Part, E> {
                Ok(Part::Scalar)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Part, E> {
                Ok(Part::Scalar)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Part, E> {
                Ok(Part::Scalar)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Part, E> {
                Ok(Part::Scalar)
            }

            fn visit_str<E>(self, _: &str) -> Result<Part, E> {
                Ok(Part::Scalar)
            }

            fn visit_unit<E>(self) -> Result<Part, E> {
                Ok(Part::Scalar)
            }

            fn visit_none<E>(self) -> Result<Part, E> {
                Ok(Part::Scalar)
            }

            fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Part, D::Error> {
                Part::deserialize(inner)
            }
        }

        deserializer.deserialize_any(Parts)
    }
}

/// What a parser found wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub why: String,
}

impl Fault {
    /// Of an error of the parser.
    pub fn of(error: &serde_saphyr::Error) -> Self {
        let (line, column) = error.location().map_or((1, 1), at);
        let text = error.to_string();
        let text = text.lines().next().unwrap_or_default();
        let text = text.strip_prefix("error: ").unwrap_or(text);
        let text = match text.split_once(": ") {
            Some((position, rest)) if position.starts_with("line ") => rest,
            _ => text,
        };
        let why = match text.strip_prefix("invalid ").map(|kind| kind.split(' ').next().unwrap_or_default()) {
            Some("floating") => "it takes a number such as 1 or 0.5",
            Some("u8" | "u16" | "u32" | "u64" | "usize") => "it takes a whole number such as 10",
            Some("boolean" | "bool") => "it takes true or false",
            _ => text,
        };
        Self { line, column, why: why.to_owned() }
    }
}

/// Line and text of what a parser found wrong.
pub fn fault(error: &serde_saphyr::Error) -> (usize, String) {
    let Fault { line, why, .. } = Fault::of(error);
    (line, why)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const TEXT: &str =
        "name: a\nflows:\n- name: b\n  steps:\n  - get: /\n  - {get: /x,\n     check: [\"status 200\"]}\n";

    #[test]
    fn a_text_that_is_nested_deeply_has_no_lines_and_takes_no_stack() {
        let nested = |depth: usize| format!("a: 1\nb: {}1{}\n", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(Lines::of(&nested(30)).line("b"), 2);
        for depth in [60, 10_000] {
            assert_eq!(Lines::of(&nested(depth)).line("b"), 1);
        }
    }

    #[test]
    fn fields_have_lines_and_lines_have_fields() {
        let lines = Lines::of(TEXT);
        for (field, line) in [
            ("name", 1),
            ("flows[0].name", 3),
            ("flows[0].steps[1].check[0]", 7),
            ("flows[0].steps[0].check", 5),
            ("other", 1),
        ] {
            assert_eq!(lines.line(field), line, "{field}");
        }
        assert_eq!(lines.field(5, 9), "flows[0].steps[0].get");
        assert_eq!(lines.field(7, 14), "flows[0].steps[1].check[0]");
    }

    #[test]
    fn a_column_says_which_field_of_a_line_it_is() {
        let lines = Lines::of("feeds:\n  user: {from: a, order: b}\nlast: [x, y]\n");
        for (line, column, field) in
            [(2, 27, "feeds.user.order"), (2, 16, "feeds.user.from"), (3, 8, "last[0]"), (3, 11, "last[1]")]
        {
            assert_eq!(lines.field(line, column), field);
        }
    }

    #[test]
    fn a_fault_says_what_would_be_right() {
        let fault = |error: serde_saphyr::Error| Fault::of(&error);
        let of = |why: &str| Fault { line: 1, column: 4, why: why.to_owned() };
        let number = serde_saphyr::from_str::<BTreeMap<String, f64>>("a: b").unwrap_err();
        assert_eq!(fault(number), of("it takes a number such as 1 or 0.5"));
        let whole = serde_saphyr::from_str::<BTreeMap<String, u32>>("a: -1").unwrap_err();
        assert_eq!(fault(whole), of("it takes a whole number such as 10"));
        let truth = serde_saphyr::from_str::<BTreeMap<String, bool>>("a: 2").unwrap_err();
        assert_eq!(fault(truth), of("it takes true or false"));
    }
}
