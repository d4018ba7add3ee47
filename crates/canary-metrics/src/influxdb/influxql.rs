//! The answer of an InfluxQL query: the first value beside the time, of the first row of the first series.

use canary_core::{Measurement, Samples};
use serde::Deserialize;

use super::Problem;
use crate::sample::{Sample, age, count};

#[derive(Deserialize)]
pub(super) struct Found {
    results: Vec<Statement>,
}

#[derive(Deserialize)]
struct Statement {
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    series: Vec<Series>,
}

#[derive(Deserialize)]
struct Series {
    columns: Vec<String>,
    #[serde(default)]
    values: Vec<Vec<serde_json::Value>>,
}

pub(super) fn first_value(found: Found) -> Result<Measurement, Problem> {
    let Some(statement) = found.results.into_iter().next() else { return Ok(Measurement::default()) };
    if let Some(error) = statement.error {
        return Err(Problem::Refused(error));
    }
    let mut samples = Samples::default();
    samples.series = count(&statement.series);
    let Some(series) = statement.series.first() else { return Ok(Measurement::default().with(samples)) };
    samples.count = count(&series.values);
    let row = series.values.first().map(Vec::as_slice).unwrap_or_default();
    let at = |wanted: bool| {
        let column = series.columns.iter().position(|name| (name == "time") == wanted);
        column.and_then(|column| row.get(column))
    };
    // A time is a text, or whole nanoseconds where the request said so, which ours does not.
    samples.age = at(true).and_then(|time| time.as_str()?.parse().ok()).map(age);
    let Some(value) = at(false) else { return Ok(Measurement::default().with(samples)) };
    let sample: Sample = serde_json::from_value(value.clone())
        .map_err(|error| Problem::Unusable(format!("the first value of InfluxDB's answer: {error}")))?;
    Ok(Measurement::from(sample.number()).with(samples))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(value: Value) -> Result<Option<f64>, Problem> {
        first_value(serde_json::from_value(value).unwrap()).map(|measured| measured.value)
    }

    #[test]
    fn the_first_value_beside_the_time_counts() {
        let answer = |row: Value| {
            json!({"results": [{"statement_id": 0, "series": [
            {"name": "requests", "columns": ["time", "mean", "max"], "values": [row]}]}]})
        };
        assert_eq!(of(answer(json!(["2026-01-01T00:00:00Z", 1.5, 9]))), Ok(Some(1.5)));
        assert_eq!(of(answer(json!(["2026-01-01T00:00:00Z", null, 9]))), Ok(None));
        assert_eq!(of(json!({"results": [{"statement_id": 0}]})), Ok(None));
        assert_eq!(of(json!({"results": []})), Ok(None));
        let refused = json!({"results": [{"error": "database not found"}]});
        assert_eq!(of(refused), Err(Problem::Refused("database not found".into())));
        assert!(matches!(of(answer(json!(["t", true]))), Err(Problem::Unusable(_))));
    }
}
