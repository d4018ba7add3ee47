//! What scenarios have written and not taken back: worked off by whichever process is there, or listed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::anyhow;
use canary_load::{AddressPolicy, Target};
use canary_scenario::{Cleanup, Journal, Leftover, RunHeader, recover};
use serde::Serialize;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::events;
use crate::flags::Auth;
use crate::runs::Label;
use crate::state::State;
use crate::targets::Targets;

/// Between two tries to work off what was left; longer each time that nothing changes.
const PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// The journal, and whose entries are in it. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Writes {
    journal: Option<Journal>,
    known: Arc<Mutex<Known>>,
    /// Runs that have not cleaned up yet.
    pub(crate) under_way: TaskTracker,
}

#[derive(Default)]
struct Known {
    active: BTreeSet<String>,
    left: BTreeMap<String, Left>,
}

/// What a run has left behind.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Left {
    pub(crate) run: String,
    #[serde(flatten)]
    pub(crate) label: Label,
    leftovers: Vec<Leftover>,
}

/// A run that writes. Its entries are its own business until this goes out of scope.
pub(crate) struct Writing {
    writes: Writes,
    journal: Journal,
    run: String,
    _token: TaskTrackerToken,
}

impl Writes {
    /// A journal in that file, with what an earlier process has entered.
    ///
    /// # Errors
    /// The file cannot be read or written, or another process has it open.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let journal = Journal::open(path).map_err(|error| {
            let hint = if error.kind() == std::io::ErrorKind::ResourceBusy {
                "; each load tester takes a journal of its own"
            } else {
                ""
            };
            anyhow!("-journal-file: {}: {error}{hint}", path.display())
        })?;
        Ok(Self { journal: Some(journal), ..Self::default() })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A run may write from now on; none without a journal.
    pub(super) fn begin(&self, run: &str) -> Option<Writing> {
        let journal = self.journal.clone()?;
        self.known().active.insert(run.to_owned());
        Some(Writing { writes: self.clone(), journal, run: run.to_owned(), _token: self.under_way.token() })
    }

    /// What runs have left behind that are over.
    pub(crate) fn left(&self) -> Vec<Left> {
        self.known().left.values().cloned().collect()
    }

    /// Gives up what a run has left, since somebody has removed it by hand. How much that was.
    pub(crate) fn forget(&self, run: &str) -> usize {
        self.known().left.remove(run);
        self.journal.as_ref().map_or(0, |journal| journal.forget(run))
    }

    /// Runs that are over and in the journal, with how much they have left.
    fn pending(&self) -> BTreeMap<String, (RunHeader, usize)> {
        let Some(journal) = &self.journal else { return BTreeMap::new() };
        let active = self.known().active.clone();
        let pending = journal.pending().into_iter().filter(|(header, _)| !active.contains(&header.run));
        pending.map(|(header, open)| (header.run.clone(), (header, open.len()))).collect()
    }

    /// Writes down what is left of a run; whether that is news.
    fn note(&self, run: &str, label: Label, leftovers: Vec<Leftover>) -> bool {
        let mut known = self.known();
        if leftovers.is_empty() {
            return known.left.remove(run).is_some();
        }
        let left = Left { run: run.to_owned(), label, leftovers };
        let before = known.left.insert(run.to_owned(), left.clone());
        before != Some(left)
    }
}

impl Writing {
    pub(super) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The run has cleaned up, as far as it could.
    pub(super) fn end(self, label: &Label, cleanup: &Cleanup) {
        if self.writes.note(&self.run, label.clone(), cleanup.leftovers.clone()) {
            tell(&self.run, label, &cleanup.leftovers);
        }
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        // What it has not closed stays in the journal, and is worked off later.
        self.journal.end(&self.run);
        self.writes.known().active.remove(&self.run);
    }
}

fn tell(run: &str, label: &Label, leftovers: &[Leftover]) {
    for left in leftovers {
        let values = serde_json::to_string(&left.values).unwrap_or_default();
        let canary = format!("{}.{}", label.canary, label.namespace);
        tracing::error!(canary, run, flow = left.flow, values, why = left.why, "left over by load");
    }
}

/// Works off what earlier processes and ended runs have left, as long as this process lives.
pub(crate) async fn sweep(state: Arc<State>) {
    let mut pause = PAUSE;
    loop {
        let has_changed = sweep_once(&state).await;
        pause = if has_changed { PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = state.closing.cancelled() => return,
        }
    }
}

/// One try. Whether anything has changed by it.
async fn sweep_once(state: &State) -> bool {
    let writes = &state.scenarios.writes;
    let before = writes.pending();
    let Some(journal) = writes.journal.as_ref().filter(|_| !before.is_empty()) else { return false };
    let policy = |header: &RunHeader, run: &[Target]| -> Option<Arc<dyn AddressPolicy>> {
        // Where a run was allowed to write, that may be taken back; addresses are judged anew.
        let is_over = before.contains_key(&header.run);
        let targets = if state.auth == Auth::None {
            Targets::any()
        } else {
            state.targets.clone().naming(run.iter().map(|target| target.host().to_owned()))
        };
        is_over.then(|| Arc::new(targets) as Arc<dyn AddressPolicy>)
    };
    let Cleanup { leftovers, .. } = recover(journal, policy, None).await;
    let mut has_changed = false;
    for (run, (header, entries)) in before {
        let canary = header.canary.unwrap_or_default();
        let label = Label { namespace: canary.namespace, canary: canary.name, name: header.file };
        let left: Vec<Leftover> = leftovers.iter().filter(|left| left.run == run).cloned().collect();
        let removed = entries.saturating_sub(left.len());
        let is_news = writes.note(&run, label.clone(), left.clone());
        if removed == 0 && !is_news {
            continue;
        }
        has_changed = true;
        tell(&run, &label, &left);
        let note = format!(
            "Load {} that ended before its clean-up: {removed} writes taken back, {} left over{}",
            label.name,
            left.len(),
            if left.is_empty() { "" } else { ", which /v1/runs lists" }
        );
        tracing::info!(canary = format!("{}.{}", label.canary, label.namespace), run, "{note}");
        if let Some(client) = state.canaries.client()
            && let Ok(Some(found)) = state.canaries.look(&label.namespace, &label.canary).await
        {
            events::send(client, &found, ("LoadCleanedUp", &note), left.is_empty()).await;
        }
    }
    has_changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_servers_do_not_share_a_journal() {
        let folder = std::env::temp_dir().join(format!("journal-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&folder).unwrap();
        let path = folder.join("journal");
        let first = Writes::open(&path).unwrap();
        let error = Writes::open(&path).map(|_| ()).unwrap_err().to_string();
        assert!(
            error.starts_with("-journal-file: /") && error.contains(" is in use by another process"),
            "{error}"
        );
        drop(first);
        assert!(Writes::open(&path).is_ok());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
