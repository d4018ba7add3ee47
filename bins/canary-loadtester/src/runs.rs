//! Load that is under way, and load that has ended not long ago.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use canary_load::{Engine, Plan, Report, RunHandle, Snapshot, TopUpState, TopUpStep};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// Seconds that are kept of each run.
const KEPT: usize = 900;
/// How long an ended run is still told about, in seconds.
const AFTERLIFE: i64 = 600;
/// Ended runs that are kept at the most.
const MOST_ENDED: usize = 200;
/// How long requests under way may take when a run is stopped.
const GRACE: Duration = Duration::from_millis(500);

/// All runs. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runs(Arc<Mutex<BTreeMap<String, Arc<Record>>>>);

/// Whom a run is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Label {
    pub(crate) namespace: String,
    pub(crate) canary: String,
    /// What it does, in a word or an address.
    pub(crate) name: String,
}

/// A run.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) label: Label,
    pub(crate) began: Timestamp,
    handle: RunHandle,
    stop: CancellationToken,
    state: Mutex<Progress>,
    /// What the law that fills up real traffic did last.
    top_up: Mutex<Option<TopUpStep>>,
}

#[derive(Debug, Default)]
struct Progress {
    seconds: VecDeque<Arc<Snapshot>>,
    ended: Option<Timestamp>,
    report: Option<Arc<Report>>,
}

/// A run as the API shows it.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    id: String,
    #[serde(flatten)]
    label: Label,
    began: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<Timestamp>,
    /// Requests sent in the last whole second.
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_up: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<Arc<Report>>,
}

impl Runs {
    /// Starts load and waits for its end, which `stop` brings about; `drive` changes it meanwhile.
    ///
    /// # Errors
    /// The plan cannot be run.
    pub(crate) async fn run<D: Future<Output = ()>>(
        &self,
        plan: Plan,
        label: Label,
        stop: CancellationToken,
        drive: impl FnOnce(Arc<Record>) -> D,
    ) -> anyhow::Result<Option<Arc<Report>>> {
        let mut run = Engine::start(plan)?;
        let record = Arc::new(Record {
            id: uuid::Uuid::new_v4().to_string(),
            label,
            began: Timestamp::now(),
            handle: run.handle(),
            stop: stop.clone(),
            state: Mutex::default(),
            top_up: Mutex::default(),
        });
        self.add(record.clone());
        // Dropped half-way, the load would go on without anybody.
        let guard = StopOnDrop(run.handle());
        let mut snapshots = run.snapshots();
        let (mut stopping, mut driven) = (false, false);
        let mut driving = std::pin::pin!(drive(record.clone()));
        loop {
            tokio::select! {
                snapshot = snapshots.next() => match snapshot {
                    Some(snapshot) => record.push(snapshot),
                    None => break,
                },
                () = stop.cancelled(), if !stopping => {
                    stopping = true;
                    record.handle.stop(GRACE);
                }
                () = driving.as_mut(), if !driven && !stopping => driven = true,
            }
        }
        let report = run.finish().await;
        drop(guard);
        let mut state = record.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.ended = Some(Timestamp::now());
        state.report.clone_from(&report);
        Ok(report)
    }

    fn add(&self, record: Arc<Record>) {
        let now = Timestamp::now().as_second();
        let mut runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        runs.retain(|_, run| run.ended().is_none_or(|ended| now - ended.as_second() < AFTERLIFE));
        let mut ended: Vec<(Timestamp, String)> =
            runs.values().filter_map(|run| Some((run.ended()?, run.id.clone()))).collect();
        ended.sort();
        for (_, id) in ended.iter().take(ended.len().saturating_sub(MOST_ENDED)) {
            runs.remove(id);
        }
        runs.insert(record.id.clone(), record);
    }

    /// All of them, the oldest first.
    pub(crate) fn all(&self) -> Vec<Arc<Record>> {
        let runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = runs.values().cloned().collect();
        all.sort_by_key(|run| run.began);
        all
    }

    /// One of them.
    pub(crate) fn get(&self, id: &str) -> Option<Arc<Record>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }
}

struct StopOnDrop(RunHandle);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop(Duration::ZERO);
    }
}

impl Record {
    fn push(&self, snapshot: Arc<Snapshot>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.seconds.len() >= KEPT {
            state.seconds.pop_front();
        }
        state.seconds.push_back(snapshot);
    }

    /// When it ended.
    pub(crate) fn ended(&self) -> Option<Timestamp> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).ended
    }

    /// Its last seconds that began less than `window` ago.
    pub(crate) fn last(&self, window: Duration, now: Timestamp) -> Vec<Arc<Snapshot>> {
        let age = now.duration_since(self.began).unsigned_abs();
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_young = |snapshot: &&Arc<Snapshot>| Duration::from_secs(snapshot.second) + window > age;
        state.seconds.iter().filter(is_young).cloned().collect()
    }

    /// Everything that is kept of it.
    pub(crate) fn kept(&self) -> Vec<Arc<Snapshot>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).seconds.iter().cloned().collect()
    }

    /// Watches and changes the load itself.
    pub(crate) fn handle(&self) -> &RunHandle {
        &self.handle
    }

    /// What the law that fills up real traffic does now.
    pub(crate) fn set_top_up(&self, step: TopUpStep) {
        *self.top_up.lock().unwrap_or_else(PoisonError::into_inner) = Some(step);
    }

    /// What it did last; none for other load.
    pub(crate) fn top_up(&self) -> Option<TopUpStep> {
        *self.top_up.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether its results say nothing: the real traffic that it fills up is not seen.
    pub(crate) fn is_no_evidence(&self) -> bool {
        let state = self.top_up().map(|step| step.state);
        matches!(state, Some(TopUpState::Starting | TopUpState::Blind | TopUpState::Mismatch))
    }

    /// Ends it soon.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// Changes its rate, in requests a second.
    pub(crate) fn set_rate(&self, rate: f64) {
        self.handle.set_rate(rate);
    }

    /// How the API shows it.
    pub(crate) fn show(&self) -> Shown {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let last = state.seconds.back().filter(|_| state.ended.is_none());
        Shown {
            id: self.id.clone(),
            label: self.label.clone(),
            began: self.began,
            ended: state.ended,
            rate: last.map(|snapshot| snapshot.counts().sent),
            top_up: self.top_up().map(|step| {
                json!({
                    "state": format!("{:?}", step.state).to_lowercase(),
                    "rate": step.rate,
                    "real": step.real,
                    "age": step.age.map(|age| age.as_secs_f64()),
                })
            }),
            report: state.report.clone(),
        }
    }
}
