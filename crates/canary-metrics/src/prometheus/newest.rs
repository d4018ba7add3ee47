//! How old the newest sample is of the series that a query asks for: the times in answers are those of the evaluation.
//! One request; nothing here is part of a check.

use std::time::Duration;

use super::Prometheus;
use super::explain::selectors::selectors;
use crate::sample::age_of_seconds;

/// Selectors of one query that are looked at.
const AT_MOST: usize = 4;
/// A server looks back some minutes for a sample; what says more does not know what was asked.
const CREDIBLE: Duration = Duration::from_secs(24 * 3600);

/// The age; none where no series has a sample within the time that the server looks back, which is five minutes by default.
pub(super) async fn age_of_newest(prometheus: &Prometheus, query: &str) -> Option<Duration> {
    let selectors = selectors(query, AT_MOST)?;
    let times: Vec<_> = selectors.iter().map(|s| format!("max(timestamp({}))", s.text())).collect();
    let newest = match times.as_slice() {
        [] => return None,
        [one] => one.clone(),
        // Without labels all are the same to `or`, which keeps the first of the same.
        several => {
            let distinct = |(n, time)| format!(r#"label_replace({time}, "n", "{n}", "", "")"#);
            let all: Vec<String> = several.iter().enumerate().map(distinct).collect();
            format!("max({})", all.join(" or "))
        }
    };
    let seconds = prometheus.ask(&newest).await.ok()?.value?;
    age_of_seconds(seconds).filter(|age| *age <= CREDIBLE)
}
