//! The values of a rendering.
//! The types are those that Go's engine gives to literals, to the model's functions and to what the built-ins answer.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use super::printf;

/// A value. Texts and maps are shared, because variables and arguments copy them.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Nil,
    Bool(bool),
    Int(i64),
    /// An element of a string.
    Byte(u8),
    Float(f64),
    Text(Arc<str>),
    Map(Arc<BTreeMap<String, String>>),
}

impl Value {
    pub(super) fn text(text: impl AsRef<str>) -> Self {
        Self::Text(Arc::from(text.as_ref()))
    }

    /// The name of the type in Go.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Byte(_) => "uint8",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
            Self::Map(_) => "map[string]string",
        }
    }

    /// Whether conditions take it as true: not zero and not empty.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Byte(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Text(value) => !value.is_empty(),
            Self::Map(value) => !value.is_empty(),
        }
    }

    /// How many bytes a function that gets it may have to read.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Nil | Self::Bool(_) | Self::Int(_) | Self::Byte(_) | Self::Float(_) => 1,
            Self::Text(value) => value.len(),
            Self::Map(value) => value.iter().map(|(key, value)| key.len() + value.len() + 2).sum(),
        }
    }

    /// Appends what an action writes.
    pub(super) fn write_to(&self, out: &mut String) {
        // Go: an absent value is written differently by an action and by the print functions.
        if matches!(self, Self::Nil) { out.push_str("<no value>") } else { self.print_to(out) }
    }

    /// Appends what the print functions write, `%v` in Go.
    pub(super) fn print_to(&self, out: &mut String) {
        // Writing to a string does not fail.
        let _ = match self {
            Self::Nil => write!(out, "<nil>"),
            Self::Bool(value) => write!(out, "{value}"),
            Self::Int(value) => write!(out, "{value}"),
            Self::Byte(value) => write!(out, "{value}"),
            Self::Float(value) => write!(out, "{}", printf::shortest(*value)),
            Self::Text(value) => write!(out, "{value}"),
            Self::Map(entries) => {
                let entries: Vec<String> =
                    entries.iter().map(|(key, value)| format!("{key}:{value}")).collect();
                write!(out, "map[{}]", entries.join(" "))
            }
        };
    }
}
