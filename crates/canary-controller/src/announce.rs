//! Telling what happened: Kubernetes events, event webhooks, alerts, and the hooks that follow the end of a rollout.
//!
//! Everything here runs after the commit, in order, and never holds up a tick: events and late hooks in one lane, event
//! webhooks in a second, alerts in a third, so that a dead receiver delays only its own kind.

mod alerts;
mod events;

use std::collections::BTreeMap;
use std::sync::Arc;

use canary_core::{
    EventKind, Happening, HookAnswer, HookId, Hooks, Notice, Phase, Plan, Status, Then, called,
};
use canary_webhooks::{RecordedEvent, event_calls, hook_call};
use tokio_util::task::TaskTracker;

pub(crate) use alerts::{AlertRoutes, Alerts, Undelivered, global_notifier};
pub(crate) use events::{About, Events};

use crate::clock::Clock;
use crate::finding::{Finding, values_annotation};
use crate::lane::Lane;

/// What every canary's announcer uses.
pub(crate) struct Outlets {
    pub(crate) events: Events,
    pub(crate) hooks: Arc<dyn Hooks>,
    /// Told of the events of canaries without event hooks of their own.
    pub(crate) event_webhook: Option<String>,
    pub(crate) alerts: Alerts,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tracker: TaskTracker,
}

/// Tells of one canary.
#[derive(Clone)]
pub(crate) struct Announcer {
    outlets: Arc<Outlets>,
    told: Lane,
    webhooks: Lane,
    alerts: Lane,
    last: events::Last,
    last_undelivered: events::Last,
}

/// What follows one commit.
pub(crate) struct Batch {
    pub(crate) about: About,
    pub(crate) plan: Arc<Plan>,
    /// As committed.
    pub(crate) status: Status,
    pub(crate) routes: AlertRoutes,
    pub(crate) then: Vec<Then>,
    /// The commit changed the phase: the last event has a name that can be made only once.
    pub(crate) transition: bool,
    /// Made in a process that is gone: only what was not told is told.
    pub(crate) again: bool,
    /// What a failed check found.
    pub(crate) finding: Option<Finding>,
    /// What the checks of the call found, by name.
    pub(crate) values: BTreeMap<String, f64>,
}

impl Announcer {
    pub(crate) fn new(outlets: Arc<Outlets>) -> Self {
        let lane = || Lane::new(outlets.tracker.clone());
        let last = events::Last::default;
        Self {
            told: lane(),
            webhooks: lane(),
            alerts: lane(),
            last: last(),
            last_undelivered: last(),
            outlets,
        }
    }

    /// Tells what follows a commit, when it is its turn.
    pub(crate) fn announce(&self, batch: Batch) {
        if batch.then.is_empty() {
            return;
        }
        let announcer = self.clone();
        self.told.push(async move { announcer.tell_batch(batch).await });
    }

    async fn tell_batch(&self, batch: Batch) {
        let name = batch.transition.then(|| events::transition_name(&batch.about, &batch.status));
        if let (true, Some(name)) = (batch.again, &name)
            && self.outlets.events.exists(&batch.about, name).await
        {
            return;
        }
        let mut stopped = false;
        for (n, step) in batch.then.iter().enumerate() {
            let notices = match step {
                Then::Announce(notice) => vec![notice.clone()],
                Then::Call { .. } if stopped => continue,
                Then::Call { id, phase, told_as } => {
                    let answer = self.call(&batch, *id, *phase).await;
                    stopped = answer != HookAnswer::Passed;
                    called(&batch.plan, *told_as, *id, &answer)
                }
            };
            let is_last = !batch.then.iter().skip(n + 1).any(|later| match later {
                Then::Announce(notice) => notice.event(&batch.plan).is_some(),
                Then::Call { .. } => !stopped,
            });
            for notice in notices {
                self.tell(&batch, &notice, name.as_deref().filter(|_| is_last)).await;
                if let Some(reason) = explanation(&batch, &notice) {
                    self.tell(&batch, &reason, None).await;
                }
            }
        }
    }

    /// An alert that nobody got is told where people look next.
    async fn tell_undelivered(&self, about: &About, undelivered: &Undelivered) {
        let message =
            format!("An alert of {}.{} was not delivered: {undelivered}", about.name, about.namespace);
        let event = RecordedEvent { kind: EventKind::Warning, message, at: self.outlets.clock.now() };
        let notes = BTreeMap::from([("canaryd/alert".to_owned(), undelivered.rule.clone())]);
        self.outlets.events.record(about, &event, None, notes, &self.last_undelivered).await;
    }

    async fn call(&self, batch: &Batch, id: HookId, phase: Phase) -> HookAnswer {
        match batch.plan.hooks.get(id.0) {
            Some(hook) => self.outlets.hooks.call(&hook_call(hook, &batch.plan, &batch.status, phase)).await,
            None => HookAnswer::Passed,
        }
    }

    async fn tell(&self, batch: &Batch, notice: &Notice, name: Option<&str>) {
        let plan = &batch.plan;
        if let Some(alert) = notice.alert(plan) {
            let (announcer, routes, about) = (self.clone(), batch.routes.clone(), batch.about.clone());
            self.alerts.push(async move {
                for undelivered in announcer.outlets.alerts.send(alert, &routes).await {
                    announcer.tell_undelivered(&about, &undelivered).await;
                }
            });
        }
        let Some((kind, message)) = notice.event(plan) else { return };
        let canary = format!("{}.{}", plan.name, plan.namespace);
        match kind {
            EventKind::Normal => tracing::info!(canary, phase = %notice.phase, "{message}"),
            EventKind::Warning => tracing::warn!(canary, phase = %notice.phase, "{message}"),
        }
        let finding = batch.finding.as_ref().filter(|_| matches!(notice.what, Happening::CheckFailed(_)));
        if let Some(finding) = finding {
            finding.log(&canary);
        }
        let at = self.outlets.clock.now();
        let event = RecordedEvent { kind, message, at };
        let calls =
            event_calls(plan, &batch.status, notice.phase, &event, self.outlets.event_webhook.as_deref());
        if !calls.is_empty() {
            let hooks = self.outlets.hooks.clone();
            self.webhooks.push(async move {
                for call in calls {
                    if let HookAnswer::Failed(error) = hooks.call(&call).await {
                        tracing::error!(canary, hook = %call.name, error, "an event webhook failed");
                    }
                }
            });
        }
        let mut notes = finding.map(Finding::annotations).unwrap_or_default();
        notes.extend(values_annotation(&batch.values));
        self.outlets.events.record(&batch.about, &event, name, notes, &self.last).await;
    }
}

/// Why a query has no values, as a notice of its own: the one that tells of the check has Flagger's words.
fn explanation(batch: &Batch, notice: &Notice) -> Option<Notice> {
    if !matches!(notice.what, Happening::CheckFailed(_)) {
        return None;
    }
    let finding = batch.finding.as_ref()?;
    let reason = finding.reason.as_ref().filter(|_| finding.is_news)?;
    let what = Happening::Error(format!("No values of metric {}: {reason}", finding.metric));
    Some(Notice { phase: notice.phase, what })
}
