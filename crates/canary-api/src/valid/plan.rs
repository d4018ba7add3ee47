//! From a canary to the core's plan, with Flagger's defaults.

use std::time::Duration;

use canary_core::{AlertRule, Hook, HookKind, Plan, Severity, Shown, StepBy, Steps, Strategy, Weight};

use super::ValidCanary;
use crate::go_duration::GoDuration;
use crate::spec::{Analysis, Webhook};

impl ValidCanary {
    /// What the state machine is to do. A percentage outside 0 to 100 counts as the nearest that is inside.
    pub fn plan(&self) -> Plan {
        let spec = &self.spec;
        let analysis = &spec.analysis;
        let mut plan = Plan::new(&self.name, &self.namespace);
        plan.target_kind.clone_from(&spec.target_ref.kind);
        plan.target.clone_from(&spec.target_ref.name);
        plan.provider.clone_from(&self.provider);
        plan.capabilities = self.capabilities;
        plan.revert_on_deletion = spec.revert_on_deletion;
        plan.strategy = strategy(analysis);
        plan.mirror = analysis.mirror;
        plan.step_weight_promotion = Weight::clamped(analysis.step_weight_promotion).percent();
        plan.interval = analysis.period();
        plan.threshold = u32::try_from(analysis.threshold.max(1)).unwrap_or(u32::MAX);
        plan.progress_deadline = self.progress_deadline();
        plan.checks = self.checks();
        plan.probes = self.probes();
        plan.hooks = analysis.webhooks.iter().map(hook).collect();
        plan.skip_analysis = spec.skip_analysis;
        plan.suspend = spec.suspend;
        plan.has_autoscaler = spec.autoscaler_ref.is_some();
        plan.shown = Shown {
            step_weight: analysis.step_weight,
            step_weights: analysis.step_weights.clone(),
            max_weight: analysis.max_weight,
        };
        plan
    }

    /// How long a workload may stay unready.
    pub(super) fn progress_deadline(&self) -> Duration {
        Duration::from_secs(self.spec.progress_deadline_seconds.unwrap_or(600).max(0).unsigned_abs().into())
    }

    /// Who is told what. Empty: the global notifier is told everything.
    ///
    /// An empty severity means `info`, as Flagger's documentation says; Flagger itself then sends nothing.
    pub fn alert_rules(&self) -> Vec<AlertRule> {
        let rule = |alert: &crate::spec::AlertRef| {
            let severity = match alert.severity.as_str() {
                "error" => Severity::Error,
                "warn" => Severity::Warn,
                _ => Severity::Info,
            };
            AlertRule::new(&alert.name, severity, alert.provider_ref.resolve(&self.namespace))
        };
        self.spec.analysis.alerts.iter().map(rule).collect()
    }
}

pub(super) fn strategy(analysis: &Analysis) -> Strategy {
    let iterations = i32::try_from(analysis.iterations).unwrap_or(i32::MAX);
    if analysis.iterations > 0 {
        return if analysis.matches.is_empty() {
            Strategy::BlueGreen { iterations }
        } else {
            Strategy::AbTesting { iterations }
        };
    }
    let listed: Vec<_> = analysis.step_weights.iter().map(|w| Weight::clamped(*w)).collect();
    let by = if analysis.step_weight > 0 || listed.is_empty() {
        StepBy::Even(Weight::clamped(analysis.step_weight).percent())
    } else {
        StepBy::List(listed.clone())
    };
    let max = match listed.last() {
        Some(last) => *last,
        None if analysis.max_weight > 0 => Weight::clamped(analysis.max_weight),
        None => Weight::ALL,
    };
    Strategy::Weighted(Steps { max, by })
}

fn hook(webhook: &Webhook) -> Hook {
    let kind = hook_kind(&webhook.kind);
    let mut hook = Hook::new(&webhook.name, kind, &webhook.url);
    // Flagger takes a text of one character for no text, except for event hooks.
    let shortest = if kind == HookKind::Event { 1 } else { 2 };
    if webhook.timeout.len() >= shortest {
        hook.timeout = webhook
            .timeout
            .parse::<GoDuration>()
            .map(GoDuration::to_std)
            .map_err(|_| webhook.timeout.clone());
    }
    hook.retries = u32::try_from(webhook.retries.max(0)).unwrap_or(u32::MAX);
    hook.disable_tls = webhook.disable_tls;
    hook.mute_alert = webhook.mute_alert;
    hook.metadata = webhook.metadata.clone();
    hook
}

pub(super) fn hook_kind(name: &str) -> HookKind {
    match name {
        "confirm-rollout" => HookKind::ConfirmRollout,
        "pre-rollout" => HookKind::PreRollout,
        "confirm-traffic-increase" => HookKind::ConfirmTrafficIncrease,
        "confirm-promotion" => HookKind::ConfirmPromotion,
        "post-rollout" => HookKind::PostRollout,
        "rollback" => HookKind::Rollback,
        "event" => HookKind::Event,
        _ => HookKind::Rollout, // also the empty name; others do not pass the check
    }
}
