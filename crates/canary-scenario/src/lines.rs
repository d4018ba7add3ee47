//! Where the fields of a YAML text stand. Not what they mean.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// A value with the lines of its parts.
#[derive(Clone, Debug, Default)]
pub(crate) enum Lines {
    Map(Vec<(String, usize, Lines)>),
    List(Vec<(usize, Lines)>),
    #[default]
    Scalar,
}

impl Lines {
    /// Of a text; empty when it is no YAML.
    pub(crate) fn of(text: &str) -> Self {
        serde_saphyr::from_str::<Spanned<Self>>(text).map(|lines| lines.value).unwrap_or_default()
    }

    /// The line of a field such as `flows[0].name`, or of the nearest parent that exists.
    pub(crate) fn line(&self, field: &str) -> usize {
        let (mut at, mut line) = (self, 1);
        for step in field.split(['.', '[']).map(|step| step.trim_end_matches(']')) {
            let next = match at {
                Self::Map(entries) => {
                    entries.iter().find(|(key, ..)| key == step).map(|(_, line, part)| (line, part))
                }
                Self::List(items) => {
                    step.parse::<usize>().ok().and_then(|n| items.get(n)).map(|(line, part)| (line, part))
                }
                Self::Scalar => None,
            };
            let Some((found, part)) = next else { break };
            (at, line) = (part, *found);
        }
        line
    }
}

fn line_of<T>(part: &Spanned<T>) -> usize {
    usize::try_from(part.referenced.line()).unwrap_or(1).max(1)
}

impl<'de> Deserialize<'de> for Lines {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts;

        impl<'de> Visitor<'de> for Parts {
            type Value = Lines;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Lines, A::Error> {
                let mut entries = Vec::new();
                while let Some(key) = map.next_key::<Spanned<String>>()? {
                    let line = line_of(&key);
                    entries.push((key.value, line, map.next_value()?));
                }
                Ok(Lines::Map(entries))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Lines, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element::<Spanned<Lines>>()? {
                    items.push((line_of(&item), item.value));
                }
                Ok(Lines::List(items))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Lines, E> {
                Ok(Lines::Scalar)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Lines, E> {
                Ok(Lines::Scalar)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Lines, E> {
                Ok(Lines::Scalar)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Lines, E> {
                Ok(Lines::Scalar)
            }

            fn visit_str<E>(self, _: &str) -> Result<Lines, E> {
                Ok(Lines::Scalar)
            }

            fn visit_unit<E>(self) -> Result<Lines, E> {
                Ok(Lines::Scalar)
            }

            fn visit_none<E>(self) -> Result<Lines, E> {
                Ok(Lines::Scalar)
            }

            fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Lines, D::Error> {
                Lines::deserialize(inner)
            }
        }

        deserializer.deserialize_any(Parts)
    }
}

impl Lines {
    /// The deepest field that begins at or before a line; of several on one line, what they are in.
    pub(crate) fn field(&self, line: usize) -> String {
        let (mut at, mut path) = (self, String::new());
        loop {
            let is_crowded = match at {
                Self::Map(entries) => entries.iter().filter(|(_, begins, _)| *begins == line).count() > 1,
                Self::List(items) => items.iter().filter(|(begins, _)| *begins == line).count() > 1,
                Self::Scalar => false,
            };
            if is_crowded {
                return path;
            }
            let next = match at {
                Self::Map(entries) => {
                    entries.iter().rev().find(|(_, begins, _)| *begins <= line).map(|(key, _, part)| {
                        let dot = if path.is_empty() { "" } else { "." };
                        (format!("{dot}{key}"), part)
                    })
                }
                Self::List(items) => items
                    .iter()
                    .enumerate()
                    .rev()
                    .find(|(_, (begins, _))| *begins <= line)
                    .map(|(n, (_, part))| (format!("[{n}]"), part)),
                Self::Scalar => None,
            };
            let Some((step, part)) = next else { return path };
            path.push_str(&step);
            at = part;
        }
    }
}

/// Line and text of what a parser found wrong.
pub(crate) fn fault(error: &serde_saphyr::Error) -> (usize, String) {
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
