//! A run under way: its handle, its snapshots, its end.

use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::sync::{broadcast, mpsc, watch};

use crate::histogram::{coarse, merge};
use crate::snapshot::{Beat, StepName};
use crate::tally::Total;
use crate::timer::Timer;
use crate::{Report, Snapshot};

/// What the threads are told.
#[derive(Clone, Debug)]
pub(crate) enum Command {
    Rate { at: Duration, rate: f64 },
    Weights(Arc<[f64]>),
    Stop { at: Instant, grace: Duration },
}

/// What the threads tell.
#[derive(Debug)]
pub(crate) enum Told {
    Beat(Beat),
    End { totals: Vec<Total>, lag: Histogram<u64>, elapsed: Duration },
}

/// A run under way. It goes on when this is dropped; see [`RunHandle::stop`].
#[derive(Debug)]
pub struct Run {
    pub(crate) handle: RunHandle,
    pub(crate) report: watch::Receiver<Option<Arc<Report>>>,
    /// Subscribed before the first request.
    pub(crate) snapshots: Option<broadcast::Receiver<Arc<Snapshot>>>,
}

/// Changes and watches a run. Clones lead to the same run; any thread and any runtime may use them.
#[derive(Clone, Debug)]
pub struct RunHandle {
    pub(crate) start: Instant,
    pub(crate) commands: Arc<[mpsc::UnboundedSender<Command>]>,
    pub(crate) snapshots: Arc<Mutex<Option<broadcast::Sender<Arc<Snapshot>>>>>,
}

impl RunHandle {
    /// The rate from now on, in arrivals per second; without effect on closed loops.
    pub fn set_rate(&self, rate: f64) {
        // One moment for all threads, so that they stay shares of one schedule.
        self.tell(&Command::Rate { at: self.start.elapsed(), rate });
    }

    /// The weights of the flows from now on, in the order of the plan.
    pub fn set_weights(&self, weights: &[f64]) {
        self.tell(&Command::Weights(weights.into()));
    }

    /// No request begins from now on; those under way may take as long as `grace`, then they are cut.
    pub fn stop(&self, grace: Duration) {
        self.tell(&Command::Stop { at: Instant::now(), grace });
    }

    /// What happens from now on, second by second.
    pub fn snapshots(&self) -> Snapshots {
        let sender = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        Snapshots(sender.as_ref().map(broadcast::Sender::subscribe))
    }

    /// How long ago it started.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    fn tell(&self, command: &Command) {
        for thread in self.commands.iter() {
            // A thread that has ended has nothing to change.
            let _ = thread.send(command.clone());
        }
    }
}

impl Run {
    /// Changes and watches it.
    pub fn handle(&self) -> RunHandle {
        self.handle.clone()
    }

    /// All snapshots from the very first, also of a run that has ended already. A second call gives those from now on.
    pub fn snapshots(&mut self) -> Snapshots {
        match self.snapshots.take() {
            Some(from_the_start) => Snapshots(Some(from_the_start)),
            None => self.handle.snapshots(),
        }
    }

    /// Waits for its end. `None`: a thread of it has panicked.
    pub async fn finish(mut self) -> Option<Arc<Report>> {
        self.report.wait_for(Option::is_some).await.ok().and_then(|report| report.clone())
    }

    /// Stops it and waits for its end.
    pub async fn stop(self, grace: Duration) -> Option<Arc<Report>> {
        self.handle.stop(grace);
        self.finish().await
    }
}

/// The snapshots of a run. Whoever is more than a minute behind misses the oldest.
#[derive(Debug)]
pub struct Snapshots(Option<broadcast::Receiver<Arc<Snapshot>>>);

impl Snapshots {
    /// The next one; `None`: the run has ended.
    pub async fn next(&mut self) -> Option<Arc<Snapshot>> {
        loop {
            match self.0.as_mut()?.recv().await {
                Ok(snapshot) => return Some(snapshot),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

/// Puts together what the threads tell.
pub(crate) struct Collector {
    pub(crate) threads: usize,
    pub(crate) names: Vec<StepName>,
    pub(crate) snapshots: Arc<Mutex<Option<broadcast::Sender<Arc<Snapshot>>>>>,
    pub(crate) report: watch::Sender<Option<Arc<Report>>>,
}

impl Collector {
    /// Works until all threads have ended.
    pub(crate) fn run(self, told: &Receiver<Told>) {
        let mut seconds: BTreeMap<u64, (usize, Snapshot)> = BTreeMap::new();
        let (mut totals, mut lag, mut elapsed): (Vec<Total>, _, _) = (Vec::new(), coarse(), Duration::ZERO);
        let mut ended = 0;
        while ended < self.threads {
            match told.recv() {
                Ok(Told::Beat(beat)) => {
                    let number = beat.second;
                    let (heard, snapshot) =
                        seconds.entry(number).or_insert_with(|| (0, Snapshot::new(number, &self.names)));
                    snapshot.add(&beat);
                    *heard += 1;
                    if *heard == self.threads
                        && let Some((_, snapshot)) = seconds.remove(&number)
                    {
                        self.publish(snapshot);
                    }
                }
                Ok(Told::End { totals: theirs, lag: their_lag, elapsed: their_time }) => {
                    ended += 1;
                    elapsed = elapsed.max(their_time);
                    merge(&mut lag, &their_lag);
                    add_totals(&mut totals, theirs);
                }
                // A thread has panicked; there is no report, which the run's `finish` tells.
                Err(_) => break,
            }
        }
        for (_, (_, snapshot)) in seconds {
            self.publish(snapshot);
        }
        self.snapshots.lock().unwrap_or_else(PoisonError::into_inner).take();
        if ended == self.threads {
            let report = Report::new(elapsed, &self.names, &totals, &lag, Timer::NAME);
            self.report.send_replace(Some(Arc::new(report)));
        }
    }

    fn publish(&self, snapshot: Snapshot) {
        if let Some(sender) = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            // Nobody may be listening.
            let _ = sender.send(Arc::new(snapshot));
        }
    }
}

fn add_totals(totals: &mut Vec<Total>, theirs: Vec<Total>) {
    if totals.is_empty() {
        *totals = theirs;
        return;
    }
    for (mine, theirs) in totals.iter_mut().zip(theirs) {
        mine.counts += &theirs.counts;
        merge(&mut mine.latency, &theirs.latency);
        merge(&mut mine.service, &theirs.service);
    }
}
