//! A file as a tree that still knows where each part stands, and how a plain word was written.

use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use crate::mistake::Mistake;

/// Levels of mappings and lists: what is written again is indented by them.
const MOST_DEPTH: usize = 32;

const LONGEST_KEY: usize = 500;

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Which of the files.
    pub(super) file: usize,
    /// From 1.
    pub(super) line: usize,
    /// The field there.
    pub(super) path: Path,
}

/// A field, such as `flows[0].name`. All below it share it, since a hostile key may be long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Path(Option<Arc<(Path, Step)>>);

#[derive(Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Item(usize),
}

impl Path {
    fn below(&self, step: Step) -> Self {
        Self(Some(Arc::new((self.clone(), step))))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_deref() {
            None => Ok(()),
            Some((Self(None), Step::Key(key))) => f.write_str(key),
            Some((above, Step::Key(key))) => write!(f, "{above}.{key}"),
            Some((above, Step::Item(n))) => write!(f, "{above}[{n}]"),
        }
    }
}

/// A part of a file.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub(super) at: Place,
    pub(super) what: What,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    Map(Vec<(String, Tree)>),
    List(Vec<Tree>),
    Text(String),
    /// A number or a truth value, as it was written: what stands for a text must not lose its zeros.
    Plain(String),
    Null,
}

impl Tree {
    /// Reads the file with that number and name; it has to be a mapping.
    ///
    /// # Errors
    /// What the parser refuses, with its line.
    pub(super) fn read(file: usize, name: &str, text: &str) -> Result<Self, Mistake> {
        let wrong = |line, why| Mistake { file: name.to_owned(), line, field: String::new(), why };
        let options = serde_saphyr::options! { budget: serde_saphyr::budget! { max_depth: MOST_DEPTH } };
        let part: Spanned<Part> = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            let (line, why) = canary_yaml::fault(&error);
            wrong(line, why)
        })?;
        let at = Place { file, line: 1, path: Path::default() };
        let span = at_of(&part);
        match part.value {
            fields @ Part::Map(_) => Ok(Self { what: fields.placed(text, &at, span), at }),
            Part::List(_) | Part::Text(_) | Part::Plain(_) | Part::Null => {
                Err(wrong(1, "it takes fields such as name, load and flows".to_owned()))
            }
        }
    }

    /// A field of a mapping.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let What::Map(fields) = &self.what else { return None };
        fields.iter().find(|(known, _)| known == key).map(|(_, tree)| tree)
    }

    /// A text that stands there.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match &self.get(key)?.what {
            What::Text(text) | What::Plain(text) => Some(text),
            What::Map(_) | What::List(_) | What::Null => None,
        }
    }

    /// Where a field of what the files come to was written, and what it is called there: of one that is missing, where what it
    /// is missing in stands.
    pub(super) fn place(&self, field: &str) -> (&Place, String) {
        let mut at = self;
        let mut rest = field;
        while !rest.is_empty() {
            let next = rest.char_indices().skip(1).find(|(_, c)| ['.', '['].contains(c));
            let end = next.map_or(rest.len(), |(end, _)| end);
            let step = rest[..end].trim_start_matches(['.', '[']).trim_end_matches(']');
            let next = match &at.what {
                What::Map(_) => at.get(step),
                What::List(items) => step.parse::<usize>().ok().and_then(|n| items.get(n)),
                What::Text(_) | What::Plain(_) | What::Null => None,
            };
            let Some(next) = next else { break };
            (at, rest) = (next, &rest[end..]);
        }
        let field = format!("{}{rest}", at.at.path);
        (&at.at, field.trim_start_matches('.').to_owned())
    }

    /// As YAML, each part on a line of its own.
    pub(super) fn yaml(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, 0);
        out
    }

    fn write(&self, out: &mut String, indent: usize) {
        let pad = " ".repeat(indent);
        match &self.what {
            What::Map(fields) if !fields.is_empty() => {
                for (key, value) in fields {
                    let key = word(key);
                    // A key on the line of its value may have 1024 letters.
                    let _ = if key.len() > LONGEST_KEY {
                        write!(out, "{pad}? {key}\n{pad}:")
                    } else {
                        write!(out, "{pad}{key}:")
                    };
                    value.behind(out, indent);
                }
            }
            What::List(items) if !items.is_empty() => {
                for item in items {
                    match &item.what {
                        What::Map(fields) if !fields.is_empty() => {
                            let mut inner = String::new();
                            item.write(&mut inner, indent + 2);
                            let _ = write!(out, "{pad}- {}", &inner[indent + 2..]);
                        }
                        What::Map(_) | What::List(_) | What::Text(_) | What::Plain(_) | What::Null => {
                            let _ = write!(out, "{pad}-");
                            item.behind(out, indent);
                        }
                    }
                }
            }
            What::Map(_) | What::List(_) | What::Text(_) | What::Plain(_) | What::Null => {
                let _ = writeln!(out, "{pad}{}", self.short());
            }
        }
    }

    /// Behind a colon or a dash.
    fn behind(&self, out: &mut String, indent: usize) {
        match &self.what {
            What::Map(fields) if !fields.is_empty() => {
                out.push('\n');
                self.write(out, indent + 2);
            }
            What::List(items) if !items.is_empty() => {
                out.push('\n');
                self.write(out, indent + 2);
            }
            What::Map(_) | What::List(_) | What::Text(_) | What::Plain(_) | What::Null => {
                let _ = writeln!(out, " {}", self.short());
            }
        }
    }

    /// What fits on a line.
    fn short(&self) -> String {
        match &self.what {
            What::Map(_) => "{}".to_owned(),
            What::List(_) => "[]".to_owned(),
            What::Text(text) => word(text),
            What::Plain(text) => text.clone(),
            What::Null => "null".to_owned(),
        }
    }
}

/// A text, in quotes where it could be taken for something else.
fn word(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c))
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
            .contains(&text.to_ascii_lowercase().as_str());
    if is_plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

/// What was parsed.
enum Part {
    Map(Vec<(Spanned<String>, Spanned<Part>)>),
    List(Vec<Spanned<Part>>),
    Text(String),
    /// As JSON, for when it is not known how it was written.
    Plain(String),
    Null,
}

/// Line, and the bytes in the text.
type At = (usize, Option<(usize, usize)>);

fn at_of<T>(part: &Spanned<T>) -> At {
    let line = usize::try_from(part.referenced.line()).unwrap_or(1).max(1);
    let span = part.defined.span();
    let bytes = span.byte_offset().zip(span.byte_len());
    let bytes = bytes.and_then(|(from, length)| {
        let from = usize::try_from(from).ok()?;
        Some((from, from + usize::try_from(length).ok()?))
    });
    (line, bytes)
}

impl Part {
    fn placed(self, text: &str, at: &Place, (_, bytes): At) -> What {
        let below = |line: usize, step: Step| Place { file: at.file, line, path: at.path.below(step) };
        match self {
            Self::Map(fields) => {
                let fields = fields.into_iter().map(|(key, value)| {
                    let place = below(at_of(&key).0, Step::Key(key.value.clone()));
                    let span = at_of(&value);
                    (key.value, Tree { what: value.value.placed(text, &place, span), at: place })
                });
                What::Map(fields.collect())
            }
            Self::List(items) => {
                let items = items.into_iter().enumerate().map(|(n, item)| {
                    let span = at_of(&item);
                    let place = below(span.0, Step::Item(n));
                    Tree { what: item.value.placed(text, &place, span), at: place }
                });
                What::List(items.collect())
            }
            Self::Text(text) => What::Text(text),
            Self::Plain(json) => {
                let written = bytes.and_then(|(from, to)| text.get(from..to)).map(str::trim);
                let is_word = |word: &&str| !word.is_empty() && !word.contains(char::is_whitespace);
                What::Plain(written.filter(is_word).map_or(json, str::to_owned))
            }
            Self::Null => What::Null,
        }
    }
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
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Part::Map(fields))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Part, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Part::List(items))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Part, E> {
                Ok(Part::Plain(value.to_string()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Part, E> {
                Ok(Part::Plain(value.to_string()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Part, E> {
                Ok(Part::Plain(value.to_string()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Part, E> {
                Ok(Part::Plain(value.to_string()))
            }

            fn visit_str<E>(self, text: &str) -> Result<Part, E> {
                Ok(Part::Text(text.to_owned()))
            }

            fn visit_unit<E>(self) -> Result<Part, E> {
                Ok(Part::Null)
            }

            fn visit_none<E>(self) -> Result<Part, E> {
                Ok(Part::Null)
            }

            fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Part, D::Error> {
                Part::deserialize(inner)
            }
        }

        deserializer.deserialize_any(Parts)
    }
}
