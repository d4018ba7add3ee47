//! Analysis templates: metrics of Prometheus become metric templates, their conditions become bounds.

use serde_json::{Map, Value, json};

use super::Remarks;
use crate::manifests::Manifest;

/// What the templates of one Rollout became.
#[derive(Default)]
pub(super) struct Templates {
    /// MetricTemplates.
    pub(super) objects: Vec<Value>,
    /// Entries of `spec.analysis.metrics`.
    pub(super) metrics: Vec<Value>,
}

/// Every template that the strategy names anywhere.
pub(super) fn templates(
    strategy: &Value,
    base: &str,
    namespace: &str,
    all: &[Manifest],
    remarks: &mut Remarks<'_>,
) -> Templates {
    let mut found = Templates::default();
    let mut places = vec![(format!("{base}.analysis"), &strategy["analysis"])];
    for kind in ["prePromotionAnalysis", "postPromotionAnalysis"] {
        places.push((format!("{base}.{kind}"), &strategy[kind]));
    }
    for (n, step) in strategy["steps"].as_array().into_iter().flatten().enumerate() {
        places.push((format!("{base}.steps[{n}].analysis"), &step["analysis"]));
    }
    let mut seen = Vec::new();
    for (field, analysis) in places {
        for reference in analysis["templates"].as_array().into_iter().flatten() {
            let name = reference["templateName"].as_str().unwrap_or_default();
            if seen.contains(&name) {
                continue;
            }
            seen.push(name);
            let kind = if reference["clusterScope"] == true {
                "ClusterAnalysisTemplate"
            } else {
                "AnalysisTemplate"
            };
            let template = all.iter().find(|m| m.text("/kind") == kind && m.text("/metadata/name") == name);
            match template {
                Some(template) => convert(template, namespace, &analysis["args"], &mut found, remarks),
                None => remarks.lost(&field, &format!("{kind} {name} is not in the files")),
            }
        }
    }
    found
}

fn convert(
    template: &Manifest,
    namespace: &str,
    args: &Value,
    found: &mut Templates,
    remarks: &mut Remarks<'_>,
) {
    // Remarks about the template name its own file.
    let mut remarks = Remarks { manifest: template, all: &mut *remarks.all };
    for (n, metric) in template.object["spec"]["metrics"].as_array().into_iter().flatten().enumerate() {
        let field = format!("spec.metrics[{n}]");
        let name = metric["name"].as_str().unwrap_or_default();
        let Some(prometheus) = metric["provider"].get("prometheus") else {
            remarks.lost(&field, "only metrics of Prometheus are converted; write a MetricTemplate for it");
            continue;
        };
        let variables = variables(&template.object["spec"]["args"], args, &field, &mut remarks);
        let query = prometheus["query"].as_str().unwrap_or_default();
        let (query, used) = with_variables(query, &variables);
        let object_name = format!("{}-{name}", template.text("/metadata/name"));
        let mut metadata = json!({"name": object_name});
        if !namespace.is_empty() {
            metadata["namespace"] = namespace.into();
        }
        found.objects.push(json!({
            "apiVersion": "flagger.app/v1beta1", "kind": "MetricTemplate", "metadata": metadata,
            "spec": {"provider": {"type": "prometheus", "address": prometheus["address"]}, "query": query},
        }));
        let mut entry = json!({"name": name, "templateRef": {"name": object_name}});
        match metric["successCondition"].as_str().map(|c| (c, bounds(c))) {
            Some((_, Some(range))) => entry["thresholdRange"] = range,
            Some((condition, None)) => remarks.lost(
                &format!("{field}.successCondition"),
                &format!("`{condition}` is no single comparison; set thresholdRange of {name} in the Canary"),
            ),
            None => remarks.note(
                &field,
                &format!("it has no successCondition; set thresholdRange of {name} in the Canary"),
            ),
        }
        if let Some(interval) = metric["interval"].as_str() {
            entry["interval"] = interval.into();
        }
        if !used.is_empty() {
            entry["templateVariables"] = used.into();
        }
        for lost in [
            "failureCondition",
            "failureLimit",
            "count",
            "inconclusiveLimit",
            "consecutiveErrorLimit",
            "initialDelay",
        ] {
            if metric.get(lost).is_some() {
                remarks.lost(
                    &format!("{field}.{lost}"),
                    "spec.analysis.threshold of the Canary says how many failed checks are too many",
                );
            }
        }
        found.metrics.push(entry);
    }
}

/// Values of arguments, those of the Rollout before the template's own.
fn variables(own: &Value, given: &Value, field: &str, remarks: &mut Remarks<'_>) -> Map<String, Value> {
    let mut values = Map::new();
    for arg in own.as_array().into_iter().flatten().chain(given.as_array().into_iter().flatten()) {
        let name = arg["name"].as_str().unwrap_or_default();
        match arg.get("value") {
            Some(value) => drop(values.insert(name.to_owned(), value.clone())),
            None if arg.get("valueFrom").is_some() => {
                remarks.lost(
                    field,
                    &format!("argument {name} has its value from elsewhere; write it into templateVariables"),
                );
            }
            None => {}
        }
    }
    values
}

/// The query with `{{args.x}}` as `{{ variables.x }}`, and the variables that it uses.
fn with_variables(query: &str, values: &Map<String, Value>) -> (String, Map<String, Value>) {
    let (mut out, mut used, mut rest) = (String::new(), Map::new(), query);
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((inside, behind)) = after.split_once("}}") else { break };
        out.push_str(before);
        match inside.trim().strip_prefix("args.") {
            Some(name) => {
                out.extend(["{{ variables.", name, " }}"]);
                used.insert(name.to_owned(), values.get(name).cloned().unwrap_or_else(|| "".into()));
            }
            None => out.extend(["{{", inside, "}}"]),
        }
        rest = behind;
    }
    out.push_str(rest);
    (out, used)
}

/// The bounds of a condition such as `result[0] >= 0.95`.
fn bounds(condition: &str) -> Option<Value> {
    let text = condition.trim();
    let text = text.strip_prefix("result[0]").or_else(|| text.strip_prefix("result"))?.trim_start();
    // A bound is a good value itself, so that < and <= are the same but for one point.
    let (end, number) = [(">=", "min"), ("<=", "max"), (">", "min"), ("<", "max")]
        .iter()
        .find_map(|(sign, end)| Some((*end, text.strip_prefix(sign)?)))?;
    let number: f64 = number.trim().parse().ok()?;
    Some(json!({end: number}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_comparison_is_a_bound() {
        assert_eq!(bounds("result[0] >= 0.95"), Some(json!({"min": 0.95})));
        assert_eq!(bounds("result < 5"), Some(json!({"max": 5.0})));
        for other in ["result[0] >= 0.95 && result[1] > 1", "isNaN(result)", "result == 1"] {
            assert_eq!(bounds(other), None, "{other}");
        }
    }

    #[test]
    fn arguments_become_variables() {
        let values = Map::from_iter([("svc".to_owned(), json!("web"))]);
        let (query, used) = with_variables("sum(rate(x{s=\"{{args.svc}}\"}[5m]))", &values);
        assert_eq!(query, "sum(rate(x{s=\"{{ variables.svc }}\"}[5m]))");
        assert_eq!(used, values);
    }
}
