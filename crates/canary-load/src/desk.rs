//! Where a worker waits, for its next job or for an answer, and can be reached.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use crate::connection::Connection;
use crate::job::Job;

#[derive(Default)]
pub(crate) struct Desk {
    job: RefCell<Option<Job>>,
    waker: RefCell<Option<Waker>>,
    /// Until when its request has to be answered.
    deadline: Cell<Option<Instant>>,
    expired: Cell<bool>,
}

impl Desk {
    /// Waits for a job, and sees to idle connections meanwhile.
    pub(crate) async fn wait(&self, connections: &mut [Option<Connection>]) -> Job {
        poll_fn(|cx| {
            if let Some(job) = self.job.borrow_mut().take() {
                return Poll::Ready(job);
            }
            for place in connections.iter_mut() {
                if let Some(connection) = place {
                    connection.poll_idle(cx);
                    if connection.is_over() {
                        *place = None;
                    }
                }
            }
            self.waits(cx);
            Poll::Pending
        })
        .await
    }

    pub(crate) fn put(&self, job: Job) {
        *self.job.borrow_mut() = Some(job);
        self.wake();
    }

    /// Waits for `work`; `None`: [`Self::expire`] ended it.
    pub(crate) async fn until<F: Future>(
        &self,
        deadline: Instant,
        mut work: Pin<&mut F>,
    ) -> Option<F::Output> {
        self.deadline.set(Some(deadline));
        self.expired.set(false);
        let outcome = poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if self.expired.get() => Poll::Ready(None),
            Poll::Pending => {
                self.waits(cx);
                Poll::Pending
            }
        })
        .await;
        self.deadline.set(None);
        outcome
    }

    /// Ends what has taken too long. The answer is the deadline of what has not.
    pub(crate) fn expire(&self, now: Instant) -> Option<Instant> {
        let deadline = self.deadline.get()?;
        if now < deadline {
            return Some(deadline);
        }
        self.expired.set(true);
        self.wake();
        None
    }

    fn waits(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }
}
