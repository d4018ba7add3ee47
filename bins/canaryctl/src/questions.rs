//! Which queries the checks of a canary are, so that an answer can be shown under its check's name and bounds.

use canary_api::{MetricSpec, TargetKind, ValidCanary};
use canary_core::{Bounds, Check, CheckSource, Plan};
use canary_metrics::{Observer, QueryModel, Template, observer};

use crate::manifests::Manifest;

/// A check of a canary.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// `name.namespace` of the canary.
    pub(crate) canary: String,
    pub(crate) name: String,
    pub(crate) bounds: Bounds,
    /// The query, with every run of blanks as one.
    pub(crate) query: String,
    /// A query of the controller's own, not the user's.
    pub(crate) built_in: bool,
    /// A duration, answered as that observer does.
    pub(crate) duration_of: Option<&'static Observer>,
}

impl Question {
    /// The answer as people read it: durations in whole milliseconds.
    pub(crate) fn shown(&self, value: f64) -> Option<f64> {
        self.duration_of.map_or(Some(value), |observer| observer.duration_milliseconds(value))
    }

    /// Whether a script that names `key` means this: the check's name, or a piece of its query.
    pub(crate) fn is_called(&self, key: &str) -> bool {
        self.name == key || self.query.contains(key)
    }

    /// A value that passes.
    pub(crate) fn good_value(&self) -> f64 {
        match (self.bounds.min, self.bounds.max) {
            (Some(min), Some(max)) => f64::midpoint(min, max),
            (Some(min), None) => min,
            (None, Some(max)) => max - max.abs() / 2.0,
            (None, None) => 1.0,
        }
    }
}

/// The questions of one canary. A query that cannot be rendered is none: the controller says what is wrong with it.
pub(crate) fn of(canary: &ValidCanary, plan: &Plan, manifests: &[Manifest]) -> Vec<Question> {
    let specs = canary.metric_specs();
    let ask = |check: &Check| one(canary, check, specs.get(check.index)?, manifests);
    plan.checks.iter().filter_map(ask).collect()
}

fn one(canary: &ValidCanary, check: &Check, spec: &MetricSpec, manifests: &[Manifest]) -> Option<Question> {
    let own = canary.spec.provider.as_deref().unwrap_or_default();
    let (observer, _) = observer(&canary.mesh_provider, own, canary.target_kind == TargetKind::Service);
    let rendered =
        |text: &str, interval| Template::parse(text).and_then(|t| t.render(&model(canary, spec, interval)));
    let query = match check.source {
        CheckSource::SuccessRate => observer.success_rate(&model(canary, spec, "1m")),
        CheckSource::Duration => observer.duration(&model(canary, spec, "1m")),
        CheckSource::Inline => rendered(spec.query.as_deref()?, "1m"),
        CheckSource::Template => {
            let (namespace, name) = spec.template.as_ref()?;
            let template = manifests.iter().find(|m| m.is("MetricTemplate", namespace, name))?;
            rendered(template.text("/spec/query"), "")
        }
        CheckSource::Nothing => return None,
    };
    let duration = check.source == CheckSource::Duration;
    Some(Question {
        canary: format!("{}.{}", canary.name, canary.namespace),
        name: check.name.clone(),
        bounds: check.bounds,
        query: squeeze(&query.ok()?),
        built_in: duration || check.source == CheckSource::SuccessRate,
        duration_of: duration.then_some(observer),
    })
}

/// What the names in queries stand for.
pub(crate) fn model(canary: &ValidCanary, spec: &MetricSpec, default_interval: &str) -> QueryModel {
    let names = canary.query_model();
    let interval = spec.interval.clone().filter(|i| !i.is_empty());
    QueryModel {
        name: names.name,
        namespace: names.namespace,
        target: names.target,
        service: names.service,
        ingress: names.ingress,
        route: names.route,
        interval: interval.unwrap_or_else(|| default_interval.to_owned()),
        variables: spec.variables.clone(),
    }
}

/// Runs of blanks as one.
pub(crate) fn squeeze(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_value_is_within_its_bounds() {
        for (min, max) in
            [(Some(1.0), Some(10.0)), (Some(99.0), None), (None, Some(5.0)), (None, Some(-5.0)), (None, None)]
        {
            let bounds = Bounds { min, max };
            let (canary, name, query) = (String::new(), String::new(), String::new());
            let question = Question { canary, name, bounds, query, built_in: false, duration_of: None };
            assert_eq!(bounds.violation(question.good_value()), None, "{bounds:?}");
        }
    }
}
