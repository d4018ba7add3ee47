//! Checking a value against a schema, with the API server's sentences.

use serde_json::Value;

use super::Schema;
use crate::errors::Cause;

impl Schema {
    /// All faults of `value`.
    pub(crate) fn validate(&self, value: &Value) -> Vec<Cause> {
        let mut causes = Vec::new();
        self.check(value, "", &mut causes);
        causes
    }

    fn accepts(&self, value: &Value) -> bool {
        let mut causes = Vec::new();
        self.check(value, "", &mut causes);
        causes.is_empty()
    }

    fn check(&self, value: &Value, path: &str, causes: &mut Vec<Cause>) {
        if value.is_null() && self.nullable {
            return;
        }
        if !self.has_type(value) {
            let wanted =
                if self.int_or_string { "integer,string" } else { self.kind.as_deref().unwrap_or_default() };
            let text = format!("{path} in body must be of type {wanted}: {:?}", type_name(value));
            causes.push(Cause::mistyped(path, type_name(value), &text));
            return;
        }
        if !self.allowed.is_empty() && !self.allowed.contains(value) {
            causes.push(Cause::unsupported(path, value, &self.allowed));
        }
        match value {
            Value::Object(map) => self.check_object(map, path, causes),
            Value::Array(list) => self.check_array(list, path, causes),
            Value::String(text) => self.check_text(text, path, causes),
            Value::Number(number) => {
                self.check_number(value, number.as_f64().unwrap_or(f64::NAN), path, causes);
            }
            Value::Null | Value::Bool(_) => {}
        }
        self.check_alternatives(value, path, causes);
    }

    fn has_type(&self, value: &Value) -> bool {
        if self.int_or_string {
            return value.is_string() || is_whole(value);
        }
        match self.kind.as_deref() {
            Some("object") => value.is_object(),
            Some("array") => value.is_array(),
            Some("string") => value.is_string(),
            Some("boolean") => value.is_boolean(),
            Some("integer") => is_whole(value),
            Some("number") => value.is_number(),
            _ => true,
        }
    }

    fn check_object(&self, map: &serde_json::Map<String, Value>, path: &str, causes: &mut Vec<Cause>) {
        for key in self.required.iter().filter(|key| !map.contains_key(*key)) {
            causes.push(Cause::required(below(path, key), ""));
        }
        check_size(map.len() as u64, self.size, "properties", path, causes);
        for (key, inner) in map {
            if let Some(schema) = self.properties.get(key).or(self.additional.as_deref()) {
                schema.check(inner, &below(path, key), causes);
            }
        }
    }

    fn check_array(&self, list: &[Value], path: &str, causes: &mut Vec<Cause>) {
        check_size(list.len() as u64, self.count, "items", path, causes);
        if let Some(items) = &self.items {
            for (at, item) in list.iter().enumerate() {
                items.check(item, &format!("{path}[{at}]"), causes);
            }
        }
        if self.set || !self.list_keys.is_empty() {
            let identity = |item: &Value| -> Value {
                if self.set {
                    item.clone()
                } else {
                    self.list_keys.iter().map(|key| (key.clone(), item[key].clone())).collect()
                }
            };
            let mut seen = Vec::new();
            for (at, item) in list.iter().enumerate() {
                let identity = identity(item);
                if seen.contains(&identity) {
                    causes.push(Cause::duplicate(format!("{path}[{at}]"), &identity));
                }
                seen.push(identity);
            }
        }
    }

    fn check_text(&self, text: &str, path: &str, causes: &mut Vec<Cause>) {
        let value = Value::from(text);
        if let Some(pattern) = self.pattern.as_ref().filter(|p| !p.is_match(text)) {
            causes.push(Cause::invalid(path, &value, &format!("{path} in body should match '{pattern}'")));
        }
        let length = text.chars().count() as u64;
        if let Some(least) = self.length.0.filter(|least| length < *least) {
            let text = format!("{path} in body should be at least {least} chars long");
            causes.push(Cause::invalid(path, &value, &text));
        }
        if let Some(most) = self.length.1.filter(|most| length > *most) {
            causes.push(Cause::invalid(
                path,
                &value,
                &format!("{path} in body should be at most {most} chars long"),
            ));
        }
        let well_formed = match self.format.as_deref() {
            Some("date-time") => text.parse::<jiff::Timestamp>().is_ok(),
            Some("int32" | "int64" | _) | None => true,
        };
        if !well_formed {
            causes.push(Cause::invalid(
                path,
                &value,
                &format!("{path} in body must be of type date-time: {text:?}"),
            ));
        }
    }

    fn check_number(&self, value: &Value, number: f64, path: &str, causes: &mut Vec<Cause>) {
        if let Some((least, exclusive)) = self.minimum
            && (number < least || exclusive && number <= least)
        {
            let word = if exclusive { "greater than" } else { "greater than or equal to" };
            causes.push(Cause::invalid(path, value, &format!("{path} in body should be {word} {least}")));
        }
        if let Some((most, exclusive)) = self.maximum
            && (number > most || exclusive && number >= most)
        {
            let word = if exclusive { "less than" } else { "less than or equal to" };
            causes.push(Cause::invalid(path, value, &format!("{path} in body should be {word} {most}")));
        }
    }

    fn check_alternatives(&self, value: &Value, path: &str, causes: &mut Vec<Cause>) {
        let shown = if value.is_object() || value.is_array() { Value::from("") } else { value.clone() };
        for schema in &self.all_of {
            schema.check(value, path, causes);
        }
        if !self.any_of.is_empty() && !self.any_of.iter().any(|s| s.accepts(value)) {
            let text = format!("{path:?} must validate at least one schema (anyOf)");
            causes.push(Cause::invalid(path, &shown, &text));
        }
        if !self.one_of.is_empty() {
            let found = self.one_of.iter().filter(|s| s.accepts(value)).count();
            if found != 1 {
                let found = if found == 0 {
                    "Found none valid".to_owned()
                } else {
                    format!("Found {found} valid alternatives")
                };
                let text = format!("{path:?} must validate one and only one schema (oneOf). {found}");
                causes.push(Cause::invalid(path, &shown, &text));
            }
        }
        if self.not.as_ref().is_some_and(|s| s.accepts(value)) {
            causes.push(Cause::invalid(
                path,
                &shown,
                &format!("{path:?} must not validate the schema (not)"),
            ));
        }
    }
}

fn check_size(
    size: u64,
    (least, most): (Option<u64>, Option<u64>),
    what: &str,
    path: &str,
    causes: &mut Vec<Cause>,
) {
    let shown = Value::from(size);
    if let Some(least) = least.filter(|least| size < *least) {
        let text = format!("{path} in body should have at least {least} {what}");
        causes.push(Cause::invalid(path, &shown, &text));
    }
    if let Some(most) = most.filter(|most| size > *most) {
        let text = format!("{path} in body should have at most {most} {what}");
        causes.push(Cause::invalid(path, &shown, &text));
    }
}

fn below(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// A number without fraction is an integer, however it is written.
fn is_whole(value: &Value) -> bool {
    value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0)
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) if is_whole(value) => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
