//! Spreading rules of the primary's pods: where the target's name stands for its own pods, the primary's takes its place.
//! Pod affinity stays, for it names other workloads; so do rules about nodes.

use serde_json::Value;

use crate::fields::each_mut;
use crate::generated::primary_name;

/// Rewrites the selectors under `keys` in a pod spec that name `target`.
pub(super) fn rewrite(pod_spec: &mut Value, target: &str, keys: &[String]) {
    for constraint in each_mut(pod_spec, "topologySpreadConstraints") {
        selector(constraint, target, keys);
    }
    let Some(anti_affinity) = pod_spec.pointer_mut("/affinity/podAntiAffinity") else { return };
    for preferred in each_mut(anti_affinity, "preferredDuringSchedulingIgnoredDuringExecution") {
        if let Some(term) = preferred.get_mut("podAffinityTerm") {
            selector(term, target, keys);
        }
    }
    for term in each_mut(anti_affinity, "requiredDuringSchedulingIgnoredDuringExecution") {
        selector(term, target, keys);
    }
}

fn selector(holder: &mut Value, target: &str, keys: &[String]) {
    let Some(selector) = holder.get_mut("labelSelector") else { return };
    for expression in each_mut(selector, "matchExpressions") {
        let known =
            expression.get("key").and_then(Value::as_str).is_some_and(|key| keys.iter().any(|k| k == key));
        if known
            && let Some(value) = each_mut(expression, "values").find(|value| value.as_str() == Some(target))
        {
            *value = primary_name(target).into();
        }
    }
    for key in keys {
        if let Some(value) = selector.get_mut("matchLabels").and_then(|labels| labels.get_mut(key))
            && value.as_str() == Some(target)
        {
            *value = primary_name(target).into();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rewritten(mut spec: Value) -> Value {
        rewrite(&mut spec, "podinfo", &["app".to_owned(), "name".to_owned()]);
        spec
    }

    #[test]
    fn selectors_of_the_targets_own_pods_follow_to_the_primary() {
        let labels =
            |value: &str| json!({"labelSelector": {"matchLabels": {"app": value, "tier": "podinfo"}}});
        let values = |list: Value| json!({"labelSelector": {"matchExpressions": [{"key": "name", "operator": "NotIn", "values": list}]}});
        let spec = |own: &str, list: Value| {
            json!({
                "topologySpreadConstraints": [labels(own), {"maxSkew": 1}],
                "affinity": {
                    "podAntiAffinity": {
                        "preferredDuringSchedulingIgnoredDuringExecution": [
                            {"weight": 1, "podAffinityTerm": labels(own)},
                        ],
                        "requiredDuringSchedulingIgnoredDuringExecution": [values(list)],
                    },
                    "podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [labels("podinfo")]},
                },
            })
        };
        assert_eq!(
            rewritten(spec("podinfo", json!(["db", "podinfo", "podinfo"]))),
            spec("podinfo-primary", json!(["db", "podinfo-primary", "podinfo"])),
        );
    }

    #[test]
    fn selectors_of_others_stay() {
        for holder in [
            json!({"labelSelector": {"matchLabels": {"app": "db"}}}),
            json!({"labelSelector": {"matchLabels": {"tier": "podinfo"}}}),
            json!({"labelSelector": {"matchExpressions": [{"key": "tier", "values": ["podinfo"]}]}}),
            json!({"labelSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}}),
            json!({"labelSelector": {}}),
        ] {
            let spec = json!({"topologySpreadConstraints": [holder]});
            assert_eq!(rewritten(spec.clone()), spec);
        }
    }
}
