//! What the pacer and the workers of one thread share: the queue, the idle workers, the counters.

use std::cell::{Cell, RefCell};
use std::collections::{BinaryHeap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::Notify;

use crate::calm::Calm;
use crate::connection::Shared;
use crate::desk::Desk;
use crate::dial::Dialer;
use crate::histogram::record;
use crate::job::{Job, Pausing};
use crate::tally::Tally;
use crate::{Pace, Plan, Protocol, Sending, Visit, Work};

/// The state of one thread.
pub(crate) struct Floor {
    pub(crate) plan: Arc<Plan>,
    pub(crate) dialer: Dialer,
    pub(crate) tally: RefCell<Tally>,
    pub(crate) queue: RefCell<VecDeque<Job>>,
    pub(crate) pausing: RefCell<BinaryHeap<Pausing>>,
    /// The last to become idle is the first to work: few connections stay warm, and few are opened.
    idle: RefCell<Vec<Rc<Desk>>>,
    /// Those of all workers.
    desks: RefCell<Vec<Rc<Desk>>>,
    /// When the first request under way may have taken too long.
    next_deadline: Cell<Option<Instant>>,
    /// When the pacer looks around again.
    pub(crate) wakes_at: Cell<Option<Instant>>,
    most_workers: usize,
    pub(crate) calm: Calm,
    pub(crate) busy: Cell<usize>,
    /// Visits that wait for something other than time.
    held_up: Cell<usize>,
    /// Something happened that the pacer may wait for.
    pub(crate) changed: Notify,
    pub(crate) stopping: Cell<bool>,
    /// The pacer waits for the last worker to become idle.
    pub(crate) awaiting_end: Cell<bool>,
    /// Closed loops: no request begins after that.
    pub(crate) end: Option<Instant>,
    /// Closed loops: how many requests are left, for all threads.
    pub(crate) left: Option<Arc<AtomicU64>>,
    shared: Vec<Vec<Shared>>,
    weights: RefCell<Vec<f64>>,
    random: RefCell<StdRng>,
}

impl Floor {
    pub(crate) fn new(
        plan: Arc<Plan>,
        dialer: Dialer,
        connections: usize,
        start: Instant,
        left: Option<Arc<AtomicU64>>,
        seed: u64,
    ) -> Self {
        let streams = plan
            .targets
            .iter()
            .map(|target| match target.protocol {
                Protocol::Http1 => 1,
                Protocol::Http2 { streams } => streams.max(1),
            })
            .max()
            .unwrap_or(1);
        let shared =
            plan.targets.iter().map(|_| (0..connections).map(|_| Shared::default()).collect()).collect();
        Self {
            tally: RefCell::new(Tally::new(&plan)),
            queue: RefCell::default(),
            pausing: RefCell::default(),
            idle: RefCell::default(),
            desks: RefCell::default(),
            next_deadline: Cell::new(None),
            wakes_at: Cell::new(None),
            most_workers: connections * streams,
            calm: Calm::new(&plan),
            busy: Cell::new(0),
            held_up: Cell::new(0),
            changed: Notify::new(),
            stopping: Cell::new(false),
            awaiting_end: Cell::new(false),
            end: plan.duration.map(|duration| start + duration),
            left,
            shared,
            weights: RefCell::new(plan.flows.iter().map(|flow| flow.weight).collect()),
            random: RefCell::new(StdRng::seed_from_u64(seed)),
            plan,
            dialer,
        }
    }

    /// The HTTP/2 connection of a worker to a target. Workers take turns among connections.
    pub(crate) fn shared(&self, target: usize, worker: usize) -> &Shared {
        let connections = &self.shared[target];
        &connections[worker % connections.len()]
    }

    pub(crate) fn set_weights(&self, weights: &[f64]) {
        for (mine, new) in self.weights.borrow_mut().iter_mut().zip(weights) {
            *mine = if new.is_finite() { new.max(0.0) } else { 0.0 };
        }
    }

    /// A new user arrives.
    pub(crate) fn arrive(self: &Rc<Self>, intended: Instant) {
        let flow = self.choose();
        if let Some(job) = self.begin(flow, intended) {
            self.hand_out(job);
        }
    }

    /// The first request of a flow.
    fn begin(self: &Rc<Self>, flow: usize, intended: Instant) -> Option<Job> {
        match &self.plan.flows[flow].work {
            Work::Request { target, request } => {
                let place = self.plan_request(flow, 0);
                let (target, request) = (*target, request.clone());
                Some(Job { intended, flow, place, target, request, visit: None, at_once: false })
            }
            Work::Script(script) => self.go_on(flow, script.visit(), intended),
        }
    }

    /// The next request of a visit, if it has one now.
    pub(crate) fn go_on(
        self: &Rc<Self>,
        flow: usize,
        mut visit: Box<dyn Visit>,
        intended: Instant,
    ) -> Option<Job> {
        match visit.next() {
            crate::Next::Send(sending) => {
                let Sending { step, target, request } = *sending;
                let place = self.plan_request(flow, step);
                let target = target.min(self.plan.targets.len() - 1);
                Some(Job { intended, flow, place, target, request, visit: Some(visit), at_once: false })
            }
            crate::Next::Pause(length) => {
                self.pausing.borrow_mut().push(Pausing { until: Instant::now() + length, flow, visit });
                self.changed.notify_one();
                None
            }
            crate::Next::After(ready) => {
                self.held_up.set(self.held_up.get() + 1);
                let floor = self.clone();
                tokio::task::spawn_local(async move {
                    ready.await;
                    floor.held_up.set(floor.held_up.get() - 1);
                    if !floor.stopping.get()
                        && let Some(job) = floor.go_on(flow, visit, Instant::now())
                    {
                        floor.hand_out(job);
                    }
                    floor.changed.notify_one();
                });
                None
            }
            crate::Next::End { skipped } => {
                let mut tally = self.tally.borrow_mut();
                for step in skipped {
                    let place = tally.place(flow, step);
                    let counts = tally.counts(place);
                    counts.planned += 1;
                    counts.not_sent.skipped += 1;
                }
                None
            }
        }
    }

    fn plan_request(&self, flow: usize, step: usize) -> usize {
        let mut tally = self.tally.borrow_mut();
        let place = tally.place(flow, step);
        tally.counts(place).planned += 1;
        place
    }

    fn choose(&self) -> usize {
        if self.plan.flows.len() == 1 {
            return 0;
        }
        let weights = self.weights.borrow();
        let sum: f64 = weights.iter().sum();
        let mut point = self.random.borrow_mut().random::<f64>() * sum;
        for (flow, weight) in weights.iter().enumerate() {
            if point < *weight {
                return flow;
            }
            point -= weight;
        }
        weights.iter().rposition(|weight| *weight > 0.0).unwrap_or(0)
    }

    /// Gives a job to an idle worker, a new one, or the queue.
    pub(crate) fn hand_out(self: &Rc<Self>, mut job: Job) {
        let idle = self.idle.borrow_mut().pop();
        if let Some(desk) = idle {
            job.at_once = true;
            self.busy.set(self.busy.get() + 1);
            desk.put(job);
        } else if self.desks.borrow().len() < self.most_workers {
            job.at_once = true;
            self.busy.set(self.busy.get() + 1);
            self.hire(Some(job));
        } else {
            // No connection is free, which may be the target's fault; that it is let in late is the engine's.
            record(&mut self.tally.borrow_mut().lag, job.intended.elapsed());
            self.queue.borrow_mut().push_back(job);
        }
    }

    /// Closed loops: all workers begin.
    pub(crate) fn hire_all(self: &Rc<Self>) {
        for _ in 0..self.most_workers {
            self.busy.set(self.busy.get() + 1);
            self.hire(None);
        }
    }

    fn hire(self: &Rc<Self>, first: Option<Job>) {
        let desk = Rc::new(Desk::default());
        let number = {
            let mut desks = self.desks.borrow_mut();
            desks.push(desk.clone());
            desks.len() - 1
        };
        tokio::task::spawn_local(crate::worker::work(self.clone(), desk, number, first));
    }

    /// What a worker does next, if it has anything to do at once.
    pub(crate) fn next_job(self: &Rc<Self>) -> Option<Job> {
        if matches!(self.plan.pace, Pace::Closed) {
            return self.next_of_loop();
        }
        let now = Instant::now();
        loop {
            let job = self.queue.borrow_mut().pop_front()?;
            if now < job.intended + self.plan.limits.timeout {
                return Some(job);
            }
            self.give_up(&job);
        }
    }

    fn next_of_loop(self: &Rc<Self>) -> Option<Job> {
        loop {
            let now = Instant::now();
            if self.stopping.get() || self.end.is_some_and(|end| now >= end) {
                return None;
            }
            if let Some(left) = &self.left {
                let taken =
                    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
                taken.ok()?;
            }
            // A visit that begins with a pause lets the next one begin.
            if let Some(mut job) = self.begin(self.choose(), now) {
                job.at_once = true;
                return Some(job);
            }
            if !self.pausing.borrow().is_empty() || self.held_up.get() > 0 {
                return None;
            }
        }
    }

    /// The worker has nothing to do.
    pub(crate) fn rest(&self, desk: &Rc<Desk>) {
        self.idle.borrow_mut().push(desk.clone());
        self.busy.set(self.busy.get() - 1);
        if self.busy.get() == 0 && self.awaiting_end.get() {
            self.changed.notify_one();
        }
    }

    /// A request under way has to be over by then.
    pub(crate) fn expect_by(&self, deadline: Instant) {
        if self.next_deadline.get().is_none_or(|next| deadline < next) {
            self.next_deadline.set(Some(deadline));
            if self.wakes_at.get().is_some_and(|at| deadline < at) {
                self.changed.notify_one();
            }
        }
    }

    /// Ends requests under way that have taken too long. The runtime's timers could do it; but each one that is set wakes
    /// its driver, which costs as much as sending a small request.
    fn expire_under_way(&self, now: Instant) {
        if self.next_deadline.get().is_none_or(|next| now < next) {
            return;
        }
        let desks = self.desks.borrow();
        self.next_deadline.set(desks.iter().filter_map(|desk| desk.expire(now)).min());
    }

    /// Ends requests under way that have taken too long, and counts those that have waited for the whole timeout.
    pub(crate) fn expire(&self, now: Instant) {
        self.expire_under_way(now);
        let timeout = self.plan.limits.timeout;
        loop {
            let late = {
                let mut queue = self.queue.borrow_mut();
                match queue.front() {
                    Some(job) if now >= job.intended + timeout => queue.pop_front(),
                    _ => return,
                }
            };
            if let Some(job) = late {
                self.give_up(&job);
            }
        }
    }

    fn give_up(&self, job: &Job) {
        self.tally.borrow_mut().expired(job.place, self.plan.limits.timeout);
    }

    /// Counts everything that waits as not sent.
    pub(crate) fn clear(&self) {
        let mut tally = self.tally.borrow_mut();
        for job in self.queue.borrow_mut().drain(..) {
            tally.counts(job.place).not_sent.stopped += 1;
        }
        self.pausing.borrow_mut().clear();
    }

    /// When the first of those who wait for a connection or an answer has waited too long.
    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        let waiting = self.queue.borrow().front().map(|job| job.intended + self.plan.limits.timeout);
        [waiting, self.next_deadline.get()].into_iter().flatten().min()
    }

    /// Visits whose pause is over go on.
    pub(crate) fn resume(self: &Rc<Self>, now: Instant) {
        loop {
            let due = {
                let mut pausing = self.pausing.borrow_mut();
                match pausing.peek() {
                    Some(first) if first.until <= now => pausing.pop(),
                    _ => return,
                }
            };
            if let Some(Pausing { until, flow, visit }) = due
                && let Some(job) = self.go_on(flow, visit, until)
            {
                self.hand_out(job);
            }
        }
    }

    /// Whether nothing but an arrival has to be seen to at once; see [`Calm`].
    pub(crate) fn may_doze(&self) -> bool {
        self.calm.is_calm()
            && !self.dialer.is_dialing()
            && !self.awaiting_end.get()
            && self.held_up.get() == 0
            && self.queue.borrow().is_empty()
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.busy.get() == 0
            && self.held_up.get() == 0
            && self.queue.borrow().is_empty()
            && self.pausing.borrow().is_empty()
    }

    pub(crate) fn deadline(&self, job: &Job) -> Instant {
        job.intended + self.plan.limits.timeout
    }
}
