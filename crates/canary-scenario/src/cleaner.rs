//! Removes what a run has written: at its own rate, within its own time, and never counted as load.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use canary_load::{Client, Plan, Prepared, TlsError};
use serde::Serialize;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use crate::call::told;
use crate::code::{Base, RequestCode};
use crate::journal::{Entry, Journal, Values};
use crate::selector::Document;
use crate::spec::CleanupAt;
use crate::template::{root, value_of};
use crate::visit::Shared;

/// Tries of one clean-up.
const TRIES: u32 = 3;
/// Between two of them.
const PATIENCE: Duration = Duration::from_millis(200);

/// Something written that is still there, or may be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Leftover {
    /// The run that wrote it.
    pub run: String,
    /// The flow that wrote it.
    pub flow: String,
    /// What is known of it: enough to remove it by hand, if its answer was seen. Not what comes from a Secret.
    pub values: Values,
    /// Why it is still there.
    pub why: String,
}

impl Leftover {
    /// Without the values of the feeds `secrets`.
    pub(crate) fn new(entry: Entry, secrets: &BTreeSet<String>, why: String) -> Self {
        let Entry { run, flow, arm: _, mut values } = entry;
        for (name, value) in &mut values {
            if secrets.contains(root(name)) {
                *value = "(from a Secret)".into();
            }
        }
        Self { run, flow, values, why }
    }
}

/// What became of what was written.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Cleanup {
    /// Writes that were undone.
    pub removed: u64,
    /// Those that were not.
    pub leftovers: Vec<Leftover>,
}

/// What visits write into, and hand over when they are through.
#[derive(Debug)]
pub(crate) struct Writes {
    pub(crate) journal: Journal,
    pub(crate) run: String,
    over: UnboundedSender<u64>,
    waiting: Mutex<Option<UnboundedReceiver<u64>>>,
}

impl Writes {
    pub(crate) fn new(journal: Journal, run: String) -> Self {
        let (over, waiting) = unbounded_channel();
        Self { journal, run, over, waiting: Mutex::new(Some(waiting)) }
    }

    /// A user is through with what is entered there.
    pub(crate) fn hand_over(&self, id: u64) {
        // Nobody listens: it stays in the journal.
        let _ = self.over.send(id);
    }
}

/// Requests of a clean-up that are filled in.
type Requests<'a> = Vec<(&'a RequestCode, Arc<Prepared>)>;

/// Removes what one run has written.
pub struct Cleaner {
    shared: Arc<Shared>,
    client: Client,
    timeout: Duration,
    between: Duration,
    time: Duration,
}

impl Cleaner {
    pub(crate) fn new(
        shared: Arc<Shared>,
        plan: &Plan,
        (rate, time): (f64, Duration),
    ) -> Result<Self, TlsError> {
        let between = Duration::from_secs_f64(1.0 / rate.max(0.01));
        Ok(Self { client: Client::new(plan)?, shared, timeout: plan.limits.timeout, between, time })
    }

    /// Works while the run goes on, and after `ended` until nothing is left or its time is over. `ended` has to be done when
    /// the report of the run is there, not before.
    pub async fn run(self, ended: impl Future<Output = ()>) -> Cleanup {
        let writes = &self.shared.writes;
        let waiting = writes.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut waiting) = waiting else { return Cleanup::default() };
        let mut ended = std::pin::pin!(ended);
        let (mut cleanup, mut later, mut deadline) = (Cleanup::default(), Vec::new(), None);
        let mut ticks = tokio::time::interval(self.between);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = &mut ended, if deadline.is_none() => {
                    deadline = Some(Instant::now() + self.time);
                    while let Ok(id) = waiting.try_recv() {
                        later.push(id);
                    }
                    break;
                }
                Some(id) = waiting.recv() => {
                    let is_later = writes.journal.entry(id).is_some_and(|entry| self.is_at_end(&entry));
                    if is_later {
                        later.push(id);
                    } else {
                        ticks.tick().await;
                        self.remove(id, &mut cleanup, None).await;
                    }
                }
            }
        }
        for id in later {
            if deadline.is_none_or(|deadline| Instant::now() < deadline) {
                ticks.tick().await;
            }
            self.remove(id, &mut cleanup, deadline).await;
        }
        writes.journal.end(&writes.run);
        cleanup
    }

    /// Removes those entries of an earlier process.
    pub(crate) async fn recover(self, entries: Vec<u64>) -> Cleanup {
        let deadline = Instant::now() + self.time;
        let mut cleanup = Cleanup::default();
        let mut ticks = tokio::time::interval(self.between);
        for id in entries {
            if Instant::now() < deadline {
                ticks.tick().await;
            }
            self.remove(id, &mut cleanup, Some(deadline)).await;
        }
        self.shared.writes.journal.end(&self.shared.writes.run);
        cleanup
    }

    fn is_at_end(&self, entry: &Entry) -> bool {
        let flow = self.shared.flows.iter().find(|flow| flow.name == entry.flow);
        flow.is_some_and(|flow| flow.cleanup_at == CleanupAt::End)
    }

    async fn remove(&self, id: u64, cleanup: &mut Cleanup, deadline: Option<Instant>) {
        let journal = &self.shared.writes.journal;
        let Some(entry) = journal.entry(id) else { return };
        let mut outcome = Err("the time for cleaning up was over".to_owned());
        for attempt in 0..TRIES {
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                break;
            }
            if attempt > 0 {
                tokio::time::sleep(PATIENCE).await;
            }
            outcome = match self.requests(&entry) {
                Ok((base, requests)) => self.undo(base, &requests).await,
                Err(why) => {
                    // What is not known now never will be.
                    outcome = Err(why);
                    break;
                }
            };
            if outcome.is_ok() {
                break;
            }
        }
        match outcome {
            Ok(()) => {
                journal.close(id);
                cleanup.removed += 1;
            }
            Err(why) => {
                cleanup.leftovers.push(Leftover::new(entry, &self.shared.secrets, why));
            }
        }
    }

    /// What has to be sent, and where.
    fn requests(&self, entry: &Entry) -> Result<(&Base, Requests<'_>), String> {
        let flow = self.shared.flows.iter().find(|flow| flow.name == entry.flow);
        let flow = flow.ok_or("the scenario has no such flow any more")?;
        let values = self.values(&entry.values);
        let base = self.shared.base_of(entry.arm.as_deref()).ok_or("the scenario leads nowhere")?;
        let ready = |request| {
            let request: &RequestCode = request;
            Ok((request, request.prepare(base, &self.shared.templates, &values)?))
        };
        Ok((base, flow.cleanup.iter().map(ready).collect::<Result<_, String>>()?))
    }

    async fn undo(&self, base: &Base, requests: &[(&RequestCode, Arc<Prepared>)]) -> Result<(), String> {
        for (request, ready) in requests {
            let answer = self.client.send(&base.target, ready, self.timeout).await;
            let answer = answer.map_err(|class| format!("{}: {}", request.name, class.as_str()))?;
            let answer = request.shown(&answer).map_err(|why| format!("{}: {why}", request.name))?;
            let mut document = Document::default();
            if let Some((text, _)) =
                request.checks.iter().find(|(_, check)| !check.holds(&answer, &mut document))
            {
                return Err(format!("{}: check {text:?}: {}", request.name, told(&answer)));
            }
            if request.fault(&answer).is_some() {
                return Err(format!("{}: {}", request.name, told(&answer)));
            }
        }
        Ok(())
    }

    /// What the templates of the clean-up see: the run, and what the journal knows.
    fn values(&self, known: &Values) -> minijinja::Value {
        let vars = &self.shared.vars;
        let mut all: BTreeMap<&str, minijinja::Value> = BTreeMap::from([
            ("params", vars.params.clone()),
            ("canary", vars.canary.clone()),
            ("run", vars.run.clone()),
        ]);
        let mut parts: BTreeMap<&str, BTreeMap<&str, minijinja::Value>> = BTreeMap::new();
        for (name, value) in known {
            let value = value_of(value);
            match name.split_once('.') {
                Some((first, rest)) => drop(parts.entry(first).or_default().insert(rest, value)),
                None => drop(all.insert(name, value)),
            }
        }
        for (name, part) in parts {
            all.entry(name).or_insert_with(|| value_of(part));
        }
        value_of(all)
    }
}
