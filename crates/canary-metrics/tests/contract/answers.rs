//! How each backend writes what it has to say. `None`: its format cannot.

#![allow(
    clippy::unnecessary_wraps,
    reason = "all have the signature of those whose format cannot write everything"
)]

use canary_sandbox::{Content, ContractReply, ContractRequest};
use serde_json::{Value, json};

/// A number of JSON, where it has one.
fn number(value: f64) -> Option<Value> {
    serde_json::Number::from_f64(value).map(Value::Number)
}

fn json_reply(body: &Value) -> ContractReply {
    ContractReply::json(body.to_string())
}

/// The values of a content as JSON; `None` if one of them is none.
fn numbers(content: &Content) -> Option<Vec<Value>> {
    content.values().into_iter().map(|value| value.map_or(Some(Value::Null), number)).collect()
}

/// What a server that hands out tokens says; nothing to other requests.
pub(crate) fn token(request: &ContractRequest, access: &str) -> Option<ContractReply> {
    let token = json!({"access_token": access, "expires_in": 3600, "token_type": "Bearer"});
    (request.target == "/token").then(|| json_reply(&token))
}

pub(crate) fn prometheus(content: &Content) -> Option<ContractReply> {
    let sample = |value: Option<f64>| {
        let text = |value: f64| if value.is_infinite() { "+Inf".to_owned() } else { value.to_string() };
        let value = value.map_or(Value::Null, |value| json!([1_700_000_000, text(value)]));
        json!({ "metric": {}, "value": value })
    };
    let result: Vec<_> = content.values().into_iter().map(sample).collect();
    Some(json_reply(&json!({ "status": "success", "data": { "resultType": "vector", "result": result } })))
}

pub(crate) fn datadog(content: &Content) -> Option<ContractReply> {
    let series = |value| json!({ "metric": "requests", "pointlist": [[1_700_000_000_000.0, value]] });
    let series: Vec<_> = numbers(content)?.into_iter().map(series).collect();
    Some(json_reply(&json!({ "status": "ok", "series": series })))
}

pub(crate) fn newrelic(content: &Content) -> Option<ContractReply> {
    let results: Vec<_> = numbers(content)?.into_iter().map(|value| json!({ "average": value })).collect();
    Some(json_reply(&json!({ "results": results, "metadata": {} })))
}

pub(crate) fn graphite(content: &Content) -> Option<ContractReply> {
    let target = |value| json!({ "target": "requests", "datapoints": [[value, 1_700_000_000]] });
    let targets: Vec<_> = numbers(content)?.into_iter().map(target).collect();
    Some(json_reply(&json!(targets)))
}

pub(crate) fn flux(content: &Content) -> Option<ContractReply> {
    let head = "#datatype,string,long,dateTime:RFC3339,double\r\n#group,false,false,false,false\r\n#default,_result,,,\r\n,result,table,_time,_value\r\n";
    let text = |value: f64| if value.is_infinite() { "+Inf".to_owned() } else { value.to_string() };
    let row =
        |value: Option<f64>| format!(",,0,2026-01-01T00:00:00Z,{}\r\n", value.map(text).unwrap_or_default());
    let rows: String = content.values().into_iter().map(row).collect();
    let table = if rows.is_empty() { String::new() } else { format!("{head}{rows}") };
    Some(ContractReply::new("text/csv; charset=utf-8", format!("{table}\r\n")))
}

pub(crate) fn influxql(content: &Content) -> Option<ContractReply> {
    let series = |value| json!({ "name": "requests", "columns": ["time", "mean"], "values": [["2026-01-01T00:00:00Z", value]] });
    let series: Vec<_> = numbers(content)?.into_iter().map(series).collect();
    let statement = if series.is_empty() { json!({}) } else { json!({ "series": series }) };
    Some(json_reply(&json!({ "results": [statement] })))
}

pub(crate) fn dynatrace(content: &Content) -> Option<ContractReply> {
    let series = |value| json!({ "timestamps": [1_700_000_000_000_u64], "values": [value] });
    let data: Vec<_> = numbers(content)?.into_iter().map(series).collect();
    Some(json_reply(&json!({ "totalCount": data.len(), "result": [{ "metricId": "m", "data": data }] })))
}

pub(crate) fn external_metrics(content: &Content) -> Option<ContractReply> {
    let item = |value: Option<f64>| match value {
        Some(value) if !value.is_finite() => None,
        Some(value) => Some(
            json!({ "metricName": "requests", "timestamp": "2026-01-01T00:00:00Z", "value": format!("{}m", value * 1_000.0) }),
        ),
        None => Some(json!({ "metricName": "requests", "value": null })),
    };
    let items: Option<Vec<_>> = content.values().into_iter().map(item).collect();
    Some(json_reply(&json!({ "kind": "ExternalMetricValueList", "items": items? })))
}

pub(crate) fn keptn(content: &Content) -> Option<ContractReply> {
    let status = match content.values().as_slice() {
        [] => json!({}),
        [value] => {
            json!({ "value": value.map(|value| value.to_string()), "lastUpdated": "2026-01-01T00:00:00Z" })
        }
        _ => return None,
    };
    Some(json_reply(&json!({ "kind": "KeptnMetric", "status": status })))
}

pub(crate) fn cloudwatch(content: &Content) -> Option<ContractReply> {
    let result =
        |value| json!({ "Id": "e1", "StatusCode": "Complete", "Values": [value], "Timestamps": [1.7e9] });
    let results: Vec<_> = numbers(content)?.into_iter().map(result).collect();
    Some(ContractReply::new(
        "application/x-amz-json-1.0",
        json!({ "MetricDataResults": results }).to_string(),
    ))
}

pub(crate) fn stackdriver(content: &Content) -> Option<ContractReply> {
    // The JSON of protocol buffers has words for what is no number.
    let written = |value: f64| match value {
        v if v.is_nan() => json!("NaN"),
        v if v.is_infinite() => json!("Infinity"),
        v => json!(v),
    };
    let series = |value: Option<f64>| {
        json!({ "labelValues": [], "pointData": [{
        "values": [{ "doubleValue": value.map(written) }],
        "timeInterval": { "startTime": "2026-01-01T00:00:00Z", "endTime": "2026-01-01T00:01:00Z" },
    }] })
    };
    let series: Vec<_> = content.values().into_iter().map(series).collect();
    Some(json_reply(&json!({ "timeSeriesDescriptor": {}, "timeSeriesData": series })))
}

/// The answer to the check; values go over a web socket.
pub(crate) fn splunk(content: &Content) -> Option<ContractReply> {
    if *content == Content::Null { None } else { Some(json_reply(&json!({ "count": 1, "results": [] }))) }
}
