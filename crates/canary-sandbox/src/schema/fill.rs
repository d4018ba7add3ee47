//! Dropping what a schema does not know, and filling in what it has a default for.

use serde_json::Value;

use super::Schema;

impl Schema {
    /// Drops unknown fields, nulls where none may be, and then adds defaults. `root` is a whole object, whose type and
    /// metadata are not the schema's business.
    pub(crate) fn fill(&self, object: &mut Value, root: bool) {
        self.prune(object, root);
        self.default_into(object);
    }

    fn prune(&self, value: &mut Value, whole: bool) {
        match value {
            Value::Object(map) => {
                let whole = whole || self.embedded;
                map.retain(|key, inner| {
                    if whole && matches!(key.as_str(), "apiVersion" | "kind" | "metadata") {
                        return true;
                    }
                    if let Some(schema) = self.properties.get(key) {
                        if inner.is_null() && !schema.nullable {
                            return false;
                        }
                        schema.prune(inner, false);
                        return true;
                    }
                    if let Some(schema) = &self.additional {
                        schema.prune(inner, false);
                        return true;
                    }
                    self.keeps_unknown
                });
            }
            Value::Array(list) => {
                if let Some(items) = &self.items {
                    for item in list {
                        items.prune(item, false);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn default_into(&self, value: &mut Value) {
        match value {
            Value::Object(map) => {
                for (key, schema) in &self.properties {
                    if let (None, Some(default)) = (map.get(key), &schema.default) {
                        map.insert(key.clone(), default.clone());
                    }
                    if let Some(inner) = map.get_mut(key) {
                        schema.default_into(inner);
                    }
                }
                if let Some(schema) = &self.additional {
                    for (_, inner) in map.iter_mut().filter(|(key, _)| !self.properties.contains_key(*key)) {
                        schema.default_into(inner);
                    }
                }
            }
            Value::Array(list) => {
                if let Some(items) = &self.items {
                    for item in list {
                        items.default_into(item);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}
