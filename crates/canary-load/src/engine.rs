//! Starts runs: one thread for each core, each with a runtime of its own, and nothing shared on the way of a request.

use std::io;
use std::rc::Rc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use tokio::runtime::LocalOptions;
use tokio::sync::{broadcast, mpsc, watch};

use crate::dial::Dialer;
use crate::floor::Floor;
use crate::pacer::Pacer;
use crate::run::{Collector, Command, Run, RunHandle, Told};
use crate::snapshot::StepName;
use crate::timer::Timer;
use crate::{Pace, Plan, PlanError, Protocol, Schedule, Target, TlsError};

/// Snapshots that are kept for a slow reader.
const KEPT_SNAPSHOTS: usize = 64;

/// Starts runs.
#[derive(Clone, Copy, Debug)]
pub struct Engine;

/// A run that cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The plan is wrong.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// There is no TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The system refuses a thread, a timer or a runtime.
    #[error("the load cannot be started")]
    System(#[from] io::Error),
}

impl Engine {
    /// Starts a run on threads of its own; may be called inside and outside of a runtime.
    ///
    /// # Errors
    /// [`StartError`] when the plan is wrong or the system refuses what is needed.
    pub fn start(plan: Plan) -> Result<Run, StartError> {
        plan.check()?;
        let plan = Arc::new(plan);
        let threads = thread_count(&plan);
        let start = Instant::now();
        let left = match plan.pace {
            Pace::Closed => plan.requests.map(|requests| Arc::new(AtomicU64::new(requests))),
            Pace::Open { .. } => None,
        };
        let (told, hear) = channel();
        let mut commands = Vec::with_capacity(threads);
        let mut shards = Vec::with_capacity(threads);
        for index in 0..threads {
            let (sender, receiver) = mpsc::unbounded_channel();
            commands.push(sender);
            shards.push(Shard {
                plan: plan.clone(),
                dialer: Dialer::new(&plan)?,
                connections: share(plan.limits.connections, index, threads),
                schedule: schedule(&plan, index, threads),
                start,
                left: left.clone(),
                index,
                threads,
                commands: receiver,
                told: told.clone(),
            });
        }
        drop(told);
        let (report, reported) = watch::channel(None);
        let (sender, from_the_start) = broadcast::channel(KEPT_SNAPSHOTS);
        let snapshots = Arc::new(Mutex::new(Some(sender)));
        let collector = Collector { threads, names: names(&plan), snapshots: snapshots.clone(), report };
        thread::Builder::new().name("load-collector".into()).spawn(move || collector.run(&hear))?;
        for shard in shards {
            // One that cannot be started drops the others' way to tell: they end with the commands below.
            let name = format!("load-{}", shard.index);
            if let Err(error) = thread::Builder::new().name(name).spawn(move || shard.run()) {
                let stop = Command::Stop { at: start, grace: std::time::Duration::ZERO };
                for thread in &commands {
                    let _ = thread.send(stop.clone());
                }
                return Err(error.into());
            }
        }
        let handle = RunHandle { start, commands: commands.into(), snapshots };
        Ok(Run { handle, report: reported, snapshots: Some(from_the_start) })
    }
}

/// What one thread needs.
struct Shard {
    plan: Arc<Plan>,
    dialer: Dialer,
    connections: usize,
    schedule: Option<Schedule>,
    start: Instant,
    left: Option<Arc<AtomicU64>>,
    index: usize,
    threads: usize,
    commands: mpsc::UnboundedReceiver<Command>,
    told: Sender<Told>,
}

impl Shard {
    fn run(self) {
        // A local runtime: tasks of this thread need no queue with a lock, as they do in a set of local tasks.
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
        // Without a runtime nothing is told, and the run ends without a report.
        let Ok(runtime) = runtime else { return };
        let told = self.told.clone();
        let end = runtime.block_on(async {
            let timer = Timer::new().ok()?;
            let seed = u64::try_from(self.index).unwrap_or_default();
            let floor = Floor::new(self.plan, self.dialer, self.connections, self.start, self.left, seed);
            let pacer = Pacer {
                floor: Rc::new(floor),
                schedule: self.schedule,
                start: self.start,
                threads: u32::try_from(self.threads).map_or(1.0, f64::from),
                commands: self.commands,
                told: self.told,
                timer,
            };
            // A task among the others: what wakes the outermost future goes through the kernel.
            tokio::task::spawn_local(pacer.run()).await.ok()
        });
        // A look-up that hangs must not hold up the end. Visits that were cut are dropped here, before the report.
        runtime.shutdown_background();
        if let Some(end) = end {
            let _ = told.send(end);
        }
    }
}

/// What one thread does easily, in requests per second.
const EASY: f64 = 8_000.0;

/// The same without encryption and streams.
const EASY_IN_PLAIN: f64 = 20_000.0;

/// Few threads for a low rate: what costs then is waking up, and one thread that wakes for an arrival finds answers, too.
fn thread_count(plan: &Plan) -> usize {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let highest = match &plan.pace {
        Pace::Open { profile, .. } => profile.highest(),
        Pace::Closed => f64::INFINITY,
    };
    let is_plain = |target: &Target| !target.is_tls() && target.protocol == Protocol::Http1;
    let easy = if plan.targets.iter().all(is_plain) { EASY_IN_PLAIN } else { EASY };
    // A rate of 0 is set later by somebody else.
    let is_known = highest > 0.0 && highest.is_finite();
    let wanted = match plan.limits.threads {
        0 if is_known => (1..cores)
            .find(|&n| highest <= easy * f64::from(u32::try_from(n).unwrap_or(u32::MAX)))
            .unwrap_or(cores),
        0 => cores,
        given => given,
    };
    wanted.min(plan.limits.connections).max(1)
}

/// The part number `index` of `of` parts of `whole`.
fn share(whole: usize, index: usize, of: usize) -> usize {
    whole / of + usize::from(index < whole % of)
}

fn schedule(plan: &Plan, index: usize, of: usize) -> Option<Schedule> {
    let Pace::Open { profile, arrivals } = &plan.pace else { return None };
    let (number, threads) = (u32::try_from(index).ok()?, u32::try_from(of).ok()?);
    let mut schedule = Schedule::share(profile, *arrivals, number, threads);
    if let Some(duration) = plan.duration {
        schedule = schedule.ending(duration);
    }
    if let Some(requests) = plan.requests {
        let threads = u64::from(threads);
        schedule = schedule.at_most(requests / threads + u64::from(u64::from(number) < requests % threads));
    }
    Some(schedule)
}

fn names(plan: &Plan) -> Vec<StepName> {
    plan.flows
        .iter()
        .flat_map(|flow| {
            flow.steps().into_iter().map(|step| StepName {
                flow: flow.name.clone(),
                arm: flow.arm.clone(),
                step,
            })
        })
        .collect()
}
