//! Load that a restart interrupts goes on afterwards, if its canary still wants it.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::access::Caller;
use crate::canaries::{has_metadata, phase};
use crate::flags::Auth;
use crate::lifetime::is_analysed;
use crate::load;
use crate::payload::Payload;
use crate::run_load::Begun;
use crate::runs::{Aborted, Record};
use crate::state::State;
use crate::store::Store;

/// What the names of kept runs begin with, and those of runs that were aborted.
const KEPT: &str = "run-";
const ABORTED: &str = "aborted-";
/// Between attempts to go on with load.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How a next process can go on with a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) payload: Payload,
    /// It was the Canary that named it; others had a right of their own.
    pub(crate) by_canary: bool,
    /// When it began first.
    pub(crate) began: Timestamp,
}

impl Kept {
    /// For load of that caller, which began then, or begins now.
    pub(crate) fn of(caller: &Caller, payload: &Payload, began: Option<Timestamp>) -> Self {
        let by_canary = is_by_canary(caller, payload);
        Self { payload: payload.clone(), by_canary, began: began.unwrap_or_else(Timestamp::now) }
    }
}

/// Whether it is a Canary that names the load.
fn is_by_canary(caller: &Caller, payload: &Payload) -> bool {
    match caller {
        Caller::Bound(_) => true,
        Caller::Resumed(canary) => canary.as_ref().is_some_and(|canary| has_metadata(canary, payload)),
        Caller::Anybody | Caller::Inside | Caller::Token(..) | Caller::Signed | Caller::Nobody(_) => false,
    }
}

fn key(id: &str) -> String {
    format!("{KEPT}{id}.json")
}

/// Writes a run down. Without that it runs all the same.
pub(crate) async fn keep(store: &Store, record: &Record, kept: &Kept) {
    let text = serde_json::to_string(kept).unwrap_or_default();
    if let Err(error) = store.put(&key(&record.id), Some(&text)).await {
        tracing::warn!("load would not survive a restart: {error:#}");
    }
}

/// Strikes a run out.
pub(crate) async fn forget(store: &Store, id: &str) {
    if let Err(error) = store.put(&key(id), None).await {
        tracing::warn!("load that has ended is still kept: {error:#}");
    }
}

/// Writes down that a run was aborted, for as long as it is not to be started again. Without that the next process may begin
/// it anew.
pub(crate) async fn remember(store: &Store, aborted: &Aborted) {
    let text = serde_json::to_string(aborted).unwrap_or_default();
    match store.put(&aborted_key(&aborted.id), Some(&text)).await {
        Ok(()) => later(store, aborted),
        Err(error) => tracing::warn!("that load was aborted would not survive a restart: {error:#}"),
    }
}

/// A run that was aborted may begin again.
pub(crate) async fn pardon(store: &Store, id: &str) {
    if let Err(error) = store.put(&aborted_key(id), None).await {
        tracing::warn!("load that was aborted is still kept: {error:#}");
    }
}

/// Strikes out what need not be remembered any more, when that is so.
fn later(store: &Store, aborted: &Aborted) {
    let (store, id, left) = (store.clone(), aborted.id.clone(), aborted.left(Timestamp::now()));
    tokio::spawn(async move {
        tokio::time::sleep(left.unwrap_or_default()).await;
        pardon(&store, &id).await;
    });
}

fn aborted_key(id: &str) -> String {
    format!("{ABORTED}{id}.json")
}

/// Why load is not gone on with.
enum Not {
    /// It is over, or somebody else's.
    Ever(String),
    /// What has to be asked does not answer: it is tried again, and kept until then.
    Yet(String),
}

/// Goes on with everything that was kept and is still wanted, and remembers what was aborted. Returns when that is settled, or
/// the process ends.
pub(crate) async fn all(state: Arc<State>) {
    let mut pauses = Pauses(FIRST_PAUSE);
    let texts = loop {
        match state.store.load().await {
            Ok(texts) => break texts,
            Err(error) => tracing::warn!("load of the last process is not known yet: {error:#}"),
        }
        if !pauses.over(&state).await {
            return;
        }
    };
    // First what must not begin again, then what goes on.
    for (name, text) in &texts {
        if let Some(id) = name.strip_prefix(ABORTED).and_then(|rest| rest.strip_suffix(".json")) {
            aborted(&state, id, text).await;
        }
    }
    let id = |name: &str| Some(name.strip_prefix(KEPT)?.strip_suffix(".json")?.to_owned());
    let mut waiting: Vec<_> = texts.iter().filter_map(|(name, text)| Some((id(name)?, text))).collect();
    loop {
        let mut left = Vec::new();
        for (id, text) in waiting {
            match one(&state, &id, text).await {
                Ok(()) => {}
                Err(Not::Ever(why)) => {
                    tracing::info!(run = id, why, "load of the last process is not gone on with");
                    forget(&state.store, &id).await;
                }
                Err(Not::Yet(why)) => {
                    tracing::warn!(run = id, why, "load of the last process is not gone on with yet");
                    left.push((id, text));
                }
            }
        }
        waiting = left;
        if waiting.is_empty() || !pauses.over(&state).await {
            return;
        }
    }
}

/// Pauses that become longer.
struct Pauses(Duration);

impl Pauses {
    /// After the next one the answer is true; when the process ends before, false.
    async fn over(&mut self, state: &State) -> bool {
        let pause = self.0;
        self.0 = LONGEST_PAUSE.min(pause * 2);
        state.closing.run_until_cancelled(tokio::time::sleep(pause)).await.is_some()
    }
}

/// Remembers what was aborted not long ago.
async fn aborted(state: &Arc<State>, id: &str, text: &str) {
    match serde_json::from_str::<Aborted>(text) {
        Ok(aborted) if aborted.left(Timestamp::now()).is_some() => {
            tracing::info!(
                run = id,
                canary = aborted.label.canary,
                "load that was aborted is not started again"
            );
            later(&state.store, &aborted);
            state.runs.remember(aborted);
        }
        Ok(_) | Err(_) => pardon(&state.store, id).await,
    }
}

/// Goes on with one.
async fn one(state: &Arc<State>, id: &str, text: &str) -> Result<(), Not> {
    let Kept { payload, by_canary, began } =
        serde_json::from_str(text).map_err(|error| Not::Ever(error.to_string()))?;
    let age = Timestamp::now().duration_since(began).unsigned_abs();
    if age >= state.timeout {
        return Err(Not::Ever("its time is over".to_owned()));
    }
    let canary = match state.canaries.look(&payload.namespace, &payload.name).await {
        Ok(Some(canary)) => Some(Box::new(canary)),
        Ok(None) => return Err(Not::Ever(format!("there is no Canary {}", payload.canary()))),
        Err(_) if state.auth == Auth::None => None,
        Err(why) if state.canaries.is_connected() => return Err(Not::Yet(why)),
        Err(why) => return Err(Not::Ever(why)),
    };
    if let Some(canary) = &canary {
        // Hooks say that a canary is progressing while its promotion is waited for, too.
        if payload.phase == "Progressing" && !is_analysed(phase(canary)) {
            return Err(Not::Ever("the canary is not progressing any more".to_owned()));
        }
        if by_canary && !has_metadata(canary, &payload) {
            return Err(Not::Ever("no webhook of the Canary names it any more".to_owned()));
        }
    }
    let caller = Caller::Resumed(canary);
    match load::start(state, &caller, &payload, Some((id.to_owned(), began))).await {
        Ok(Begun::Fresh(_)) => {
            tracing::info!(canary = payload.canary(), run = id, "load goes on after a restart");
            Ok(())
        }
        Ok(Begun::Running(_) | Begun::Ending) => Err(Not::Ever("a hook has begun it anew".to_owned())),
        Ok(Begun::Aborted(aborted)) => Err(Not::Ever(format!("it was aborted: {}", aborted.reason))),
        Err(refusal) => {
            let (status, why) = (refusal.status(), format!("it is refused with {}", refusal.status()));
            // What it is made of could not be fetched, or there is too much else.
            let is_for_now = status.is_server_error()
                || [StatusCode::FAILED_DEPENDENCY, StatusCode::TOO_MANY_REQUESTS].contains(&status);
            Err(if is_for_now { Not::Yet(why) } else { Not::Ever(why) })
        }
    }
}
