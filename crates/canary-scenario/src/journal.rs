//! What was written and has to be removed again: on disk before it is sent, so that neither a crash nor a restart forgets it.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;

mod lock;

/// Values by name, such as `order` or `user.sku`.
pub type Values = BTreeMap<String, Value>;

/// What is needed to clean up after a run without anything else at hand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunHeader {
    /// Name of the run.
    pub run: String,
    /// Name of the scenario's file.
    pub file: String,
    /// The scenario.
    pub text: String,
    /// Parameters of the run.
    pub params: BTreeMap<String, String>,
    /// The canary, if it was for one.
    pub canary: Option<crate::CanaryNames>,
    /// Where paths led, if not to the scenario's `base`.
    pub base: Option<String>,
}

/// A write that is not known to be undone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Name of the run.
    pub run: String,
    /// Name of the flow.
    pub flow: String,
    /// The arm that it was written to, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arm: Option<String>,
    /// What the clean-up needs, as far as it is known.
    pub values: Values,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    Run(RunHeader),
    Enter { id: u64, entry: Entry },
    Complete { id: u64, values: Values },
    Close { id: u64 },
}

/// The journal. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Journal(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Arc<Mutex<State>>,
    /// How many lines are safe on the disk.
    synced: watch::Receiver<u64>,
    /// Wakes who brings them there; none for a journal in memory.
    wake: Option<mpsc::SyncSender<()>>,
    /// Keeps other processes away; none for a journal in memory.
    _lock: Option<File>,
}

#[derive(Debug, Default)]
struct State {
    file: Option<File>,
    path: PathBuf,
    written: u64,
    /// Lines since it was last empty.
    lines: u64,
    next: u64,
    runs: BTreeMap<String, RunHeader>,
    open: BTreeMap<u64, Entry>,
    /// The first failure to write: what was not written must not be sent.
    failure: Option<String>,
}

/// A journal in which nothing is open is begun anew after that many lines.
const TIDY_AFTER: u64 = 10_000;

impl Journal {
    /// In memory: it forgets with the process.
    pub fn in_memory() -> Self {
        let (_, synced) = watch::channel(u64::MAX);
        Self(Arc::new(Shared { state: Arc::default(), synced, wake: None, _lock: None }))
    }

    /// On disk; reads what an earlier process left. Only the owner may read the file, since it has values of requests. As long
    /// as there is the journal, nobody else can open it.
    ///
    /// # Errors
    /// The file cannot be read or written, or somebody else has it open ([`io::ErrorKind::ResourceBusy`]).
    pub fn open(path: &Path) -> io::Result<Self> {
        let lock = lock::lock(path)?;
        let mut state = State { path: path.to_owned(), next: 1, ..State::default() };
        match std::fs::read_to_string(path) {
            Ok(text) => state.read(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        state.rewrite()?;
        let file = state.file.as_ref().map(File::try_clone).transpose()?;
        let (tell, synced) = watch::channel(0);
        let (wake, woken) = mpsc::sync_channel::<()>(1);
        let state = Arc::new(Mutex::new(state));
        let shared = Shared { state: state.clone(), synced, wake: Some(wake), _lock: Some(lock) };
        std::thread::Builder::new().name("journal".into()).spawn(move || {
            let mut file = file;
            // Ends with the journal.
            while woken.recv().is_ok() {
                // All lines that were written meanwhile become safe by one call.
                let (written, fresh) = {
                    let state = held(&state);
                    (state.written, state.file.as_ref().and_then(|file| file.try_clone().ok()))
                };
                file = fresh.or(file);
                match file.as_ref().map_or(Ok(()), File::sync_data) {
                    Ok(()) => {
                        tell.send_replace(written);
                    }
                    Err(error) => held(&state).failure = Some(error.to_string()),
                }
            }
        })?;
        Ok(Self(Arc::new(shared)))
    }

    /// Writes with `Write` come from now on from that run, too.
    pub fn begin(&self, header: RunHeader) {
        let mut state = self.0.lock();
        state.append(&Line::Run(header.clone()));
        state.runs.insert(header.run.clone(), header);
    }

    /// A write is about to be sent; it may be when the future is done. `None`: the journal cannot be written, and nothing may
    /// be sent.
    pub(crate) fn enter(&self, entry: Entry) -> Option<(u64, impl Future<Output = ()> + use<>)> {
        let (id, line) = {
            let mut state = self.0.lock();
            let id = state.next;
            state.next += 1;
            state.append(&Line::Enter { id, entry: entry.clone() });
            if state.failure.is_some() {
                return None;
            }
            state.open.insert(id, entry);
            (id, state.written)
        };
        self.0.wake();
        let mut synced = self.0.synced.clone();
        let is_on_disk = self.0.wake.is_some();
        Some((id, async move {
            // The thread ends only with the journal.
            if is_on_disk {
                let _ = synced.wait_for(|synced| *synced >= line).await;
            }
        }))
    }

    /// An answer tells more of what was written.
    pub(crate) fn complete(&self, id: u64, values: Values) {
        let mut state = self.0.lock();
        state.append(&Line::Complete { id, values: values.clone() });
        if let Some(entry) = state.open.get_mut(&id) {
            entry.values.extend(values);
        }
        drop(state);
        self.0.wake();
    }

    /// Nothing is left of it.
    pub(crate) fn close(&self, id: u64) {
        let mut state = self.0.lock();
        state.append(&Line::Close { id });
        state.open.remove(&id);
        if state.open.is_empty() && state.lines > TIDY_AFTER {
            let _ = state.rewrite();
        }
        drop(state);
        self.0.wake();
    }

    /// Gives up what a run has left: somebody else has removed it. How much that was.
    pub fn forget(&self, run: &str) -> usize {
        let of_run = |state: &State| -> Vec<u64> {
            state.open.iter().filter(|(_, entry)| entry.run == run).map(|(id, _)| *id).collect()
        };
        let ids = of_run(&self.0.lock());
        for id in &ids {
            self.close(*id);
        }
        self.end(run);
        ids.len()
    }

    /// A run is over; what it has not closed stays.
    pub fn end(&self, run: &str) {
        let mut state = self.0.lock();
        if !state.open.values().any(|entry| entry.run == run) {
            state.runs.remove(run);
            if state.open.is_empty() {
                let _ = state.rewrite();
            }
        }
    }

    /// The runs with open entries, and those entries.
    pub fn pending(&self) -> Vec<(RunHeader, BTreeMap<u64, Entry>)> {
        let state = self.0.lock();
        let runs = state.runs.values().map(|header| {
            let open = state.open.iter().filter(|(_, entry)| entry.run == header.run);
            (header.clone(), open.map(|(id, entry)| (*id, entry.clone())).collect::<BTreeMap<_, _>>())
        });
        runs.filter(|(_, open)| !open.is_empty()).collect()
    }

    /// How much a run has written that is not known to be undone.
    pub(crate) fn number(&self, run: &str) -> usize {
        self.0.lock().open.values().filter(|entry| entry.run == run).count()
    }

    pub(crate) fn entry(&self, id: u64) -> Option<Entry> {
        self.0.lock().open.get(&id).cloned()
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        held(&self.state)
    }

    fn wake(&self) {
        if let Some(wake) = &self.wake {
            // Full: it is about to look anyway.
            let _ = wake.try_send(());
        }
    }
}

fn held(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn read(&mut self, text: &str) {
        for line in text.lines() {
            // The last line may have been cut by the crash.
            let Ok(line) = serde_json::from_str(line) else { continue };
            match line {
                Line::Run(header) => drop(self.runs.insert(header.run.clone(), header)),
                Line::Enter { id, entry } => {
                    self.next = self.next.max(id + 1);
                    self.open.insert(id, entry);
                }
                Line::Complete { id, values } => {
                    if let Some(entry) = self.open.get_mut(&id) {
                        entry.values.extend(values);
                    }
                }
                Line::Close { id } => drop(self.open.remove(&id)),
            }
        }
        let open = &self.open;
        self.runs.retain(|run, _| open.values().any(|entry| entry.run == *run));
    }

    fn append(&mut self, line: &Line) {
        self.written += 1;
        self.lines += 1;
        let Some(file) = &mut self.file else { return };
        let text = serde_json::to_string(line).map(|text| text + "\n").map_err(io::Error::from);
        // One call: a line is there or not, as far as the process is concerned.
        if let Err(error) = text.and_then(|text| file.write_all(text.as_bytes())) {
            self.failure.get_or_insert(error.to_string());
        }
    }

    /// Begins the file anew with what is open; the old one stays until the new one is safe.
    fn rewrite(&mut self) -> io::Result<()> {
        let fresh = self.path.with_extension("new");
        let mut options = OpenOptions::new();
        options.create(true).write(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&fresh)?;
        let runs = self.runs.values().cloned().map(Line::Run);
        let open = self.open.iter().map(|(id, entry)| Line::Enter { id: *id, entry: entry.clone() });
        let mut lines = 0;
        for line in runs.chain(open) {
            writeln!(file, "{}", serde_json::to_string(&line)?)?;
            lines += 1;
        }
        file.sync_all()?;
        std::fs::rename(&fresh, &self.path)?;
        if let Some(folder) = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            File::open(folder)?.sync_all()?;
        }
        (self.file, self.lines) = (Some(file), lines);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
