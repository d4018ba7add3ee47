//! Reads one number out of the JSON of an instant query.
//! The shape is looked at as far as Flagger looks, so that compatible servers are understood alike.

use canary_core::Measurement;
use serde::Deserialize;
use serde_json::Value;

use crate::sample::count;

/// Why there is no number.
#[derive(Debug, PartialEq)]
pub(super) enum Problem {
    /// The server says that the query failed.
    Refused(String),
    /// The answer is not one number.
    Unusable(String),
}

#[derive(Deserialize)]
struct Answer {
    status: Option<String>,
    error: Option<String>,
    data: Option<Data>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    result_type: Option<String>,
    result: Option<Value>,
    stats: Option<Stats>,
}

#[derive(Deserialize)]
struct Stats {
    samples: Option<Counted>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Counted {
    total_queryable_samples: Option<u64>,
}

/// A sample of an instant vector, or the samples of a range vector.
#[derive(Deserialize)]
struct Series {
    value: Option<Vec<Value>>,
    values: Option<Value>,
}

/// The value of the last series, or none if there is no series or its value is NaN. The time beside it is that of the
/// evaluation, and says nothing of how old the samples are.
pub(super) fn value(body: &[u8]) -> Result<Measurement, Problem> {
    let unusable = |text: String| Problem::Unusable(text);
    let answer: Answer = serde_json::from_slice(body)
        .map_err(|error| unusable(format!("the answer is not Prometheus' JSON: {error}")))?;
    if answer.status.as_deref() == Some("error") {
        return Err(Problem::Refused(answer.error.unwrap_or_else(|| "the query failed".into())));
    }
    let Some(Data { result_type, result: Some(result), stats }) = answer.data else {
        return Ok(Measurement::default());
    };
    let series: Option<Vec<Series>> = serde_json::from_value(result).map_err(|_| {
        let found = result_type.as_deref().unwrap_or("something else");
        unusable(format!(
            "the query returned a {found}; expected an instant vector, which vector(…) makes of a scalar"
        ))
    })?;
    let mut last = None;
    let all = series.unwrap_or_default();
    let found = count(&all);
    for series in all {
        if series.values.is_some() {
            return Err(unusable(
                "query returned multiple values; expected an instant vector, not a range".into(),
            ));
        }
        match series.value.as_deref() {
            Some([_, Value::String(text), ..]) => {
                let number =
                    text.parse().map_err(|_| unusable(format!("the value {text:?} is not a number")))?;
                last = Some(number);
            }
            // Neither null nor a number outside of quotes is a sample.
            None | Some([_, _, ..]) => {}
            Some(_) => return Err(unusable("a sample has fewer than two entries".into())),
        }
    }
    // Flagger: a denominator of 0 gives NaN, which is no value.
    let mut measured = Measurement::from(last.filter(|number: &f64| !number.is_nan()));
    measured.samples.series = found;
    measured.samples.count = stats.and_then(|stats| stats.samples?.total_queryable_samples);
    Ok(measured)
}
