//! Counters as Prometheus has them: raw samples with their times.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use url::Url;

use super::guard::body;

#[derive(Deserialize)]
struct Answer {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    result: Vec<Series>,
}

#[derive(Deserialize)]
struct Series {
    metric: BTreeMap<String, String>,
    #[serde(default)]
    values: Vec<(f64, String)>,
}

/// The counters of each pod, of about the last four scrapes: seconds since 1970 and counts, in order.
pub(super) async fn ask(
    client: &reqwest::Client,
    prometheus: &Url,
    query: &str,
    scrape: Duration,
) -> Result<BTreeMap<String, Vec<(f64, f64)>>, String> {
    let mut url = prometheus.clone();
    url.set_path(&format!("{}/api/v1/query", url.path().trim_end_matches('/')));
    let window = (scrape.as_secs_f64() * 4.0).ceil().max(5.0);
    let query = format!("{query}[{window}s]");
    let body = body(client.get(url).query(&[("query", query)])).await?;
    let answer: Answer =
        serde_json::from_slice(&body).map_err(|error| format!("the answer is no matrix: {error}"))?;
    Ok(by_pod(answer.data.result))
}

/// Adds up the series of each pod at each time. A series that is not there yet counts as zero.
fn by_pod(series: Vec<Series>) -> BTreeMap<String, Vec<(f64, f64)>> {
    // Times as milliseconds, which they are in Prometheus.
    let mut pods: BTreeMap<String, BTreeMap<u64, f64>> = BTreeMap::new();
    for one in series {
        let pod = ["pod", "kubernetes_pod_name", "instance"].iter().find_map(|label| one.metric.get(*label));
        let times = pods.entry(pod.cloned().unwrap_or_default()).or_default();
        for (at, value) in one.values {
            let at = u64::try_from(Duration::try_from_secs_f64(at).unwrap_or_default().as_millis());
            if let (Ok(at), Ok(value)) = (at, value.parse::<f64>()) {
                *times.entry(at).or_default() += value;
            }
        }
    }
    let seconds = |at: u64| Duration::from_millis(at).as_secs_f64();
    pods.into_iter().map(|(pod, t)| (pod, t.into_iter().map(|(at, v)| (seconds(at), v)).collect())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_series_of_a_pod_are_added_up_at_each_time() {
        let series: Vec<Series> = serde_json::from_value(json!([
            {"metric": {"pod": "a", "status": "200"}, "values": [[1.0, "10"], [2.0, "20"]]},
            {"metric": {"pod": "a", "status": "500"}, "values": [[2.0, "3"]]},
            {"metric": {"pod": "b"}, "values": [[1.5, "7"]]},
        ]))
        .unwrap();
        let pods = by_pod(series);
        assert_eq!(pods["a"], [(1.0, 10.0), (2.0, 23.0)]);
        assert_eq!(pods["b"], [(1.5, 7.0)]);
    }
}
