//! Where a document's fields stand in its file, so that a mistake can be shown with its line.
//! Not what the fields mean.

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// An object's place: its file, its document, and the way to it within a list.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    file: String,
    /// Counted from 1.
    document: usize,
    /// Line of the file at which the document begins, counted from 1.
    first_line: usize,
    lines: Arc<Lines>,
    /// Path of the object in the document; empty when it is the document.
    base: String,
}

impl Place {
    /// Reads where the fields of a document stand.
    pub(crate) fn new(file: &str, document: usize, first_line: usize, text: &str) -> Self {
        let lines =
            serde_saphyr::from_str::<Spanned<Lines>>(text).map(|lines| lines.value).unwrap_or_default();
        Self { file: file.to_owned(), document, first_line, lines: Arc::new(lines), base: String::new() }
    }

    /// The place of an item of a list.
    pub(crate) fn item(&self, n: usize) -> Self {
        Self { base: format!("{}items[{n}].", self.base), ..self.clone() }
    }

    /// The file, and the line of a field in it, as [`Place::of`] finds it.
    pub(crate) fn line(&self, field: &str) -> (&str, usize) {
        let within = self.lines.line(&format!("{}{field}", self.base)).unwrap_or(1);
        (&self.file, self.first_line + within - 1)
    }

    /// Where a field such as `spec.analysis.webhooks[0].type` stands; the nearest parent that exists, if it is missing.
    pub(crate) fn of(&self, field: &str) -> String {
        let (file, line) = self.line(field);
        format!("{file}, document {}, line {line}", self.document)
    }
}

/// Position and text of what a parser found wrong, the position relative to what was parsed.
pub(crate) fn fault(error: &serde_saphyr::Error) -> (usize, String) {
    let line = error.location().map_or(1, |l| usize::try_from(l.line()).unwrap_or(1)).max(1);
    let text = error.to_string();
    let text = text.lines().next().unwrap_or_default();
    let text = text.strip_prefix("error: ").unwrap_or(text);
    // The parser counts from the beginning of the document, which is not what an editor shows.
    let text = match text.split_once(": ") {
        Some((position, rest)) if position.starts_with("line ") => rest,
        _ => text,
    };
    (line, text.to_owned())
}

/// A value with the lines of its parts.
#[derive(Clone, Debug, Default)]
enum Lines {
    Map(Vec<(Key, usize, Lines)>),
    List(Vec<(usize, Lines)>),
    #[default]
    Scalar,
}

impl Lines {
    /// The line of the deepest part on the way to `path` that exists.
    fn line(&self, path: &str) -> Option<usize> {
        let (mut at, mut line) = (self, None);
        for step in path.split(['.', '[']).map(|step| step.trim_end_matches(']')) {
            let next = match at {
                Lines::Map(entries) => {
                    entries.iter().find(|(key, ..)| key.0 == step).map(|(_, line, lines)| (*line, lines))
                }
                Lines::List(items) => {
                    step.parse::<usize>().ok().and_then(|n| items.get(n)).map(|(line, lines)| (*line, lines))
                }
                Lines::Scalar => None,
            };
            let Some((found, part)) = next else { break };
            (at, line) = (part, Some(found));
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
                while let Some(key) = map.next_key::<Spanned<Key>>()? {
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

/// A key of a map; one that is no text has no name that a path could use.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key(String);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: &str = "\
kind: Canary
metadata: {name: a}
spec:
  targetRef:
    kind: Deployment
    name: podinfo
  analysis:
    webhooks:
    - name: first
      type: rollout
    - {name: second,
       type: rolout}
";

    #[test]
    fn fields_stand_where_the_editor_shows_them() {
        let place = Place::new("a.yaml", 2, 10, CANARY);
        for (field, line) in [
            ("kind", 1),
            ("metadata.name", 2),
            ("spec.targetRef.kind", 5),
            ("spec.targetRef.name", 6),
            ("spec.analysis.webhooks[0].type", 10),
            ("spec.analysis.webhooks[1].type", 12),
            // Missing ones: the nearest parent.
            ("spec.analysis.webhooks[1].url", 11),
            ("spec.service.port", 3),
            ("apiVersion", 1),
        ] {
            assert_eq!(place.of(field), format!("a.yaml, document 2, line {}", line + 9), "{field}");
        }
    }

    #[test]
    fn items_of_lists_are_found_and_so_is_json() {
        let place = Place::new("a.json", 1, 1, "{\"items\": [\n{\"kind\": \"A\"},\n{\"kind\":\n\"B\"}]}");
        assert_eq!(place.item(1).of("kind"), "a.json, document 1, line 3");
        assert_eq!(place.item(0).of("metadata"), "a.json, document 1, line 2");
    }
}
