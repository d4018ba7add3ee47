//! Label and field selectors: which objects of a kind a list or watch is about.
//!
//! Fields are those that every kind has; a kind's own selectable fields are not known here.

use serde_json::{Map, Value};

use crate::errors::ApiError;

/// All conditions of a list or watch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<(Field, bool, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Name,
    Namespace,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    is: Is,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Is {
    OneOf(Vec<String>),
    NoneOf(Vec<String>),
    Present,
    Absent,
}

impl Selector {
    pub(crate) fn parse(labels: &str, fields: &str) -> Result<Self, ApiError> {
        Ok(Self { labels: parse_labels(labels)?, fields: parse_fields(fields)? })
    }

    pub(crate) fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        if self.is_everything() {
            return true;
        }
        let metadata = &object["metadata"];
        let labels = metadata["labels"].as_object();
        self.labels.iter().all(|r| r.matches(labels))
            && self.fields.iter().all(|(field, equal, value)| {
                let actual = match field {
                    Field::Name => &metadata["name"],
                    Field::Namespace => &metadata["namespace"],
                };
                (actual.as_str().unwrap_or_default() == value) == *equal
            })
    }
}

impl Requirement {
    fn matches(&self, labels: Option<&Map<String, Value>>) -> bool {
        let value = labels.and_then(|l| l.get(&self.key)).and_then(Value::as_str);
        match (&self.is, value) {
            (Is::OneOf(values), Some(value)) => values.iter().any(|v| v == value),
            (Is::NoneOf(values), Some(value)) => values.iter().all(|v| v != value),
            (Is::NoneOf(_) | Is::Absent, None) | (Is::Present, Some(_)) => true,
            (Is::OneOf(_) | Is::Present, None) | (Is::Absent, Some(_)) => false,
        }
    }
}

/// Commas separate requirements, except inside parentheses.
fn split_requirements(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_i32);
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.into_iter().map(str::trim).filter(|p| !p.is_empty()).collect()
}

fn parse_labels(text: &str) -> Result<Vec<Requirement>, ApiError> {
    split_requirements(text).into_iter().map(parse_requirement).collect()
}

fn parse_requirement(text: &str) -> Result<Requirement, ApiError> {
    if let Some(key) = text.strip_prefix('!') {
        return Ok(Requirement { key: key.trim().to_owned(), is: Is::Absent });
    }
    for (sign, equal) in [("!=", false), ("==", true), ("=", true)] {
        if let Some((key, value)) = text.split_once(sign) {
            let values = vec![value.trim().to_owned()];
            let is = if equal { Is::OneOf(values) } else { Is::NoneOf(values) };
            return Ok(Requirement { key: key.trim().to_owned(), is });
        }
    }
    let mut words = text.splitn(3, ' ');
    let key = words.next().unwrap_or_default().to_owned();
    let Some(operator) = words.next() else {
        return Ok(Requirement { key, is: Is::Present });
    };
    let list = words.next().unwrap_or_default().trim();
    let Some(list) = list.strip_prefix('(').and_then(|l| l.strip_suffix(')')) else {
        return Err(ApiError::bad_request(format!(
            "unable to parse requirement: found '{list}' expected: '('"
        )));
    };
    let values = list.split(',').map(|v| v.trim().to_owned()).collect();
    let is = match operator {
        "in" => Is::OneOf(values),
        "notin" => Is::NoneOf(values),
        _ => {
            let known = "in, notin, =, ==, !=, gt, lt";
            let text = format!("unable to parse requirement: found '{operator}', expected: {known}");
            return Err(ApiError::bad_request(text));
        }
    };
    Ok(Requirement { key, is })
}

fn parse_fields(text: &str) -> Result<Vec<(Field, bool, String)>, ApiError> {
    let mut fields = Vec::new();
    for part in text.split(',').filter(|p| !p.is_empty()) {
        let (key, equal, value) = if let Some((key, value)) = part.split_once("!=") {
            (key, false, value)
        } else if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
            (key, true, value)
        } else {
            let text = format!("invalid selector: '{text}'; can't understand '{part}'");
            return Err(ApiError::bad_request(text));
        };
        let field = match key {
            "metadata.name" => Field::Name,
            "metadata.namespace" => Field::Namespace,
            other => {
                return Err(ApiError::bad_request(format!(
                    "{other:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
                )));
            }
        };
        fields.push((field, equal, value.to_owned()));
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn chosen(labels: &str, fields: &str) -> bool {
        let object =
            json!({ "metadata": { "name": "a", "namespace": "n", "labels": { "app": "x", "tier": "web" } } });
        Selector::parse(labels, fields).unwrap().matches(&object)
    }

    #[test]
    fn each_operator_of_label_selectors_is_understood() {
        for yes in [
            "app=x",
            "app==x",
            "app!=y",
            "app",
            "!other",
            "app in (x,y)",
            "app notin (z)",
            "app=x,tier in (web)",
            "",
        ] {
            assert!(chosen(yes, ""), "{yes}");
        }
        for no in ["app=y", "app!=x", "other", "!app", "app in (y)", "app notin (x)", "app=x,tier=db"] {
            assert!(!chosen(no, ""), "{no}");
        }
    }

    #[test]
    fn fields_other_than_name_and_namespace_are_refused() {
        assert!(chosen("", "metadata.name=a,metadata.namespace!=m"));
        assert!(!chosen("", "metadata.name=b"));
        assert_eq!(Selector::parse("", "spec.x=1").unwrap_err().code, 400);
        assert_eq!(Selector::parse("a in b", "").unwrap_err().code, 400);
    }
}
