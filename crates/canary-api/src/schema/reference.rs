//! The rows of the field reference.

use super::{Kind, Node};

/// One field.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) path: String,
    pub(crate) kind: String,
    pub(crate) default: String,
    pub(crate) meaning: String,
}

/// Every field below `node`, in the order of the description.
pub(crate) fn rows(node: &Node, path: &str) -> Vec<Row> {
    let mut rows = vec![row(node, path)];
    match &node.kind {
        Kind::Object(fields) => {
            rows.extend(fields.iter().flat_map(|(n, f)| self::rows(f, &format!("{path}.{n}"))));
        }
        Kind::List(item) => rows.extend(self::rows(item, &format!("{path}[]")).into_iter().skip(1)),
        Kind::Map(value) => rows.extend(self::rows(value, &format!("{path}.*")).into_iter().skip(1)),
        Kind::Text
        | Kind::Flag
        | Kind::Number
        | Kind::Whole { .. }
        | Kind::Integer { .. }
        | Kind::Choice(_)
        | Kind::PortOrName => {}
    }
    rows
}

fn row(node: &Node, path: &str) -> Row {
    let default = match (&node.default, node.required) {
        (Some(default), _) => default.to_string(),
        (None, true) => "required".into(),
        (None, false) => node.assumed.into(),
    };
    let meaning = if let Kind::Choice(values) = &node.kind {
        let values: Vec<_> = values.iter().filter(|v| !v.is_empty()).map(|v| format!("`{v}`")).collect();
        let only = if values.len() == 1 { "Always" } else { "One of" };
        format!("{} {only} {}.", node.doc, values.join(", "))
    } else {
        node.doc.to_owned()
    };
    Row { path: path.into(), kind: kind(&node.kind), default, meaning }
}

fn kind(kind: &Kind) -> String {
    match kind {
        Kind::Text | Kind::Choice(_) => "string".into(),
        Kind::Flag => "boolean".into(),
        Kind::Number => "number".into(),
        Kind::Whole { .. } | Kind::Integer { .. } => "integer".into(),
        Kind::PortOrName => "integer or string".into(),
        Kind::Object(_) => "object".into(),
        Kind::List(item) => format!("list of {}", self::kind(&item.kind)),
        Kind::Map(value) => format!("map of {}", self::kind(&value.kind)),
    }
}
