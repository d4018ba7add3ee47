//! Work of one canary that is done in order and that nobody waits for.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use tokio_util::task::TaskTracker;

/// A queue that runs one job after the other, and costs nothing while it is empty.
#[derive(Clone)]
pub(crate) struct Lane {
    queue: Arc<Mutex<Queue>>,
    tracker: TaskTracker,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<BoxFuture<'static, ()>>,
    running: bool,
}

impl Lane {
    /// A lane whose running work `tracker` knows of, so that a stop can wait for it.
    pub(crate) fn new(tracker: TaskTracker) -> Self {
        Self { queue: Arc::default(), tracker }
    }

    /// Adds a job behind those that wait.
    pub(crate) fn push(&self, job: impl Future<Output = ()> + Send + 'static) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.jobs.push_back(Box::pin(job));
        if !queue.running {
            queue.running = true;
            self.tracker.spawn(work(self.queue.clone()));
        }
    }
}

async fn work(queue: Arc<Mutex<Queue>>) {
    loop {
        let job = {
            let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
            let job = queue.jobs.pop_front();
            queue.running = job.is_some();
            job
        };
        match job {
            Some(job) => job.await,
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn jobs_run_one_after_the_other_and_a_stop_can_wait_for_them() {
        let (tracker, seen) = (TaskTracker::new(), Arc::new(Mutex::new(Vec::new())));
        let lane = Lane::new(tracker.clone());
        for n in 0..5 {
            let seen = seen.clone();
            lane.push(async move {
                tokio::task::yield_now().await;
                seen.lock().unwrap().push(n);
            });
        }
        tracker.close();
        tracker.wait().await;
        assert_eq!(*seen.lock().unwrap(), [0, 1, 2, 3, 4]);
    }
}
