//! One call: observe, decide (asking what the core wants to know), perform, commit, announce.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use canary_core::{
    Commit, Decision, Effect, Happening, Next, Notice, Observed, Phase, Status, Then, Timestamp, Wake,
    effect_failed, missed, next,
};
use canary_routers::{ObjectError, Routers};
use serde_json::{Value, json};
use tracing::Instrument as _;

use crate::announce::{AlertRoutes, Batch, Outlets};
use crate::asking::Asking;
use crate::cache::{Cache, Reader};
use crate::clock::Clock;
use crate::commands;
use crate::finding::{Finding, measured};
use crate::history;
use crate::memory::Memory;
use crate::metadata::{keep_finalizer, same_object, steer};
use crate::perform::{EffectError, Performer};
use crate::settings::Settings;
use crate::spans;
use crate::store::Key;
use crate::stored_status::stored;
use crate::subject::{Subject, canary_kind, never_set_up};
use crate::telemetry::Telemetry;
use crate::unusable::{mark, marked_invalid, refuse};
use crate::workload::WorkloadSettings;

/// Tries of one status write.
const TRIES: u32 = 5;
/// Wait after a call that failed between ticks, doubling.
pub(crate) const RETRY: Duration = Duration::from_secs(5);
const RETRY_AT_MOST: Duration = Duration::from_secs(300);
/// How old a change of phase may be for a process that starts to look whether it was told.
const TELL_AGAIN_WITHIN: Duration = Duration::from_secs(600);

/// What all calls share.
pub(crate) struct Context {
    pub(crate) cache: Cache,
    /// Of the cluster that the mesh's objects live in, when that is another one.
    pub(crate) mesh: Option<Cache>,
    pub(crate) settings: Settings,
    pub(crate) workload_settings: Arc<WorkloadSettings>,
    pub(crate) routers: Routers,
    pub(crate) asking: Asking,
    pub(crate) outlets: Arc<Outlets>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) telemetry: Telemetry,
}

/// Looks at one canary. Returns when to look again if nothing happens; the canary exists.
pub(crate) async fn reconcile(
    context: &Context,
    object: &Value,
    key: &Key,
    memory: &mut Memory,
) -> Option<Timestamp> {
    let now = context.clock.now();
    let subject = match Subject::new(object, &context.settings, &context.routers) {
        Ok(subject) => subject,
        Err(invalid) => return refuse(context, object, memory, &invalid).await,
    };
    if memory.invalid.take().is_some() || marked_invalid(object) {
        mark(context, object, None).await;
        return Some(now);
    }
    memory.target.clone_from(&subject.workload.target);
    context.cache.expect(subject.names());
    if let Some(mesh) = &context.mesh {
        mesh.expect(subject.names());
    }
    let reader = context.cache.reader(key);
    let reader = if never_set_up(object) { reader.before_making(subject.copies()) } else { reader };
    let call = Call { context, subject: &subject, object, reader: &reader, now };
    if !std::mem::replace(&mut memory.known, true) {
        call.tell_what_was_missed(memory).await;
        context.telemetry.phase(&subject.plan.namespace, &subject.plan.target, subject.status.phase);
    }
    let next = call.run(memory).instrument(spans::call(&subject)).await;
    memory.due = next;
    next
}

struct Call<'a> {
    context: &'a Context,
    subject: &'a Subject,
    object: &'a Value,
    reader: &'a Reader,
    now: Timestamp,
}

impl Call<'_> {
    async fn run(&self, memory: &mut Memory) -> Option<Timestamp> {
        if memory.released {
            return None;
        }
        let Context { routers, workload_settings, telemetry, .. } = self.context;
        let key = (self.subject.about.namespace.clone(), self.subject.about.name.clone());
        let mesh = self.context.mesh.as_ref().map(|cache| cache.reader(&key));
        let mut performer = match Performer::new(
            self.subject,
            self.reader,
            mesh.as_ref(),
            routers,
            workload_settings,
            telemetry,
        ) {
            Ok(performer) => performer,
            Err(error) => return self.cannot_be_released(memory, &error),
        };
        let (mut seen, error) = performer.observe(self.now).instrument(spans::observe()).await;
        if let Some(error) = error {
            tracing::debug!(canary = %self.name(), category = error.category(), error = %error, "observing failed");
            telemetry.reconcile_failed(error.category());
        }
        memory.complete(&mut seen, self.now);
        seen.command = commands::with_author(self.context, self.subject).await;
        seen.steering.clone_from(&self.subject.steering);

        let mut answers = Vec::new();
        let (mut finding, mut values) = (None, BTreeMap::new());
        let mut decision = loop {
            match next(&self.subject.plan, &self.subject.status, &seen, &answers, self.now) {
                Next::Done(decision) => {
                    // Answers take their time, and pods may go meanwhile: nobody is sent to where none are.
                    if !answers.is_empty() {
                        let (fresh, _) = performer.observe(self.now).await;
                        if has_lost_pods(&seen, &fresh) {
                            answers.clear();
                            (seen.target, seen.primary) = (fresh.target, fresh.primary);
                            continue;
                        }
                    }
                    break *decision;
                }
                Next::Ask(question) => {
                    let (answer, found) = self.context.asking.ask(self.subject, self.reader, &question).await;
                    values.extend(measured(&self.subject.plan, &question, &answer));
                    answers.push(answer);
                    finding = found.or(finding);
                }
            }
        };
        spans::decided(&decision);
        if decision.tick {
            memory.last_tick = Some(self.now);
            let lag = memory.due.map_or(0, |due| self.now.duration_since(due).as_millis());
            telemetry.tick_started(Duration::from_millis(u64::try_from(lag).unwrap_or(0)));
        }
        performer.prepare(&mut decision);
        let analysed = decision.analysed;
        memory.finding = match finding {
            Some(found) => Some(memory.explained.look_into(&self.subject.status.last_applied, found).await),
            None => None,
        };
        memory.values = values;
        let result = self.carry_out(&performer, decision, memory).await;
        memory.finding = None;
        memory.values.clear();
        if analysed {
            let span = self.context.clock.now().duration_since(self.now).unsigned_abs();
            telemetry.tick_ended(&self.subject.plan.namespace, &self.subject.plan.target, span);
        }
        result
    }

    /// Effects in order, then the commit, then what follows.
    async fn carry_out(
        &self,
        performer: &Performer<'_>,
        decision: Decision,
        memory: &mut Memory,
    ) -> Option<Timestamp> {
        for effect in &decision.effects {
            if let Effect::KeepFinalizer(keep) = effect {
                let kept = keep_finalizer(self.context, self.object, *keep).instrument(spans::effect(effect));
                if let Err(error) = kept.await {
                    return Some(self.commit_failed(memory, &decision, &error));
                }
                continue;
            }
            if let Effect::Steer(steering) = effect {
                match steer(self.context, self.object, steering).instrument(spans::effect(effect)).await {
                    Ok(()) => continue,
                    // Another command came meanwhile, which may lead to another decision.
                    Err(ObjectError::Conflict(_)) => return Some(self.now),
                    Err(error) => return Some(self.commit_failed(memory, &decision, &error)),
                }
            }
            let span = spans::effect(effect);
            if let Err(error) = performer.perform(effect).instrument(span.clone()).await {
                spans::failed_by(&span, error.category());
                return Some(self.effect_failed(memory, &decision, effect, &error));
            }
        }
        memory.failures = 0;
        let mut status = self.subject.status.clone();
        let mut transition = false;
        if let Commit::Status(new) = &decision.commit {
            if !new.same_but_for_times(&self.subject.status)
                && let Err(error) = self.commit_in_span(new, memory.finding.as_ref()).await
            {
                return Some(self.commit_failed(memory, &decision, &error));
            }
            transition = new.phase != status.phase;
            status = (**new).clone();
            self.measure(&status, transition);
        }
        if decision.commit == Commit::ReleaseFinalizer {
            if let Err(error) = keep_finalizer(self.context, self.object, false).await {
                return Some(self.commit_failed(memory, &decision, &error));
            }
            memory.released = true;
        }
        let over = memory.story.follow(self.subject, &status, &decision.then);
        let then = self.without_repetitions(memory, decision.then);
        self.announce(memory, status, then, transition, false);
        if let Some(over) = over {
            history::write(self.context, self.object, self.subject, self.reader, over).await;
        }
        match decision.wake {
            Wake::At(at) => Some(at),
            Wake::Now => Some(self.now),
            Wake::OnChange => None,
        }
    }

    /// A suspension is told when it begins, not on every call.
    fn without_repetitions(&self, memory: &mut Memory, mut then: Vec<Then>) -> Vec<Then> {
        let told = std::mem::replace(&mut memory.suspended, self.subject.plan.suspend);
        if told {
            then.retain(|t| !matches!(t, Then::Announce(Notice { what: Happening::Suspended, .. })));
        }
        then
    }

    async fn commit_in_span(&self, status: &Status, finding: Option<&Finding>) -> Result<(), ObjectError> {
        let span = spans::commit(status.phase);
        let result = self.commit(status, finding).instrument(span.clone()).await;
        result.inspect_err(|error| spans::failed_by(&span, error.category()))
    }

    /// Writes the status on the version that was read. If the Canary changed meanwhile, but not its status, the write is
    /// made on its new version: the effects it tells of were made. If the status was changed, somebody else decides.
    async fn commit(&self, status: &Status, finding: Option<&Finding>) -> Result<(), ObjectError> {
        let kind = canary_kind();
        let mut object = self.object.clone();
        let before = object.get("status").cloned();
        let written = json!(stored(self.object, &self.subject.status, status, finding, self.now));
        // Labels, annotations or finalizers may be newer by now; the status is what counts.
        let newest = self
            .context
            .cache
            .peek(&kind, &(self.subject.about.namespace.clone(), self.subject.about.name.clone()));
        if let Some(newest) = newest.filter(|o| o.get("status") == before.as_ref() && same_object(o, &object))
        {
            object = newest;
        }
        let mut tries = 0;
        loop {
            object["status"] = written.clone();
            let Err(error) = self.context.cache.replace_status(&kind, &object).await else { return Ok(()) };
            tries += 1;
            if tries == TRIES {
                return Err(error);
            }
            if matches!(error, ObjectError::Unavailable(_)) {
                tokio::time::sleep(Duration::from_millis(200 << tries)).await;
            } else if !matches!(error, ObjectError::Conflict(_)) {
                return Err(error);
            }
            let found =
                self.context.cache.live().get(&kind, &self.subject.about.namespace, &self.subject.about.name);
            match found.await {
                Ok(Some(found)) => {
                    self.context.cache.learn(&kind, found.clone());
                    if found.get("status") == Some(&written) {
                        return Ok(()); // the answer to our own write was lost
                    }
                    if found.get("status") != before.as_ref()
                        || found.pointer("/metadata/uid") != object.pointer("/metadata/uid")
                    {
                        return Err(error);
                    }
                    object = found;
                }
                Ok(None) => return Err(error),
                Err(_) => {}
            }
        }
    }

    fn commit_failed(&self, memory: &mut Memory, decision: &Decision, error: &ObjectError) -> Timestamp {
        tracing::error!(canary = %self.name(), category = error.category(), error = %error, "the status was not written");
        self.context.telemetry.reconcile_failed(error.category());
        self.retry(memory, decision)
    }

    fn effect_failed(
        &self,
        memory: &mut Memory,
        decision: &Decision,
        effect: &Effect,
        error: &EffectError,
    ) -> Timestamp {
        tracing::debug!(canary = %self.name(), ?effect, category = error.category(), error = %error, "an effect failed");
        self.context.telemetry.reconcile_failed(error.category());
        let notices = effect_failed(&self.subject.plan, &self.subject.status, effect, &error.to_string());
        let then = notices.into_iter().map(Then::Announce).collect();
        self.announce(memory, self.subject.status.clone(), then, false, false);
        self.retry(memory, decision)
    }

    fn cannot_be_released(&self, memory: &mut Memory, error: &EffectError) -> Option<Timestamp> {
        let text = error.to_string();
        if memory.invalid.as_ref() != Some(&text) {
            let then = vec![Then::Announce(Notice {
                phase: self.subject.status.phase,
                what: Happening::Error(text),
            })];
            self.announce(memory, self.subject.status.clone(), then, false, false);
        }
        None
    }

    /// The next tick for a tick; sooner, and then ever later, for a call between ticks.
    fn retry(&self, memory: &mut Memory, decision: &Decision) -> Timestamp {
        let wait = if decision.tick {
            self.subject.plan.interval
        } else {
            memory.failures = memory.failures.saturating_add(1);
            RETRY.saturating_mul(1 << memory.failures.min(7)).min(RETRY_AT_MOST)
        };
        let at = self.now.checked_add(wait).unwrap_or(Timestamp::MAX);
        match decision.wake {
            Wake::At(due) if !decision.tick => due.min(at),
            Wake::At(_) | Wake::Now | Wake::OnChange => at,
        }
    }

    fn measure(&self, status: &Status, transition: bool) {
        let (plan, telemetry) = (&self.subject.plan, &self.context.telemetry);
        telemetry.phase(&plan.namespace, &plan.target, status.phase);
        if transition && matches!(status.phase, Phase::Succeeded | Phase::Failed) {
            let success = status.phase == Phase::Succeeded;
            let skipped = success && self.subject.status.phase != Phase::Finalising;
            telemetry.rollout_ended(&plan.namespace, &plan.target, plan.strategy.as_str(), skipped, success);
        }
    }

    fn announce(&self, memory: &Memory, status: Status, then: Vec<Then>, transition: bool, again: bool) {
        memory.announcer.announce(Batch {
            about: self.subject.about.clone(),
            plan: self.subject.plan.clone(),
            routes: AlertRoutes { rules: self.subject.alerts.clone(), reader: Some(self.reader.clone()) },
            status,
            then,
            transition,
            again,
            finding: memory.finding.clone(),
            values: memory.values.clone(),
        });
    }

    /// A process that crashed between commit and announcement told nobody.
    async fn tell_what_was_missed(&self, memory: &Memory) {
        let status = &self.subject.status;
        let recent = status
            .condition
            .as_ref()
            .is_some_and(|c| self.now.duration_since(c.last_update).unsigned_abs() < TELL_AGAIN_WITHIN);
        if recent {
            self.announce(memory, status.clone(), missed(&self.subject.plan, status), true, true);
            if let Some(over) = history::missed(self.subject) {
                history::write(self.context, self.object, self.subject, self.reader, over).await;
            }
        }
    }

    fn name(&self) -> String {
        format!("{}.{}", self.subject.about.name, self.subject.about.namespace)
    }
}

/// Whether a side that had pods which serve has none any more.
fn has_lost_pods(before: &Observed, now: &Observed) -> bool {
    let target = |seen: &Observed| seen.target.as_ref().is_ok_and(|target| target.instance.available > 0);
    let primary = |seen: &Observed| seen.primary.as_ref().is_some_and(|primary| primary.available > 0);
    (target(before) && !target(now)) || (primary(before) && !primary(now))
}
