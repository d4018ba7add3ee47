//! Reads what a user wrote against the description of the fields: what fits is kept, what does not is one problem each.
//!
//! Never fails. What only the API server's schema forbids (patterns, lengths, combinations) is not looked at again.

use serde_json::{Map, Number, Value};

use super::{Kind, Node};
use crate::problem::FieldProblem;

/// What came of a check.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    /// The known fields with a value of the right kind, defaults filled in, whole numbers without a fraction.
    pub(crate) value: Value,
    /// The others.
    pub(crate) problems: Vec<FieldProblem>,
}

/// Checks the object at `path`. When it is absent, that is a problem if any field of it is required.
pub(crate) fn check(node: &Node, value: &Value, path: &str) -> Checked {
    let mut problems = Vec::new();
    let mut walk = Walk { problems: &mut problems };
    let needed = matches!(&node.kind, Kind::Object(fields) if fields.iter().any(|(_, f)| f.required));
    if value.is_null() && needed {
        walk.problem(path, "missing".into(), node);
    }
    let value = walk.field(node, Some(value), path).unwrap_or_default();
    Checked { value, problems }
}

struct Walk<'a> {
    problems: &'a mut Vec<FieldProblem>,
}

impl Walk<'_> {
    /// A field that may be absent. `null` is absent, and so is an empty text that is not required.
    fn field(&mut self, node: &Node, value: Option<&Value>, path: &str) -> Option<Value> {
        let is_text = matches!(node.kind, Kind::Text | Kind::Choice(_) | Kind::PortOrName);
        let absent = |v: &Value| v.is_null() || (v == "" && is_text && !node.required);
        if let Some(value) = value.filter(|v| !absent(v)) {
            return self.value(node, value, path);
        }
        if node.default.is_none() && node.required {
            self.problem(path, "missing".into(), node);
        }
        node.default.clone()
    }

    fn value(&mut self, node: &Node, value: &Value, path: &str) -> Option<Value> {
        let fits = match (&node.kind, value) {
            (Kind::List(_), Value::Array(_)) | (Kind::Map(_) | Kind::Object(_), Value::Object(_))
                if node.verbatim =>
            {
                Some(with_defaults(node, value.clone()))
            }
            (Kind::Text | Kind::PortOrName, Value::String(_))
            | (Kind::Flag, Value::Bool(_))
            | (Kind::Number, Value::Number(_)) => Some(value.clone()),
            (Kind::Choice(values), Value::String(text)) if node.open || values.contains(&text.as_str()) => {
                Some(value.clone())
            }
            (Kind::Whole { small } | Kind::Integer { small }, Value::Number(number)) => whole(number, *small),
            (Kind::PortOrName, Value::Number(number)) => whole(number, true),
            (Kind::List(item), Value::Array(items)) => return Some(self.items(item, items, path)),
            (Kind::Map(item), Value::Object(entries)) => return Some(self.entries(item, entries, path)),
            (Kind::Object(fields), Value::Object(given)) => return Some(self.fields(fields, given, path)),
            _ => None,
        };
        if fits.is_none() {
            self.problem(path, if node.hidden { "(not shown)".into() } else { shown(value) }, node);
        }
        fits
    }

    fn items(&mut self, node: &Node, items: &[Value], path: &str) -> Value {
        items.iter().enumerate().filter_map(|(i, v)| self.value(node, v, &format!("{path}[{i}]"))).collect()
    }

    fn entries(&mut self, node: &Node, entries: &Map<String, Value>, path: &str) -> Value {
        let kept = entries
            .iter()
            .filter_map(|(k, v)| Some((k.clone(), self.value(node, v, &format!("{path}.{k}"))?)));
        Value::Object(kept.collect())
    }

    fn fields(&mut self, fields: &[(&'static str, Node)], given: &Map<String, Value>, path: &str) -> Value {
        let kept = fields.iter().filter_map(|(name, node)| {
            Some(((*name).to_owned(), self.field(node, given.get(*name), &format!("{path}.{name}"))?))
        });
        Value::Object(kept.collect())
    }

    fn problem(&mut self, path: &str, value: String, node: &Node) {
        self.problems.push(FieldProblem::Value { field: path.to_owned(), value, expected: expected(node) });
    }
}

/// A value that is passed on as written still gets the defaults that the API server would fill in.
fn with_defaults(node: &Node, value: Value) -> Value {
    match (&node.kind, value) {
        (Kind::List(item), Value::Array(items)) => {
            items.into_iter().map(|v| with_defaults(item, v)).collect()
        }
        (Kind::Object(fields), Value::Object(mut given)) => {
            for (name, node) in fields {
                let written = given.remove(*name).filter(|v| !v.is_null()).map(|v| with_defaults(node, v));
                if let Some(value) = written.or_else(|| node.default.clone()) {
                    given.insert((*name).to_owned(), value);
                }
            }
            Value::Object(given)
        }
        (_, value) => value,
    }
}

/// `10.0` is a whole number, `2.5` is not.
fn whole(number: &Number, small: bool) -> Option<Value> {
    /// Up to here every whole number has a floating-point form of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let n = number.as_i64().or_else(|| {
        let f = number.as_f64().filter(|f| f.fract() == 0.0 && f.abs() <= EXACT)?;
        #[allow(clippy::cast_possible_truncation)] // whole and within the exact range
        Some(f as i64)
    })?;
    (!small || i32::try_from(n).is_ok()).then(|| n.into())
}

/// The value on one line, shortened.
fn shown(value: &Value) -> String {
    const LONGEST: usize = 60;
    let text = value.to_string();
    if text.chars().count() <= LONGEST {
        return text;
    }
    text.chars().take(LONGEST).chain("…".chars()).collect()
}

fn expected(node: &Node) -> String {
    if !node.expected.is_empty() {
        return node.expected.to_owned();
    }
    match &node.kind {
        Kind::Text => "a text".into(),
        Kind::Flag => "true or false".into(),
        Kind::Number => "a number".into(),
        Kind::Whole { small: false } | Kind::Integer { small: false } => "a whole number".into(),
        Kind::Whole { small: true } | Kind::Integer { small: true } => {
            "a whole number of at most 32 bits".into()
        }
        Kind::Choice(values) => {
            let names: Vec<_> = values.iter().filter(|v| !v.is_empty()).copied().collect();
            format!("one of {}", names.join(", "))
        }
        Kind::PortOrName => "the number or the name of a port".into(),
        Kind::List(_) => "a list".into(),
        Kind::Map(_) => "a map".into(),
        Kind::Object(fields) => {
            let needed: Vec<_> = fields.iter().filter(|(_, n)| n.required).map(|(name, _)| *name).collect();
            if needed.is_empty() {
                "an object".into()
            } else {
                format!("an object with {}", needed.join(", "))
            }
        }
    }
}
