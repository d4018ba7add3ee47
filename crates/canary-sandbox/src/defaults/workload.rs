//! Deployments, ReplicaSets and DaemonSets.

use serde_json::{Value, json};

use super::{child, pod, set};
use crate::errors::Cause;

pub(super) fn deployment(object: &mut Value, old: Option<&Value>) {
    let spec = child(object, "spec");
    set(spec, "replicas", || 1.into());
    set(spec, "revisionHistoryLimit", || 10.into());
    set(spec, "progressDeadlineSeconds", || 600.into());
    let strategy = child(spec, "strategy");
    set(strategy, "type", || "RollingUpdate".into());
    if strategy["type"] == "RollingUpdate" {
        let rolling = child(strategy, "rollingUpdate");
        set(rolling, "maxUnavailable", || "25%".into());
        set(rolling, "maxSurge", || "25%".into());
    }
    finish(object, old);
}

pub(super) fn replica_set(object: &mut Value, old: Option<&Value>) {
    set(child(object, "spec"), "replicas", || 1.into());
    finish(object, old);
}

pub(super) fn daemon_set(object: &mut Value, old: Option<&Value>) {
    let spec = child(object, "spec");
    set(spec, "revisionHistoryLimit", || 10.into());
    let strategy = child(spec, "updateStrategy");
    set(strategy, "type", || "RollingUpdate".into());
    if strategy["type"] == "RollingUpdate" {
        let rolling = child(strategy, "rollingUpdate");
        set(rolling, "maxUnavailable", || 1.into());
        set(rolling, "maxSurge", || 0.into());
    }
    let counts = ["currentNumberScheduled", "desiredNumberScheduled", "numberMisscheduled", "numberReady"];
    finish(object, old);
    if old.is_none() {
        object["status"] = counts.iter().map(|count| ((*count).to_owned(), json!(0))).collect();
    }
}

fn finish(object: &mut Value, old: Option<&Value>) {
    let spec = child(object, "spec");
    if spec["minReadySeconds"] == 0
        && let Some(map) = spec.as_object_mut()
    {
        map.remove("minReadySeconds");
    }
    let template = child(spec, "template");
    child(template, "metadata");
    for map in ["labels", "annotations"] {
        if template["metadata"][map].as_object().is_some_and(serde_json::Map::is_empty)
            && let Some(metadata) = template["metadata"].as_object_mut()
        {
            metadata.remove(map);
        }
    }
    if let Some(metadata) = template["metadata"].as_object_mut() {
        metadata.retain(|_, value| !value.is_null());
    }
    pod::apply(child(template, "spec"));
    if old.is_none() {
        object["status"] = json!({});
    }
}

pub(super) fn faults(object: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let spec = &object["spec"];
    if let Some(replicas) = spec["replicas"].as_i64().filter(|r| *r < 0) {
        let text = "must be greater than or equal to 0";
        causes.push(Cause::invalid("spec.replicas", &replicas.into(), text));
    }
    let selector = &spec["selector"];
    let labels = &spec["template"]["metadata"]["labels"];
    let empty = |value: &Value| value.as_object().is_none_or(serde_json::Map::is_empty);
    if selector.is_null() {
        causes.push(Cause::required("spec.selector", ""));
    } else if empty(&selector["matchLabels"]) && selector["matchExpressions"].is_null() {
        let text = "empty selector is invalid for deployment";
        causes.push(Cause::invalid("spec.selector", selector, text));
    }
    let matches =
        selector["matchLabels"].as_object().into_iter().flatten().all(|(key, value)| &labels[key] == value);
    if selector.is_null() || !matches {
        let text = "`selector` does not match template `labels`";
        causes.push(Cause::invalid("spec.template.metadata.labels", labels, text));
    }
    causes.extend(pod::faults(&spec["template"]["spec"], "spec.template.spec"));
    let policy = &spec["template"]["spec"]["restartPolicy"];
    if policy != "Always" && !policy.is_null() {
        let field = "spec.template.spec.restartPolicy";
        causes.push(Cause::unsupported(field, policy, &["Always".into()]));
    }
    if old.is_some_and(|old| old["spec"]["selector"] != *selector) {
        causes.push(Cause::invalid("spec.selector", selector, "field is immutable"));
    }
    causes
}
