//! The clock of one thread: lets arrivals in at their time, tells what happened each second, and ends the run.

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::mpsc::Sender;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedReceiver;

use crate::Schedule;
use crate::calm::DOZE;
use crate::floor::Floor;
use crate::histogram::{coarse, merge};
use crate::run::{Command, Told};
use crate::snapshot::{Beat, second_of};
use crate::timer::{Timer, doze};

/// Arrivals closer together than this come together, since each waking costs more than a request: exact when they are few,
/// cheap when they are many.
fn quantum(thread_rate: f64) -> Duration {
    Duration::from_nanos(20).mul_f64(thread_rate.clamp(2_500.0, 20_000.0))
}

pub(crate) struct Pacer {
    pub(crate) floor: Rc<Floor>,
    /// None: closed loops, whose workers pace themselves.
    pub(crate) schedule: Option<Schedule>,
    pub(crate) start: Instant,
    /// How many threads share the arrivals.
    pub(crate) threads: f64,
    pub(crate) commands: UnboundedReceiver<Command>,
    pub(crate) told: Sender<Told>,
    pub(crate) timer: Timer,
}

/// How the run is to end.
#[derive(Clone, Copy, Default)]
struct Ending {
    /// What is under way then is cut.
    cut: Option<Instant>,
}

/// Lets the tasks run that can, once, without a look at sockets.
async fn after_the_others() {
    let mut has_waited = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut has_waited, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Pacer {
    /// Runs until the plan is done, or stopped. What it returns is to be told when everything of the thread is gone.
    pub(crate) async fn run(mut self) -> Told {
        let mut lag = coarse();
        let (mut told_seconds, mut ending, mut deaf) = (0, Ending::default(), false);
        if self.schedule.is_none() {
            self.floor.awaiting_end.set(true);
            self.floor.hire_all();
        }
        loop {
            let now = Instant::now();
            self.let_in(now);
            self.floor.resume(now);
            self.floor.expire(now);
            while second_of(now - self.start) > told_seconds {
                self.tell(told_seconds, &mut lag);
                told_seconds += 1;
            }
            let over = self.is_over(now);
            if over {
                self.floor.awaiting_end.set(true);
            }
            if over && (self.floor.is_quiet() || ending.cut.is_some_and(|cut| now >= cut)) {
                break;
            }
            let beat = self.start + Duration::from_secs(told_seconds + 1);
            let wake = self.next_waking(now, beat, ending);
            self.floor.wakes_at.set(Some(wake));
            if self.may_doze(now, wake) {
                // What was let in is sent first, which may make a difference.
                after_the_others().await;
                if self.may_doze(now, wake) {
                    doze(wake);
                    // Answers that came meanwhile are read before the next arrival, which may use their connections.
                    tokio::task::yield_now().await;
                    while let Ok(command) = self.commands.try_recv() {
                        self.obey(command, &mut ending);
                    }
                    continue;
                }
            }
            tokio::select! {
                biased;
                command = self.commands.recv(), if !deaf => match command {
                    Some(command) => self.obey(command, &mut ending),
                    // Nobody can change anything any more; that is no reason to stop.
                    None => deaf = true,
                },
                () = self.floor.changed.notified() => {}
                () = self.timer.until(wake) => {}
            }
        }
        self.floor.clear();
        self.floor.tally.borrow_mut().cut();
        self.tell(told_seconds, &mut lag);
        let totals = std::mem::take(&mut self.floor.tally.borrow_mut().totals);
        Told::End { totals, lag, elapsed: self.start.elapsed() }
    }

    fn let_in(&mut self, now: Instant) {
        let Some(schedule) = &mut self.schedule else { return };
        if self.floor.stopping.get() {
            return;
        }
        while let Some(at) = schedule.peek().map(|at| self.start + at).filter(|at| *at <= now) {
            schedule.take();
            self.floor.arrive(at);
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        let elapsed = now - self.start;
        self.floor.stopping.get()
            || match &self.schedule {
                Some(schedule) => schedule.is_over(elapsed),
                // Workers that find no next request are idle.
                None => self.floor.busy.get() == 0,
            }
    }

    fn next_waking(&self, now: Instant, beat: Instant, ending: Ending) -> Instant {
        let arrival = self.schedule.as_ref().and_then(Schedule::peek).map(|at| self.start + at);
        let rate = self.schedule.as_ref().map_or(0.0, |schedule| schedule.rate(now - self.start));
        let quantum = quantum(rate / self.threads);
        let arrival = arrival.filter(|_| !self.floor.stopping.get()).map(|at| at.max(now + quantum));
        let paused = self.floor.pausing.borrow().peek().map(|first| first.until);
        let end = self.floor.end.filter(|end| *end > now);
        [arrival, paused, self.floor.next_expiry(), ending.cut, end]
            .into_iter()
            .flatten()
            .fold(beat, Instant::min)
            .max(now)
    }

    /// Whether the thread may sleep through everything until `wake`. Not when that is the moment at which a request has taken too
    /// long: its answer may be there.
    fn may_doze(&self, now: Instant, wake: Instant) -> bool {
        self.schedule.is_some()
            && wake <= now + DOZE
            && self.floor.may_doze()
            && self.floor.next_expiry().is_none_or(|at| at > wake + DOZE)
    }

    fn obey(&mut self, command: Command, ending: &mut Ending) {
        match command {
            Command::Rate { at, rate } => {
                if let Some(schedule) = &mut self.schedule {
                    schedule.set_rate(at, rate);
                }
            }
            Command::Weights(weights) => self.floor.set_weights(&weights),
            Command::Stop { at, grace } => {
                self.floor.stopping.set(true);
                self.floor.clear();
                ending.cut = Some(at + grace);
            }
        }
    }

    fn tell(&self, second: u64, lag: &mut hdrhistogram::Histogram<u64>) {
        let mut tally = self.floor.tally.borrow_mut();
        let fresh_lag = std::mem::replace(&mut tally.lag, coarse());
        merge(lag, &fresh_lag);
        let at = Duration::from_secs(second + 1);
        let beat = Beat {
            second,
            rate: self.schedule.as_ref().map_or(0.0, |schedule| schedule.rate(at)),
            in_flight: u64::try_from(self.floor.busy.get()).unwrap_or(u64::MAX),
            waiting: u64::try_from(self.floor.queue.borrow().len()).unwrap_or(u64::MAX),
            steps: tally.take(),
            lag: fresh_lag,
        };
        let _ = self.told.send(Told::Beat(beat));
    }
}
