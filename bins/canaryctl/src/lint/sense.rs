//! Rules about canaries that are valid and hardly do what was meant.

use std::time::Duration;

use canary_api::{GoDuration, ValidCanary};
use canary_core::{Check, CheckSource, HookKind, Plan, Strategy};

use super::{
    Findings,
    Level::{Error, Warning},
};

/// Prometheus scrapes every 15 s in most set-ups, and a rate needs two samples.
const SHORTEST_WINDOW: Duration = Duration::from_secs(30);

pub(super) fn check(valid: &ValidCanary, findings: &mut Findings<'_>) {
    let plan = valid.plan();
    steps(valid, &plan, findings);
    router(valid, &plan, findings);
    judges(valid, &plan, findings);
    for check in &plan.checks {
        bounds(valid, check, findings);
    }
    windows(valid, findings);
    hooks(&plan, findings);
    deadlines(valid, &plan, findings);
}

/// Steps that never reach the maximum, or jump over all in between.
fn steps(valid: &ValidCanary, plan: &Plan, findings: &mut Findings<'_>) {
    let analysis = &valid.spec.analysis;
    if !matches!(plan.strategy, Strategy::Weighted(_)) || valid.spec.skip_analysis {
        return;
    }
    if analysis.step_weight <= 0 && analysis.step_weights.is_empty() {
        findings.add(
            Error,
            "no-steps",
            "spec.analysis",
            "the canary never gets any traffic, so the rollout never ends",
            "set stepWeight, stepWeights, or iterations",
        );
        return;
    }
    let max = i64::from(plan.strategy.max_weight().percent());
    if analysis.step_weight > 0 && analysis.step_weight >= max {
        findings.add(
            Warning,
            "one-step",
            "spec.analysis.stepWeight",
            format!(
                "the first step of {} reaches the maximum of {max}: the canary is judged once",
                analysis.step_weight
            ),
            "make stepWeight a fraction of maxWeight",
        );
    }
    for (n, pair) in analysis.step_weights.windows(2).enumerate() {
        if pair[1] <= pair[0] {
            findings.add(
                Error,
                "steps-fall",
                &format!("spec.analysis.stepWeights[{}]", n + 1),
                format!("step {} comes after {} and is never made", pair[1], pair[0]),
                "list growing weights",
            );
        }
    }
    if !analysis.step_weights.is_empty() && analysis.max_weight > 0 && analysis.max_weight != max {
        findings.add(
            Warning,
            "max-ignored",
            "spec.analysis.maxWeight",
            format!(
                "maxWeight {} is ignored: the last of stepWeights, {max}, is the maximum",
                analysis.max_weight
            ),
            "remove maxWeight, or make it the last of stepWeights",
        );
    }
}

/// Features that the router lacks.
fn router(valid: &ValidCanary, plan: &Plan, findings: &mut Findings<'_>) {
    let (analysis, can, provider) = (&valid.spec.analysis, plan.capabilities, &plan.provider);
    let mut lacks = |used: bool, able: bool, field: &str, what: &str, mend: &str| {
        if used && !able {
            findings.add(Error, "router-lacks", field, format!("provider {provider} {what}"), mend);
        }
    };
    let weighted = analysis.step_weight > 0 || !analysis.step_weights.is_empty();
    let field =
        if analysis.step_weight > 0 { "spec.analysis.stepWeight" } else { "spec.analysis.stepWeights" };
    lacks(
        weighted,
        can.weighted,
        field,
        "cannot split traffic: ten iterations of blue/green are made instead",
        "use iterations, or another provider",
    );
    lacks(
        !analysis.matches.is_empty(),
        can.conditions,
        "spec.analysis.match",
        "cannot route by conditions: everybody or nobody meets the canary",
        "remove match, or use another provider",
    );
    lacks(
        analysis.mirror,
        can.mirror,
        "spec.analysis.mirror",
        "cannot mirror requests",
        "remove mirror, or use another provider",
    );
    lacks(
        analysis.session_affinity.is_some(),
        can.session_affinity,
        "spec.analysis.sessionAffinity",
        "cannot keep sessions",
        "remove sessionAffinity, or use another provider",
    );
    lacks(
        analysis.step_weight_promotion > 0,
        can.weighted,
        "spec.analysis.stepWeightPromotion",
        "cannot move traffic back in steps",
        "remove stepWeightPromotion",
    );
}

/// A canary that nothing judges.
fn judges(valid: &ValidCanary, plan: &Plan, findings: &mut Findings<'_>) {
    let asked = plan.hooks.iter().any(|h| matches!(h.kind, HookKind::Rollout | HookKind::PreRollout));
    if plan.checks.is_empty() && !asked && !valid.spec.skip_analysis {
        findings.add(
            Warning,
            "no-checks",
            "spec.analysis",
            "nothing but the readiness of its pods judges the canary",
            "add metrics, or a webhook of type rollout or pre-rollout",
        );
    }
}

/// Bounds that no value, or every value, passes.
fn bounds(valid: &ValidCanary, check: &Check, findings: &mut Findings<'_>) {
    let field = format!("spec.analysis.metrics[{}]", check.index);
    let range = valid.spec.analysis.metrics.get(check.index).is_some_and(|m| m.threshold_range.is_some());
    let bound = if range { format!("{field}.thresholdRange") } else { format!("{field}.threshold") };
    let name = &check.name;
    if check.source == CheckSource::Nothing {
        findings.add(
            Error,
            "nothing-asked",
            &field,
            format!("check {name} has neither a query nor a template and always fails"),
            "add templateRef, or use request-success-rate or request-duration",
        );
        return;
    }
    let percent = check.source == CheckSource::SuccessRate;
    let (min, max) = (check.bounds.min, check.bounds.max);
    let impossible = match (min, max) {
        (Some(min), Some(max)) if min > max => true,
        (Some(min), _) if percent && min > 100.0 => true,
        (_, Some(max))
            if max < 0.0 && matches!(check.source, CheckSource::SuccessRate | CheckSource::Duration) =>
        {
            true
        }
        _ => false,
    };
    if impossible {
        findings.add(
            Error,
            "never-passes",
            &bound,
            format!("no value passes check {name}"),
            "give bounds that a healthy service keeps",
        );
        return;
    }
    let min_says_nothing = min.is_none_or(|m| m <= 0.0 && (percent || check.source == CheckSource::Duration));
    let max_says_nothing = max.is_none_or(|m| percent && m >= 100.0);
    if min_says_nothing && max_says_nothing {
        findings.add(
            Warning,
            "never-fails",
            &bound,
            format!("every value passes check {name}"),
            if percent {
                "set thresholdRange.min, such as 99"
            } else {
                "set thresholdRange.min or thresholdRange.max"
            },
        );
    }
}

/// Windows of queries that hold too few samples.
fn windows(valid: &ValidCanary, findings: &mut Findings<'_>) {
    for (n, metric) in valid.spec.analysis.metrics.iter().enumerate() {
        let Some(window) = metric.interval.as_deref().and_then(duration) else { continue };
        if window < SHORTEST_WINDOW {
            findings.add(
                Warning,
                "short-window",
                &format!("spec.analysis.metrics[{n}].interval"),
                format!(
                    "a window of {} s holds less than two scrapes of 15 s, so that there is often no value",
                    window.as_secs()
                ),
                "use 30s or more, at least twice the scrape interval",
            );
        }
    }
}

fn hooks(plan: &Plan, findings: &mut Findings<'_>) {
    for (n, hook) in plan.hooks.iter().enumerate() {
        let field = format!("spec.analysis.webhooks[{n}]");
        if plan.hooks[..n].iter().any(|h| h.name == hook.name && h.kind.is_gate() && hook.kind.is_gate()) {
            findings.add(
                Error,
                "same-gate",
                &format!("{field}.name"),
                format!("there are two gates named {}: one approval opens both", hook.name),
                "give each gate a name of its own",
            );
        }
        let timeout = hook.timeout.as_ref().ok().copied().unwrap_or_default();
        if hook.kind != HookKind::Event && timeout > plan.interval {
            findings.add(
                Warning,
                "slow-hook",
                &format!("{field}.timeout"),
                format!(
                    "hook {} may take {} s, longer than the {} s between two steps",
                    hook.name,
                    timeout.as_secs(),
                    plan.interval.as_secs()
                ),
                "shorten timeout, or lengthen spec.analysis.interval",
            );
        }
    }
}

fn deadlines(valid: &ValidCanary, plan: &Plan, findings: &mut Findings<'_>) {
    if plan.progress_deadline < plan.interval {
        findings.add(
            Warning,
            "short-deadline",
            "spec.progressDeadlineSeconds",
            format!(
                "pods have {} s to become ready, less than one step of {} s",
                plan.progress_deadline.as_secs(),
                plan.interval.as_secs()
            ),
            "make progressDeadlineSeconds several steps long",
        );
    }
    if let Some(written) = duration(&valid.spec.analysis.interval).filter(|w| *w < plan.interval) {
        findings.add(
            Warning,
            "short-interval",
            "spec.analysis.interval",
            format!(
                "steps every {} s are made every {} s, the shortest there is",
                written.as_secs(),
                plan.interval.as_secs()
            ),
            "write the interval that is used",
        );
    }
}

fn duration(text: &str) -> Option<Duration> {
    text.parse::<GoDuration>().ok().map(GoDuration::to_std)
}
