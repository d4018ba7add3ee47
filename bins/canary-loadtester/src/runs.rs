//! Load that is under way, and load that has ended not long ago.

mod aborted;
mod shown;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use canary_load::{Counts, Engine, Plan, Report, Run, RunHandle, Snapshot, TopUpState, TopUpStep};
use canary_scenario::RunReport;
use hdrhistogram::Histogram;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub(crate) use self::aborted::Aborted;
use self::aborted::Memory;
pub(crate) use self::shown::shown;

/// Seconds that are kept of each run.
const KEPT: usize = 900;
/// How long an ended run is still told about, in seconds.
const AFTERLIFE: i64 = 600;
/// Ended runs that are kept at the most.
const MOST_ENDED: usize = 200;
/// How long requests under way may take when a run is stopped.
const GRACE: Duration = Duration::from_millis(500);

/// All runs, and those of earlier processes that were aborted. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runs(Arc<Mutex<BTreeMap<String, Arc<Record>>>>, Memory);

/// Whom a run is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// What makes two calls for load the same; see `load::start`.
    pub(crate) identity: String,
    pub(crate) label: Label,
    /// When this process began it.
    pub(crate) began: Timestamp,
    /// When a process before this one began it.
    first: Option<Timestamp>,
    handle: RunHandle,
    stop: CancellationToken,
    /// Cancelled when the report is there.
    over: CancellationToken,
    /// Why it was aborted.
    aborted: OnceLock<String>,
    state: Mutex<Progress>,
    /// What the law that fills up real traffic did last.
    top_up: Mutex<Option<TopUpStep>>,
    /// The target of that law, when it is changed.
    target: watch::Sender<Option<f64>>,
    /// The target of that law as it is.
    wanted: Mutex<Option<f64>>,
    /// The scenario that it is a run of: how it is shown, and its report when it is over.
    scenario: Mutex<(Option<serde_json::Value>, Option<Arc<RunReport>>)>,
}

/// What became of the requests of a flow in an arm.
pub(crate) type Totals = BTreeMap<(String, Option<String>), Total>;

/// What became of requests since the beginning; latencies in microseconds.
#[derive(Clone, Debug)]
pub(crate) struct Total {
    pub(crate) counts: Counts,
    pub(crate) latency: Histogram<u64>,
}

#[derive(Debug, Default)]
struct Progress {
    seconds: VecDeque<Arc<Snapshot>>,
    /// All seconds together, also those that are not kept: by flow and arm.
    totals: Totals,
    ended: Option<Timestamp>,
    report: Option<Arc<Report>>,
}

/// What is known of a run before it begins.
pub(crate) struct Beginning {
    pub(crate) id: String,
    pub(crate) identity: String,
    pub(crate) label: Label,
    /// When a process before this one began it.
    pub(crate) first: Option<Timestamp>,
    /// Ends it.
    pub(crate) stop: CancellationToken,
}

impl Runs {
    /// Starts load. It goes on as long as the answer is attended; see [`Attended::attend`].
    ///
    /// # Errors
    /// The plan cannot be run.
    pub(crate) fn begin(&self, plan: Plan, beginning: Beginning) -> anyhow::Result<Attended> {
        let Beginning { id, identity, label, first, stop } = beginning;
        let run = Engine::start(plan)?;
        let record = Arc::new(Record {
            id,
            identity,
            label,
            began: Timestamp::now(),
            first,
            handle: run.handle(),
            stop,
            over: CancellationToken::new(),
            aborted: OnceLock::new(),
            state: Mutex::default(),
            top_up: Mutex::default(),
            target: watch::Sender::new(None),
            wanted: Mutex::default(),
            scenario: Mutex::default(),
        });
        self.add(record.clone());
        Ok(Attended { guard: StopOnDrop(run.handle()), record, run })
    }

    /// The run that is under way under that identity.
    pub(crate) fn running(&self, identity: &str) -> Option<Arc<Record>> {
        let runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_meant = |run: &&Arc<Record>| run.identity == identity && run.ended().is_none();
        runs.values().find(is_meant).cloned()
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

/// Load that was started.
pub(crate) struct Attended {
    pub(crate) record: Arc<Record>,
    run: Run,
    // Dropped half-way, the load would go on without anybody.
    guard: StopOnDrop,
}

impl Attended {
    /// Waits for its end, which its stop brings about; `drive` changes it meanwhile.
    pub(crate) async fn attend<D: Future<Output = ()>>(
        self,
        drive: impl FnOnce(Arc<Record>) -> D,
    ) -> Option<Arc<Report>> {
        let Self { record, mut run, guard } = self;
        let mut snapshots = run.snapshots();
        let (mut stopping, mut driven) = (false, false);
        let mut driving = std::pin::pin!(drive(record.clone()));
        loop {
            tokio::select! {
                snapshot = snapshots.next() => match snapshot {
                    Some(snapshot) => record.push(snapshot),
                    None => break,
                },
                () = record.stop.cancelled(), if !stopping => {
                    stopping = true;
                    record.handle.stop(GRACE);
                }
                () = driving.as_mut(), if !driven && !stopping => driven = true,
            }
        }
        let report = run.finish().await;
        drop(guard);
        {
            let mut state = record.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.ended = Some(Timestamp::now());
            state.report.clone_from(&report);
        }
        record.over.cancel();
        report
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
        for step in &snapshot.steps {
            let key = (step.flow.clone(), step.arm.clone());
            if let Some(total) = state.totals.get_mut(&key) {
                total.counts += &step.counts;
                // Both have the bounds of the engine.
                let _ = total.latency.add(&step.latency);
            } else {
                let total = Total { counts: step.counts.clone(), latency: step.latency.clone() };
                state.totals.insert(key, total);
            }
        }
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

    /// What became of its requests since it began.
    pub(crate) fn totals(&self) -> Totals {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).totals.clone()
    }

    /// Its last whole second.
    pub(crate) fn newest(&self) -> Option<Arc<Snapshot>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).seconds.back().cloned()
    }

    /// Requests a second that are to be reached, with the real ones where those are filled up.
    pub(crate) fn wanted(&self) -> Option<f64> {
        let set = *self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        set.or_else(|| self.newest().map(|second| second.rate).filter(|rate| *rate > 0.0))
    }

    /// Real and own requests together are to reach that.
    pub(crate) fn set_wanted(&self, target: f64) {
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = Some(target);
    }

    /// Its report, when it has ended.
    pub(crate) fn report(&self) -> Option<Arc<Report>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).report.clone()
    }

    /// How the scenario is shown that it is a run of, and the report of that.
    pub(crate) fn set_scenario(&self, shown: serde_json::Value, report: Option<Arc<RunReport>>) {
        *self.scenario.lock().unwrap_or_else(PoisonError::into_inner) = (Some(shown), report);
    }

    /// The report of the scenario that it is a run of, when it is over and has cleaned up.
    pub(crate) fn scenario_report(&self) -> Option<Arc<RunReport>> {
        self.scenario.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    /// Its seconds, as far as they are kept.
    pub(crate) fn seconds(&self) -> Vec<Arc<Snapshot>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).seconds.iter().cloned().collect()
    }

    /// Waits until its report is there.
    pub(crate) async fn over(&self) {
        self.over.cancelled().await;
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

    /// Whether its results say nothing: it was aborted, or the real traffic that it fills up is not seen.
    pub(crate) fn is_no_evidence(&self) -> bool {
        if self.aborted().is_some() {
            return true;
        }
        let state = self.top_up().map(|step| step.state);
        matches!(
            state,
            Some(TopUpState::Starting | TopUpState::Checking | TopUpState::Blind | TopUpState::Mismatch)
        )
    }

    /// Ends it soon.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// Changes its rate, in requests a second; of load that fills up real traffic the target.
    pub(crate) fn set_rate(&self, rate: f64) {
        if self.top_up().is_some() {
            self.target.send_replace(Some(rate));
        } else {
            self.handle.set_rate(rate);
        }
    }

    /// Tells of changes of the target.
    pub(crate) fn targets(&self) -> watch::Receiver<Option<f64>> {
        self.target.subscribe()
    }
}
