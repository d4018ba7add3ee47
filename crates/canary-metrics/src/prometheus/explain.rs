//! Why a query finds nothing: which metric, label or value of its selectors the server does not have, and what is nearest.
//! A handful of requests to the metadata APIs; nothing here is part of a check.

mod nearest;
pub(super) mod selectors;

use std::collections::BTreeMap;

use canary_core::MetricError;
use jiff::{SignedDuration, Timestamp};
use promql_parser::label::Matcher;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Prometheus;
use nearest::{nearest, some};
use selectors::{Selector, matcher, selectors};

/// Series that were there within this time exist.
const RECENTLY: SignedDuration = SignedDuration::from_hours(1);
/// Selectors of one query that are looked at.
const AT_MOST: usize = 4;
/// Values that are shown.
const SHOWN: usize = 5;

#[derive(Deserialize)]
struct Listed<T> {
    data: Vec<T>,
}

/// A series by its labels.
type Series = BTreeMap<String, String>;

/// The reason, or `None` where there is none to be found.
pub(super) async fn explain(prometheus: &Prometheus, query: &str) -> Option<String> {
    let selectors = selectors(query, AT_MOST)?;
    let mut reasons = Vec::new();
    for selector in &selectors {
        match (Look { prometheus }).at(selector).await {
            Ok(Some(reason)) if !reasons.contains(&reason) => reasons.push(reason),
            Ok(_) => {}
            // A server without these APIs, or one that is gone by now.
            Err(_) => return None,
        }
    }
    if reasons.is_empty() && !selectors.is_empty() {
        return Some(
            "all its series exist, so its range holds too few samples (rate needs two, which takes four scrape intervals to be sure), or nothing was counted (0/0)"
                .into(),
        );
    }
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

struct Look<'a> {
    prometheus: &'a Prometheus,
}

impl Look<'_> {
    /// What of a selector is not there; `None` if it finds series.
    async fn at(&self, selector: &Selector) -> Result<Option<String>, MetricError> {
        if self.exists(&selector.text()).await? {
            return Ok(None);
        }
        let Some(metric) = &selector.metric else {
            return Ok(Some(format!("no series matches {}", selector.text())));
        };
        let any = selectors::named(metric);
        if !self.exists(&any).await? {
            let names: Vec<String> = self.list("/api/v1/label/__name__/values", &[]).await?;
            let hint =
                nearest(metric, &names).map_or_else(String::new, |name| format!("; the nearest is {name:?}"));
            return Ok(Some(format!("there is no metric {metric:?}{hint}")));
        }
        let labels: Vec<String> = self.list("/api/v1/labels", &[("match[]", &any)]).await?;
        for wanted in selector.matchers.iter().filter(|wanted| !wanted.is_match("")) {
            if let Some(reason) = self.label(metric, &labels, wanted).await? {
                return Ok(Some(reason));
            }
        }
        Ok(Some(format!("each label of {} has such values, but no series has them all", selector.text())))
    }

    /// What is wrong with one label of a metric that exists.
    async fn label(
        &self,
        metric: &str,
        labels: &[String],
        wanted: &Matcher,
    ) -> Result<Option<String>, MetricError> {
        let label = &wanted.name;
        if !labels.contains(label) {
            let hint =
                nearest(label, labels).map_or_else(String::new, |name| format!("; the nearest is {name:?}"));
            return Ok(Some(format!("metric {metric:?} has no label {label:?}{hint}")));
        }
        let named = selectors::named(metric);
        let values: Vec<String> =
            self.list(&format!("/api/v1/label/{label}/values"), &[("match[]", &named)]).await?;
        if values.iter().any(|value| wanted.is_match(value)) {
            return Ok(None);
        }
        let hint = match nearest(&wanted.value, &values) {
            Some(value) => format!("; the nearest value is {value:?}"),
            None => format!("; its values are {}", some(&values, SHOWN)),
        };
        Ok(Some(format!("no series of {metric:?} has {}{hint}", matcher(wanted))))
    }

    async fn exists(&self, selector: &str) -> Result<bool, MetricError> {
        let series: Vec<Series> =
            self.list("/api/v1/series", &[("match[]", selector), ("limit", "1")]).await?;
        Ok(!series.is_empty())
    }

    async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Vec<T>, MetricError> {
        let start = (Timestamp::now() - RECENTLY).as_second().to_string();
        let request = self.prometheus.get(path).query(&[("start", start.as_str())]).query(parameters);
        let listed: Listed<T> = self.prometheus.backend.json(request).await?;
        Ok(listed.data)
    }
}
