#![doc = include_str!("../README.md")]

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// Where the parts of a value stand; not what they mean. Lines are counted from 1.
#[derive(Clone, Debug, Default)]
pub struct Lines(Part);

/// A value with the lines of its parts.
#[derive(Clone, Debug, Default)]
enum Part {
    Map(Vec<(String, usize, Part)>),
    List(Vec<(usize, Part)>),
    #[default]
    Scalar,
}

/// Levels of mappings and lists: each takes its part of a stack, and threads have small ones.
const MOST_DEPTH: usize = 40;

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
                    entries.iter().find(|(key, ..)| key == step).map(|(_, line, part)| (line, part))
                }
                Part::List(items) => {
                    step.parse::<usize>().ok().and_then(|n| items.get(n)).map(|(line, part)| (line, part))
                }
                Part::Scalar => None,
            };
            let Some((found, part)) = next else { break };
            (at, line) = (part, *found);
        }
        line
    }

    /// The deepest field that begins at or before a line; of several on one line, what they are in.
    pub fn field(&self, line: usize) -> String {
        let (mut at, mut path) = (&self.0, String::new());
        loop {
            let is_crowded = match at {
                Part::Map(entries) => entries.iter().filter(|(_, begins, _)| *begins == line).count() > 1,
                Part::List(items) => items.iter().filter(|(begins, _)| *begins == line).count() > 1,
                Part::Scalar => false,
            };
            if is_crowded {
                return path;
            }
            let next = match at {
                Part::Map(entries) => {
                    entries.iter().rev().find(|(_, begins, _)| *begins <= line).map(|(key, _, part)| {
                        let dot = if path.is_empty() { "" } else { "." };
                        (format!("{dot}{key}"), part)
                    })
                }
                Part::List(items) => items
                    .iter()
                    .enumerate()
                    .rev()
                    .find(|(_, (begins, _))| *begins <= line)
                    .map(|(n, (_, part))| (format!("[{n}]"), part)),
                Part::Scalar => None,
            };
            let Some((step, part)) = next else { return path };
            path.push_str(&step);
            at = part;
        }
    }
}

fn line_of<T>(part: &Spanned<T>) -> usize {
    usize::try_from(part.referenced.line()).unwrap_or(1).max(1)
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
                    let line = line_of(&key);
                    entries.push((key.value, line, map.next_value()?));
                }
                Ok(Part::Map(entries))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Part, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element::<Spanned<Part>>()? {
                    items.push((line_of(&item), item.value));
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

/// Line and text of what a parser found wrong.
pub fn fault(error: &serde_saphyr::Error) -> (usize, String) {
    let line = error.location().map_or(1, |at| usize::try_from(at.line()).unwrap_or(1)).max(1);
    let text = error.to_string();
    let text = text.lines().next().unwrap_or_default();
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let text = match text.split_once(": ") {
        Some((position, rest)) if position.starts_with("line ") => rest,
        _ => text,
    };
    (line, text.to_owned())
}

#[cfg(test)]
mod tests {
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
        assert_eq!(lines.field(5), "flows[0].steps[0].get");
        assert_eq!(lines.field(7), "flows[0].steps[1].check[0]");
    }
}
