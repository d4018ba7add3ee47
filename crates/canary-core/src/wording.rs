//! Every sentence, in one place, so that event, alert and log cannot disagree. Texts are Flagger's: users match on them.

use crate::notice::{CheckFailure, EventKind, Happening, UnsupportedSetting};
use crate::plan::{CheckSource, Plan, Strategy};
use crate::plugin::Severity;
use crate::{FailureKind, HookKind, MetricId, Phase};

use EventKind::{Normal, Warning};

/// The event of a happening.
pub(crate) fn event(plan: &Plan, what: &Happening) -> Option<(EventKind, String)> {
    let canary = format!("{}.{}", plan.name, plan.namespace);
    let target = format!("{}.{}", plan.target, plan.namespace);
    let primary = format!("{}-primary.{}", plan.target, plan.namespace);
    Some(match what {
        Happening::Suspended => (Normal, "skipping canary run as object is suspended".into()),
        Happening::ProvidersOnline => (Normal, "all the metrics providers are available!".into()),
        Happening::ProvidersOffline(e) => (Warning, format!("Error checking metric providers: {e}")),
        Happening::InitializationDone => (Normal, format!("Initialization done! {canary}")),
        Happening::NewRevision => (Normal, format!("New revision detected! Scaling up {target}")),
        Happening::Restarting => (Normal, format!("New revision detected! Restarting analysis for {target}")),
        Happening::SetBack => {
            (Warning, format!("Rolling back {canary} target {target} was set back to the promoted revision"))
        }
        Happening::NothingToApprove => (
            Normal,
            format!("Nothing to approve for {canary}: target {target} was set back to the promoted revision"),
        ),
        Happening::StartingAnalysis => (Normal, format!("Starting canary analysis for {target}")),
        Happening::Unsupported(setting) => (Warning, unsupported(&plan.provider, *setting)),
        Happening::CanaryWeight(w) => (Normal, format!("Advance {canary} canary weight {w}")),
        Happening::PrimaryWeight(w) => (Normal, format!("Advance {canary} primary weight {w}")),
        Happening::Iteration(i, n) => (Normal, format!("Advance {canary} canary iteration {i}/{n}")),
        Happening::AllToCanary { mirrored: false } => (Normal, "Routing all traffic to canary".into()),
        Happening::AllToCanary { mirrored: true } => {
            (Normal, "Stop traffic mirroring and route all traffic to canary".into())
        }
        Happening::AllToPrimary => (Normal, "Routing all traffic to primary".into()),
        Happening::Copying => (Normal, format!("Copying {target} template spec to {primary}")),
        Happening::Promoted { skipped: false } => {
            (Normal, format!("Promotion completed! Scaling down {target}"))
        }
        Happening::Promoted { skipped: true } => {
            (Normal, format!("Promotion completed! Canary analysis was skipped for {target}"))
        }
        Happening::ThresholdReached(n) => {
            (Warning, format!("Rolling back {canary} failed checks threshold reached {n}"))
        }
        Happening::RollbackRequested => (Warning, format!("Rolling back {canary} manual webhook invoked")),
        Happening::DeadlineExceeded(_) => return None, // the workload's own text was told already
        Happening::RolledBack => (Warning, format!("Canary failed! Scaling down {canary}")),
        Happening::PromotionFailed(e) => {
            (Warning, format!("Promotion of {target} failed, primary not ready: {e}"))
        }
        Happening::HookPassed { kind, hook } => return hook_passed(*kind, hook),
        Happening::HookFailed { kind, hook, text, .. } => return hook_failed(&canary, *kind, hook, text),
        Happening::CheckFailed(failure) => (Warning, check_failed(plan, &canary, &target, failure)),
        Happening::CommandTaken { command, by, reason } => {
            (Normal, format!("Command {command} for {canary}{}", said(by, reason)))
        }
        Happening::CommandRefused { command, why } => {
            (Warning, format!("Command {command} for {canary} refused: {why}"))
        }
        Happening::Aborted { by, reason } => {
            (Warning, format!("Rolling back {canary} aborted{}", said(by, reason)))
        }
        Happening::Terminating => (Normal, format!("Terminating canary {canary}")),
        Happening::Terminated => (Normal, format!("Terminated canary {canary}")),
        Happening::Error(text) => (Warning, text.clone()),
    })
}

/// Who said something and why, as the end of a sentence.
fn said(by: &str, reason: &str) -> String {
    let by = if by.is_empty() { String::new() } else { format!(" by {by}") };
    let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    format!("{by}{reason}")
}

fn unsupported(provider: &str, setting: UnsupportedSetting) -> String {
    match setting {
        UnsupportedSetting::AbTesting => {
            format!("A/B testing is not supported when using the {provider} provider")
        }
        UnsupportedSetting::Weights => {
            format!("Progressive traffic is not supported when using the {provider} provider")
        }
        UnsupportedSetting::AssumedIterations(n) => format!("Setting canaryAnalysis.iterations: {n}"),
    }
}

fn hook_passed(kind: HookKind, hook: &str) -> Option<(EventKind, String)> {
    Some(match kind {
        HookKind::ConfirmRollout => (Normal, format!("Confirm-rollout check {hook} passed")),
        HookKind::PreRollout => (Normal, format!("Pre-rollout check {hook} passed")),
        HookKind::ConfirmTrafficIncrease => (Normal, format!("Confirm-traffic-increase check {hook} passed")),
        HookKind::ConfirmPromotion => (Normal, format!("Confirm-promotion check {hook} passed")),
        HookKind::PostRollout => (Normal, format!("Post-rollout check {hook} passed")),
        HookKind::Rollback => (Warning, format!("Rollback check {hook} passed")),
        HookKind::Rollout | HookKind::Event => return None,
    })
}

fn hook_failed(canary: &str, kind: HookKind, hook: &str, text: &str) -> Option<(EventKind, String)> {
    let halt = format!("Halt {canary} advancement");
    Some(match kind {
        HookKind::ConfirmRollout => (Warning, format!("{halt} waiting for approval {hook}")),
        HookKind::PreRollout => (Warning, format!("{halt} pre-rollout check {hook} failed {text}")),
        HookKind::Rollout => (Warning, format!("{halt} external check {hook} failed {text}")),
        HookKind::ConfirmTrafficIncrease => {
            (Warning, format!("{halt} waiting for traffic increase approval {hook}"))
        }
        HookKind::ConfirmPromotion => (Warning, format!("{halt} waiting for promotion approval {hook}")),
        HookKind::PostRollout => (Warning, format!("Post-rollout hook {hook} failed {text}")),
        HookKind::Rollback => (Normal, format!("Rollback hook {hook} not signaling a rollback")),
        HookKind::Event => return None,
    })
}

fn check_failed(plan: &Plan, canary: &str, target: &str, failure: &CheckFailure) -> String {
    let check = |id: &MetricId| plan.checks.get(id.0);
    let name = |id: &MetricId| check(id).map_or("", |c| c.name.as_str());
    let source = |id: &MetricId| check(id).map_or(CheckSource::Nothing, |c| c.source);
    match failure {
        CheckFailure::OutOfBounds { check, value, bound, above } => {
            let sign = if *above { '>' } else { '<' };
            let halt = format!("Halt {canary} advancement");
            match source(check) {
                CheckSource::SuccessRate => format!("{halt} success rate {value:.2}% {sign} {bound}%"),
                CheckSource::Duration => {
                    format!("{halt} request duration {} {sign} {}", go_millis(*value), go_millis(*bound))
                }
                CheckSource::Inline | CheckSource::Template | CheckSource::Nothing => {
                    format!("{halt} {} {value:.2} {sign} {bound}", name(check))
                }
            }
        }
        CheckFailure::NoData { check, text } => match source(check) {
            CheckSource::SuccessRate => format!(
                "Halt advancement no values found for {} metric {} probably {target} is not receiving traffic: {text}",
                plan.provider,
                name(check)
            ),
            CheckSource::Duration => format!(
                "Halt advancement no values found for {} metric {} probably {target} is not receiving traffic",
                plan.provider,
                name(check)
            ),
            CheckSource::Inline | CheckSource::Nothing => {
                format!("Halt advancement no values found for metric: {}", name(check))
            }
            CheckSource::Template => {
                format!("Halt advancement no values found for custom metric: {}: {text}", name(check))
            }
        },
        CheckFailure::Unanswered { check, kind, text } => match kind {
            FailureKind::Query => match source(check) {
                CheckSource::SuccessRate | CheckSource::Duration | CheckSource::Nothing => {
                    format!("Prometheus query failed: {text}")
                }
                CheckSource::Inline => format!("Prometheus query failed for {}: {text}", name(check)),
                CheckSource::Template => format!("Metric query failed for {}: {text}", name(check)),
            },
            FailureKind::MetricsServer { url } => {
                format!("Error building Prometheus client for {url} {text}")
            }
            FailureKind::Template { template } => format!("Metric template {template} error: {text}"),
            FailureKind::Secret { template, secret } => {
                format!("Metric template {template} secret {secret} error: {text}")
            }
            FailureKind::Provider { template, provider } => {
                format!("Metric template {template} provider {provider} error: {text}")
            }
            FailureKind::Render { template } => {
                format!("Metric template {template} query render error: {text}")
            }
            FailureKind::KnativeService => {
                format!("Error fetching Knative service {}/{} {text}", plan.namespace, plan.target)
            }
        },
        CheckFailure::NothingToAsk => {
            "Metric query failed for no usable metrics template and query were configured".into()
        }
    }
}

/// What is told of a primary that is about to be created: what its kind says of one that was just created.
pub(crate) fn primary_to_come(plan: &Plan) -> String {
    let kind = plan.target_kind.to_lowercase();
    let prefix = if plan.target_kind == "DaemonSet" { "primary daemonset " } else { "" };
    format!(
        "{prefix}{}-primary.{} not ready: waiting for rollout to finish: observed {kind} generation less than desired generation",
        plan.target, plan.namespace
    )
}

/// The target is scaled to zero in the middle of its rollout.
pub(crate) fn target_at_rest(plan: &Plan) -> String {
    let kind = plan.target_kind.to_lowercase();
    format!(
        "canary {kind} {}.{} has no pods: it is scaled up before it gets traffic",
        plan.target, plan.namespace
    )
}

/// The canary cannot serve what it is sent.
pub(crate) fn canary_stranded(plan: &Plan) -> String {
    let kind = plan.target_kind.to_lowercase();
    format!(
        "canary {kind} {}.{} has no available pod: all traffic goes to the primary",
        plan.target, plan.namespace
    )
}

/// Whole milliseconds in the notation of Go durations: `500ms`, `1.5s`, `2m0s`.
pub(crate) fn go_millis(millis: f64) -> String {
    #[allow(clippy::cast_possible_truncation)] // the fraction is cut, as Flagger does
    let total = millis.trunc() as i64;
    let (sign, total) = if total < 0 { ("-", total.unsigned_abs()) } else { ("", total.unsigned_abs()) };
    if total == 0 {
        return "0s".into();
    }
    if total < 1000 {
        return format!("{sign}{total}ms");
    }
    let (hours, minutes, rest) = (total / 3_600_000, total / 60_000 % 60, total % 60_000);
    let seconds = format!("{}.{:03}", rest / 1000, rest % 1000);
    let seconds = seconds.trim_end_matches('0').trim_end_matches('.');
    match (hours, minutes) {
        (0, 0) => format!("{sign}{seconds}s"),
        (0, m) => format!("{sign}{m}m{seconds}s"),
        (h, m) => format!("{sign}{h}h{m}m{seconds}s"),
    }
}

/// The alert of a happening: text, severity, and whether the plan's facts go with it.
pub(crate) fn alert(plan: &Plan, what: &Happening) -> Option<(String, Severity, bool)> {
    use Severity::{Error, Info, Warn};
    Some(match what {
        Happening::InitializationDone => {
            (format!("New {} detected, initialization completed.", plan.target_kind), Info, true)
        }
        Happening::NewRevision => ("New revision detected, progressing canary analysis.".into(), Info, true),
        Happening::HookFailed { kind, mute: false, .. } => match kind {
            HookKind::ConfirmRollout => ("Canary is waiting for approval.".into(), Warn, false),
            HookKind::ConfirmTrafficIncrease => {
                ("Canary traffic increase is waiting for approval.".into(), Warn, false)
            }
            HookKind::ConfirmPromotion => ("Canary promotion is waiting for approval.".into(), Warn, false),
            HookKind::PreRollout
            | HookKind::Rollout
            | HookKind::PostRollout
            | HookKind::Rollback
            | HookKind::Event => return None,
        },
        Happening::RollbackRequested => ("Rolling back manual webhook invoked".into(), Warn, false),
        Happening::SetBack => {
            ("Rolling back target was set back to the promoted revision".into(), Warn, false)
        }
        Happening::Aborted { by, reason } => {
            (format!("Rolling back aborted{}", said(by, reason)), Warn, false)
        }
        Happening::ThresholdReached(n) => (format!("Failed checks threshold reached {n}"), Error, false),
        Happening::DeadlineExceeded(e) => (format!("Progress deadline exceeded {e}"), Error, false),
        Happening::PromotionFailed(e) => (format!("Promotion failed, primary not ready: {e}"), Error, false),
        Happening::Promoted { skipped: false } => {
            ("Canary analysis completed successfully, promotion finished.".into(), Info, false)
        }
        Happening::Promoted { skipped: true } => {
            ("Canary analysis was skipped, promotion finished.".into(), Info, false)
        }
        Happening::HookFailed { mute: true, .. }
        | Happening::Suspended
        | Happening::ProvidersOnline
        | Happening::ProvidersOffline(_)
        | Happening::Restarting
        | Happening::NothingToApprove
        | Happening::StartingAnalysis
        | Happening::Unsupported(_)
        | Happening::CanaryWeight(_)
        | Happening::PrimaryWeight(_)
        | Happening::Iteration(..)
        | Happening::AllToCanary { .. }
        | Happening::AllToPrimary
        | Happening::Copying
        | Happening::RolledBack
        | Happening::HookPassed { .. }
        | Happening::CheckFailed(_)
        | Happening::CommandTaken { .. }
        | Happening::CommandRefused { .. }
        | Happening::Terminating
        | Happening::Terminated
        | Happening::Error(_) => return None,
    })
}

/// The facts that go with an alert about a rollout that starts, name and value.
pub(crate) fn facts(plan: &Plan) -> Vec<(String, String)> {
    let mut facts = vec![
        ("Target".to_owned(), format!("{}/{}.{}", plan.target_kind, plan.target, plan.namespace)),
        ("Failed checks threshold".to_owned(), plan.threshold.to_string()),
        ("Progress deadline".to_owned(), format!("{}s", plan.progress_deadline.as_secs())),
    ];
    let shown = &plan.shown;
    let routing = match &plan.strategy {
        Strategy::AbTesting { .. } => Some("A/B Testing".to_owned()),
        Strategy::BlueGreen { .. } => Some("Blue/Green".to_owned()),
        Strategy::Weighted(_) if shown.step_weight > 0 => {
            Some(format!("Weight step: {} max: {}", shown.step_weight, shown.max_weight))
        }
        Strategy::Weighted(_) if !shown.step_weights.is_empty() => {
            let list: Vec<_> = shown.step_weights.iter().map(ToString::to_string).collect();
            Some(format!("Weight steps: {} max: {}", list.join(","), shown.max_weight))
        }
        Strategy::Weighted(_) => None,
    };
    facts.extend(routing.map(|r| ("Traffic routing".to_owned(), r)));
    facts
}

/// Status and message of the condition `Promoted` in that phase.
pub(crate) fn condition(plan: &Plan, phase: Phase) -> (&'static str, String) {
    let kind = &plan.target_kind;
    match phase {
        Phase::Initialized => ("True", format!("{kind} initialization completed.")),
        Phase::Waiting | Phase::WaitingPromotion => ("Unknown", "Waiting for approval.".into()),
        Phase::Progressing => ("Unknown", "New revision detected, progressing canary analysis.".into()),
        Phase::Promoting => ("Unknown", "Canary analysis completed, starting primary rolling update.".into()),
        Phase::Finalising => ("Unknown", "Canary analysis completed, routing all traffic to primary.".into()),
        Phase::Succeeded => ("True", "Canary analysis completed successfully, promotion finished.".into()),
        Phase::Failed => ("False", format!("Canary analysis failed, {kind} scaled to zero.")),
        Phase::Unset | Phase::Initializing | Phase::Terminating | Phase::Terminated => {
            ("Unknown", format!("New {kind} detected, starting initialization."))
        }
    }
}

#[cfg(test)]
mod tests;
