//! The query text of a template: a JSON array of `MetricDataQuery`, whose names may be written in any case.

use canary_core::MetricError;
use serde_json::{Map, Value};

/// All names of the structure. Others are left out, as Flagger does.
const NAMES: [&str; 15] = [
    "AccountId",
    "Dimensions",
    "Expression",
    "Id",
    "Label",
    "Metric",
    "MetricName",
    "MetricStat",
    "Name",
    "Namespace",
    "Period",
    "ReturnData",
    "Stat",
    "Unit",
    "Value",
];

/// Reads the array and spells its names as the service does.
pub(super) fn read(text: &str) -> Result<Value, MetricError> {
    let wrong = |problem: String| {
        MetricError::Refused(format!("the query is not a JSON array of MetricDataQuery objects: {problem}"))
    };
    let value: Value = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
    let is_array = value.as_array().is_some_and(|queries| queries.iter().all(Value::is_object));
    if is_array { Ok(spelt(value)) } else { Err(wrong("it is something else".into())) }
}

fn spelt(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let known = object.into_iter().filter_map(|(name, value)| {
                let name = NAMES.iter().find(|known| known.eq_ignore_ascii_case(&name))?;
                Some(((*name).to_owned(), spelt(value)))
            });
            Value::Object(known.collect::<Map<_, _>>())
        }
        Value::Array(items) => items.into_iter().map(spelt).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_may_be_written_in_any_case_and_unknown_ones_are_left_out() {
        let query = r#"[{"id": "e1", "EXPRESSION": "m1/m2", "color": 1,
            "metricStat": {"metric": {"dimensions": [{"name": "Env", "VALUE": "Prod"}]}}}]"#;
        assert_eq!(
            read(query).unwrap(),
            json!([{"Id": "e1", "Expression": "m1/m2",
                "MetricStat": {"Metric": {"Dimensions": [{"Name": "Env", "Value": "Prod"}]}}}])
        );
        for wrong in ["", "{}", "[1]", "fields @timestamp"] {
            assert!(matches!(read(wrong), Err(MetricError::Refused(_))), "{wrong}");
        }
    }
}
