//! The checks of an analysis, in the order in which they run.

use std::collections::BTreeMap;

use canary_core::{Bounds, Check, CheckSource, MetricId};

use super::ValidCanary;
use crate::spec::Metric;

/// What asking for the value of a check takes. At the same position as the entry of `analysis.metrics`, which is
/// [`Check::index`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MetricSpec {
    /// Name of the metric.
    pub name: String,
    /// Window of the query, as written. Absent means `1m` for built-in and inline queries, and nothing for templates.
    pub interval: Option<String>,
    /// The inline query.
    pub query: Option<String>,
    /// Namespace and name of the template.
    pub template: Option<(String, String)>,
    /// Variables of the template.
    pub variables: BTreeMap<String, String>,
}

impl ValidCanary {
    /// What the entries of `analysis.metrics` ask, in the user's order.
    pub fn metric_specs(&self) -> Vec<MetricSpec> {
        let spec = |metric: &Metric| MetricSpec {
            name: metric.name.clone(),
            interval: metric.interval.clone(),
            query: (!metric.query.is_empty()).then(|| metric.query.clone()),
            template: metric.template_ref.as_ref().map(|t| t.resolve(&self.namespace)),
            variables: metric.template_variables.clone(),
        };
        self.spec.analysis.metrics.iter().map(spec).collect()
    }

    /// First built-in and inline queries of all entries, then templates of all entries.
    pub(super) fn checks(&self) -> Vec<Check> {
        let metrics = || self.spec.analysis.metrics.iter().enumerate();
        let first = metrics().flat_map(|(i, m)| {
            let inline = (!m.query.is_empty()).then_some(CheckSource::Inline);
            built_in(&m.name).into_iter().chain(inline).map(move |source| check(i, m, source))
        });
        let second = metrics().filter_map(|(i, m)| Some(check(i, m, second_source(m)?)));
        first.chain(second).collect()
    }

    /// A built-in check is probed by its own backend, another entry by that of its template, and an inline query by itself.
    pub(super) fn probes(&self) -> Vec<MetricId> {
        let checks = self.checks();
        let probe = |(index, metric): (usize, &Metric)| {
            let other =
                if metric.template_ref.is_some() { CheckSource::Template } else { CheckSource::Inline };
            let source = built_in(&metric.name).unwrap_or(other);
            checks.iter().position(|c| c.index == index && c.source == source).map(MetricId)
        };
        self.spec.analysis.metrics.iter().enumerate().filter_map(probe).collect()
    }
}

fn built_in(name: &str) -> Option<CheckSource> {
    match name {
        "request-success-rate" => Some(CheckSource::SuccessRate),
        "request-duration" => Some(CheckSource::Duration),
        _ => None,
    }
}

fn second_source(metric: &Metric) -> Option<CheckSource> {
    if metric.template_ref.is_some() {
        Some(CheckSource::Template)
    } else {
        (built_in(&metric.name).is_none() && metric.query.is_empty()).then_some(CheckSource::Nothing)
    }
}

fn check(index: usize, metric: &Metric, source: CheckSource) -> Check {
    let Bounds { min, max } = bounds(metric, source);
    let mut check = Check::new(&metric.name, source).within(min, max);
    check.index = index;
    check
}

/// A range wins over the legacy threshold, which is a minimum for the success rate and a maximum for all else.
/// Durations are compared in whole milliseconds.
fn bounds(metric: &Metric, source: CheckSource) -> Bounds {
    let bounds = match (&metric.threshold_range, source) {
        (Some(range), _) => Bounds { min: range.min, max: range.max },
        (None, CheckSource::SuccessRate) => Bounds { min: Some(metric.threshold), max: None },
        (
            None,
            CheckSource::Duration | CheckSource::Inline | CheckSource::Template | CheckSource::Nothing,
        ) => Bounds { min: None, max: Some(metric.threshold) },
    };
    match source {
        CheckSource::Duration => Bounds { min: bounds.min.map(f64::trunc), max: bounds.max.map(f64::trunc) },
        CheckSource::SuccessRate | CheckSource::Inline | CheckSource::Template | CheckSource::Nothing => {
            bounds
        }
    }
}
