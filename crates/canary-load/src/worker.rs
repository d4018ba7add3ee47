//! A task that sends one request at a time, on connections that it keeps.

use std::pin::pin;
use std::rc::Rc;
use std::time::Instant;

use crate::connection::{Connection, Received, exchange};
use crate::desk::Desk;
use crate::floor::Floor;
use crate::histogram::record;
use crate::job::Job;
use crate::{Answer, ErrorClass, GrpcCode};

/// Works until the thread ends. Without a first job it looks for one.
pub(crate) async fn work(floor: Rc<Floor>, desk: Rc<Desk>, number: usize, first: Option<Job>) {
    let mut connections: Vec<Option<Connection>> = floor.plan.targets.iter().map(|_| None).collect();
    let mut next = first;
    loop {
        let job = if let Some(job) = next.take().or_else(|| floor.next_job()) {
            job
        } else {
            floor.rest(&desk);
            desk.wait(&mut connections).await
        };
        next = perform(&floor, &desk, number, &mut connections, job).await;
    }
}

/// Sends the request and counts what becomes of it. The answer is the next request of the same visit.
async fn perform(
    floor: &Rc<Floor>,
    desk: &Desk,
    number: usize,
    connections: &mut [Option<Connection>],
    job: Job,
) -> Option<Job> {
    let limits = floor.plan.limits;
    let sent = Instant::now();
    {
        let mut tally = floor.tally.borrow_mut();
        tally.counts(job.place).sent += 1;
        if job.at_once {
            record(&mut tally.lag, sent.saturating_duration_since(job.intended));
        }
    }
    let deadline = floor.deadline(&job);
    floor.expect_by(deadline);
    let _urgent = floor.calm.sends(job.flow, job.request.length());
    let work = pin!(exchange(
        &mut connections[job.target],
        floor.shared(job.target, number),
        &floor.dialer,
        &floor.plan.targets[job.target],
        job.request.request(deadline.saturating_duration_since(sent)),
        job.request.keep(limits.body, job.visit.is_some()),
        limits.churn,
    ));
    let outcome = desk.until(deadline, work).await.unwrap_or(Err(ErrorClass::Timeout));
    let outcome = outcome.map(|received| job.request.read(received, limits.body));
    let answered = Instant::now();
    // When it came, not when this thread had time for it.
    let came = outcome.as_ref().ok().and_then(|received| received.at).filter(|at| *at >= sent);
    let answered = came.map_or(answered, |at| at.min(answered));
    let latency = answered.saturating_duration_since(job.intended);
    let service = answered.saturating_duration_since(sent);
    if let Ok(received) = &outcome {
        let mut tally = floor.tally.borrow_mut();
        let counts = tally.counts(job.place);
        counts.bytes += received.length;
        floor.calm.came(received.length, received.at.is_some());
        *counts.statuses.entry(received.status.as_u16()).or_default() += 1;
        if let Some(status) = &received.grpc {
            *counts.grpc.entry(status.code).or_default() += 1;
        }
    }
    let Some(mut visit) = job.visit else {
        let verdict = outcome.and_then(|received| judge(&received));
        floor.tally.borrow_mut().done(job.place, verdict, latency, service);
        return None;
    };
    let outcome = outcome.map(|received| Answer {
        status: received.status,
        headers: received.headers,
        grpc: received.grpc,
        body: received.body,
        length: received.length,
        latency,
    });
    let verdict = visit.seen(outcome.as_ref().map_err(|class| *class));
    floor.tally.borrow_mut().done(job.place, verdict, latency, service);
    if floor.stopping.get() {
        return None;
    }
    let mut next = floor.go_on(job.flow, visit, Instant::now())?;
    next.at_once = true;
    Some(next)
}

fn judge(received: &Received) -> Result<(), ErrorClass> {
    if received.grpc.as_ref().is_some_and(|status| status.code != GrpcCode::Ok) {
        return Err(ErrorClass::Grpc);
    }
    if received.status.as_u16() >= 400 { Err(ErrorClass::Status) } else { Ok(()) }
}
