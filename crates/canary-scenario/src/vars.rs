//! The values that templates see.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::Value;
use minijinja::value::Object;
use uuid::Uuid;

use crate::template::value_of;

/// Names that no feed and no capture may have.
pub(crate) const RESERVED: [&str; 5] = ["params", "canary", "run", "visit", "uuid"];

/// What is the same for all users of a run.
#[derive(Debug, Default)]
pub(crate) struct RunVars {
    pub(crate) params: Value,
    pub(crate) canary: Value,
    pub(crate) run: Value,
}

/// What one user knows: the run, a row of each feed, and what was captured.
#[derive(Debug)]
pub(crate) struct Vars {
    run: Arc<RunVars>,
    visit: Value,
    rows: Vec<(Arc<str>, Value)>,
    captured: Mutex<BTreeMap<String, Value>>,
}

impl Vars {
    pub(crate) fn new(run: Arc<RunVars>, rows: Vec<(Arc<str>, Value)>) -> Self {
        let visit = BTreeMap::from([("id", Value::from(Uuid::new_v4().to_string()))]);
        Self { run, visit: value_of(visit), rows, captured: Mutex::default() }
    }

    pub(crate) fn capture(&self, name: &str, value: &serde_json::Value) {
        let mut captured = self.captured.lock().unwrap_or_else(PoisonError::into_inner);
        captured.insert(name.to_owned(), value_of(value));
    }

    /// The value of a name such as `id` or `user.sku`, if there is one now.
    pub(crate) fn find(self: &Arc<Self>, name: &str) -> Option<serde_json::Value> {
        let mut parts = name.split('.');
        let mut value = self.get_value_by_str(parts.next()?)?;
        for part in parts {
            value = value.get_attr(part).ok().filter(|value| !value.is_undefined())?;
        }
        serde_json::to_value(&value).ok()
    }

    /// For the templates.
    pub(crate) fn value(self: &Arc<Self>) -> Value {
        Value::from_dyn_object(self.clone())
    }
}

impl Object for Vars {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        match key {
            "params" => Some(self.run.params.clone()),
            "canary" => Some(self.run.canary.clone()),
            "run" => Some(self.run.run.clone()),
            "visit" => Some(self.visit.clone()),
            "uuid" => Some(Value::from(Uuid::new_v4().to_string())),
            name => {
                let row = self.rows.iter().find(|(feed, _)| **feed == *name).map(|(_, row)| row.clone());
                row.or_else(|| {
                    self.captured.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_captures_are_found_by_name_and_each_uuid_is_another() {
        let row = value_of(serde_json::json!({"sku": "x1"}));
        let vars = Arc::new(Vars::new(Arc::default(), vec![("user".into(), row)]));
        assert_eq!(vars.find("user.sku"), Some("x1".into()));
        assert_eq!(vars.find("user.other"), None);
        assert_eq!(vars.find("id"), None);
        vars.capture("id", &7.into());
        assert_eq!(vars.find("id"), Some(7.into()));
        assert_ne!(vars.find("uuid"), vars.find("uuid"));
        assert_eq!(vars.find("visit.id"), vars.find("visit.id"));
    }
}
