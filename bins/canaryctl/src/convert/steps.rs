//! The strategy: steps of weight and pauses, or blue/green.

use std::time::Duration;

use canary_api::GoDuration;
use serde_json::{Map, Value, json};

use super::Remarks;

const MINUTE: Duration = Duration::from_secs(60);
/// The shortest time between two steps.
const SHORTEST: Duration = Duration::from_secs(10);
/// A Rollout fails at the first failed analysis; one value that is bad by chance is no such thing.
const THRESHOLD: u32 = 2;

/// Steps of weight. The controller makes one step an interval, so pauses become the interval.
pub(super) fn weighted(strategy: &Value, base: &str, remarks: &mut Remarks<'_>) -> Map<String, Value> {
    let (mut weights, mut pauses, mut gates) = (Vec::new(), Vec::new(), Vec::new());
    let steps = strategy["steps"].as_array().map_or(&[] as &[Value], Vec::as_slice);
    let last_weight = steps.iter().rposition(|s| s.get("setWeight").is_some()).unwrap_or(0);
    for (n, step) in steps.iter().enumerate() {
        let field = format!("{base}.steps[{n}]");
        for (kind, value) in step.as_object().into_iter().flatten() {
            match kind.as_str() {
                "setWeight" => weight(value, &field, &mut weights, remarks),
                "pause" => match value.get("duration") {
                    Some(duration) => pauses.push((field.clone(), length(duration))),
                    None => gates.push((field.clone(), n > last_weight)),
                },
                "analysis" => {
                    remarks.note(&field, "its metrics are checked at every step instead of at this one");
                }
                "setCanaryScale" => {
                    remarks.lost(&field, "the target has its own number of pods, or its autoscaler's");
                }
                "experiment" => {
                    remarks.lost(&field, "there are no experiments; use a webhook of type pre-rollout");
                }
                "setHeaderRoute" => remarks.lost(&field, "use spec.analysis.match with iterations"),
                "setMirrorRoute" => remarks.lost(&field, "use spec.analysis.mirror and mirrorWeight"),
                other => remarks.lost(&format!("{field}.{other}"), "there is no such step"),
            }
        }
    }
    let interval = interval(&pauses, remarks);
    let mut analysis = begin(interval);
    if weights.is_empty() {
        analysis.insert("stepWeights".into(), json!([100]));
        remarks.note(base, "it has no steps of weight, so all traffic moves in one");
    } else {
        analysis.insert("stepWeights".into(), weights.into());
    }
    let hooks = hooks(&gates, remarks);
    if !hooks.is_empty() {
        analysis.insert("webhooks".into(), hooks.into());
    }
    for (field, instead) in [
        ("dynamicStableScale", "the primary keeps its pods; its autoscaler decides"),
        (
            "abortScaleDownDelaySeconds",
            "after a rollback the target is scaled down at once, after its traffic is gone",
        ),
        ("scaleDownDelaySeconds", "the target is scaled down one interval after its traffic is gone"),
        ("scaleDownDelayRevisionLimit", "there is one primary and one target"),
        ("antiAffinity", "the primary gets the affinity of the target, with its own name"),
        ("canaryMetadata", "labels and annotations of the pod template are copied to the primary"),
        ("stableMetadata", "labels and annotations of the pod template are copied to the primary"),
        ("pingPong", "the primary keeps its Service"),
        ("minPodsPerReplicaSet", "the target has its own number of pods, or its autoscaler's"),
    ] {
        if strategy.get(field).is_some() {
            remarks.lost(&format!("{base}.{field}"), instead);
        }
    }
    analysis
}

fn weight(value: &Value, field: &str, weights: &mut Vec<i64>, remarks: &mut Remarks<'_>) {
    let weight = value.as_i64().unwrap_or(0);
    match weights.last() {
        _ if weight <= 0 => remarks.lost(field, "weight 0 is where every rollout begins"),
        Some(before) if weight <= *before => remarks.lost(field, "weights only grow; abort takes them back"),
        _ => weights.push(weight.min(100)),
    }
}

/// The longest pause, since every step has the same one.
fn interval(pauses: &[(String, Option<Duration>)], remarks: &mut Remarks<'_>) -> Duration {
    let known: Vec<Duration> = pauses.iter().filter_map(|(_, d)| *d).collect();
    for (field, _) in pauses.iter().filter(|(_, d)| d.is_none()) {
        remarks.lost(field, "its duration cannot be read");
    }
    let longest = known.iter().copied().max().unwrap_or(MINUTE).max(SHORTEST);
    if let Some((field, _)) = pauses.iter().find(|(_, d)| d.is_some_and(|d| d != longest)) {
        remarks
            .note(field, &format!("all steps are {} s apart, the longest of its pauses", longest.as_secs()));
    }
    longest
}

fn hooks(gates: &[(String, bool)], remarks: &mut Remarks<'_>) -> Vec<Value> {
    let mut hooks = Vec::new();
    let increases: Vec<_> = gates.iter().filter(|(_, last)| !last).collect();
    if let Some((field, _)) = increases.first() {
        remarks.note(field, "a pause without end becomes a gate: `canaryctl approve` opens it for one increase, and every increase waits for it");
        hooks.push(json!({"name": "next-step", "type": "confirm-traffic-increase"}));
    }
    if let Some((field, _)) = gates.iter().find(|(_, last)| *last) {
        remarks.note(
            field,
            "a pause without end after the last weight becomes a gate: `canaryctl approve` opens it",
        );
        hooks.push(json!({"name": "promotion", "type": "confirm-promotion"}));
    }
    hooks
}

/// Blue/green: a number of checks without traffic, then the switch.
pub(super) fn blue_green(strategy: &Value, base: &str, remarks: &mut Remarks<'_>) -> Map<String, Value> {
    let seconds = strategy["autoPromotionSeconds"].as_u64().map(Duration::from_secs);
    let interval = seconds.map_or(MINUTE, |s| (s / 3).max(SHORTEST));
    let mut analysis = begin(interval);
    analysis.insert("iterations".into(), 3.into());
    remarks.note(base, &format!("three checks, {} s apart, come before the switch", interval.as_secs()));
    if strategy["autoPromotionEnabled"] == false {
        analysis.insert("webhooks".into(), json!([{"name": "promotion", "type": "confirm-promotion"}]));
        remarks.note(&format!("{base}.autoPromotionEnabled"), "becomes a gate: `canaryctl approve` opens it");
    }
    for (field, instead) in [
        ("scaleDownDelaySeconds", "the target is scaled down one interval after its traffic is gone"),
        ("scaleDownDelayRevisionLimit", "there is one primary and one target"),
        ("previewReplicaCount", "the target has its own number of pods, or its autoscaler's"),
        ("previewMetadata", "labels and annotations of the pod template are copied to the primary"),
        ("activeMetadata", "labels and annotations of the pod template are copied to the primary"),
        ("antiAffinity", "the primary gets the affinity of the target, with its own name"),
        (
            "abortScaleDownDelaySeconds",
            "after a rollback the target is scaled down at once, after its traffic is gone",
        ),
    ] {
        if strategy.get(field).is_some() {
            remarks.lost(&format!("{base}.{field}"), instead);
        }
    }
    analysis
}

fn begin(interval: Duration) -> Map<String, Value> {
    Map::from_iter([
        ("interval".to_owned(), format!("{}s", interval.as_secs()).into()),
        ("threshold".to_owned(), THRESHOLD.into()),
    ])
}

/// A duration of a Rollout: a number of seconds, or a text such as `30s`.
pub(super) fn length(value: &Value) -> Option<Duration> {
    let seconds = value.as_u64().or_else(|| value.as_str()?.parse().ok());
    seconds
        .map(Duration::from_secs)
        .or_else(|| value.as_str()?.parse::<GoDuration>().ok().map(GoDuration::to_std))
}
