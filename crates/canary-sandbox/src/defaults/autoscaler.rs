//! HorizontalPodAutoscalers.

use serde_json::{Value, json};

use super::{child, each, quantity, set};
use crate::errors::Cause;

/// Writes quantities in their canonical form.
pub(super) fn readable(object: &mut Value) {
    let Some(spec) = object.get_mut("spec") else { return };
    for metric in each(spec, "metrics") {
        for source in ["resource", "pods", "object", "external", "containerResource"] {
            for key in ["value", "averageValue"] {
                if let Some(value) = metric.pointer_mut(&format!("/{source}/target/{key}")) {
                    quantity::canonical(value);
                }
            }
        }
    }
}

pub(super) fn apply(object: &mut Value, old: Option<&Value>) {
    let spec = child(object, "spec");
    set(spec, "minReplicas", || 1.into());
    set(spec, "metrics", || {
        let target = json!({ "type": "Utilization", "averageUtilization": 80 });
        json!([{ "type": "Resource", "resource": { "name": "cpu", "target": target } }])
    });
    if spec["behavior"].is_object() {
        rules(child(&mut spec["behavior"], "scaleUp"), None, &[("Pods", 4), ("Percent", 100)], Some(0));
        rules(child(&mut spec["behavior"], "scaleDown"), None, &[("Percent", 100)], None);
    }
    if old.is_none() {
        object["status"] = json!({ "desiredReplicas": 0 });
    }
}

fn rules(direction: &mut Value, select: Option<&str>, policies: &[(&str, i64)], window: Option<i64>) {
    set(direction, "selectPolicy", || select.unwrap_or("Max").into());
    set(direction, "policies", || {
        let policy =
            |(kind, value): &(&str, i64)| json!({ "type": kind, "value": value, "periodSeconds": 15 });
        policies.iter().map(policy).collect()
    });
    if let Some(window) = window {
        set(direction, "stabilizationWindowSeconds", || window.into());
    }
}

pub(super) fn faults(object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let spec = &object["spec"];
    let (least, most) =
        (spec["minReplicas"].as_i64().unwrap_or(1), spec["maxReplicas"].as_i64().unwrap_or(0));
    for key in ["kind", "name"] {
        if spec["scaleTargetRef"][key].as_str().unwrap_or_default().is_empty() {
            causes.push(Cause::required(format!("spec.scaleTargetRef.{key}"), ""));
        }
    }
    if least < 1 {
        causes.push(Cause::invalid("spec.minReplicas", &least.into(), "must be greater than or equal to 1"));
    }
    if most < 1 {
        causes.push(Cause::invalid("spec.maxReplicas", &most.into(), "must be greater than 0"));
    }
    if most < least {
        let text = "must be greater than or equal to `minReplicas`";
        causes.push(Cause::invalid("spec.maxReplicas", &most.into(), text));
    }
    causes
}
