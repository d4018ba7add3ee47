//! Tasks that are started after their answer was given. The same task never runs twice at a time.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Flagger: pending tasks are started every 100 ms.
const PAUSE: Duration = Duration::from_millis(100);

/// The tasks that run now, by their identity. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queue {
    tasks: Arc<Mutex<HashMap<String, Task>>>,
    tracker: TaskTracker,
}

#[derive(Debug)]
struct Task {
    namespace: String,
    stop: CancellationToken,
    /// When it was asked for last.
    renewed: Instant,
}

/// A task was not taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The same is pending or running.
    Running,
    /// The namespace has as many as it may.
    TooMany,
}

impl Queue {
    /// Starts a task soon, unless the same one is there already. It gets a token that tells it to stop.
    pub(crate) fn add<F>(
        &self,
        identity: String,
        namespace: &str,
        most: usize,
        task: impl FnOnce(CancellationToken) -> F,
    ) -> Result<(), Refused>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let place = self.enter(identity, namespace, most)?;
        let task = task(place.stop.clone());
        self.spawn(async move {
            if place.stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_some() {
                task.await;
            }
        });
        Ok(())
    }

    /// Works on something that has a place already.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn(work);
    }

    /// Tells those to stop whose identity begins like that of `identity` and is another.
    pub(crate) fn stop_others(&self, beginning: &str, identity: &str) {
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, task) in tasks.iter().filter(|(known, _)| known.starts_with(beginning) && *known != identity)
        {
            task.stop.cancel();
        }
    }

    /// Takes a place among the tasks until the answer goes out of scope.
    pub(crate) fn enter(&self, identity: String, namespace: &str, most: usize) -> Result<Place, Refused> {
        let stop = CancellationToken::new();
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = tasks.get_mut(&identity) {
            task.renewed = Instant::now();
            return Err(Refused::Running);
        }
        if tasks.values().filter(|task| task.namespace == namespace).count() >= most {
            return Err(Refused::TooMany);
        }
        let namespace = namespace.to_owned();
        tasks.insert(identity.clone(), Task { namespace, stop: stop.clone(), renewed: Instant::now() });
        Ok(Place { queue: self.clone(), identity, stop })
    }

    /// How long ago a task was asked for last.
    pub(crate) fn since_renewal(&self, identity: &str) -> Option<Duration> {
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.get(identity).map(|task| task.renewed.elapsed())
    }

    /// How many there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Tells all tasks to stop.
    pub(crate) fn stop_all(&self) {
        for task in self.tasks.lock().unwrap_or_else(PoisonError::into_inner).values() {
            task.stop.cancel();
        }
    }
}

/// The place of a task, which is free again when this goes out of scope, also when the task panics.
#[derive(Debug)]
pub(crate) struct Place {
    queue: Queue,
    identity: String,
    /// Tells the task to stop.
    pub(crate) stop: CancellationToken,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.queue.tasks.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.identity);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn until_stopped(stop: CancellationToken) {
        stop.cancelled().await;
    }

    #[tokio::test]
    async fn the_same_task_does_not_run_twice_at_a_time() {
        let queue = Queue::default();
        let add = |identity: &str| queue.add(identity.to_owned(), "test", 2, until_stopped);
        assert_eq!(add("a"), Ok(()));
        assert_eq!(add("a"), Err(Refused::Running));
        assert_eq!(add("b"), Ok(()));
        assert_eq!(add("c"), Err(Refused::TooMany));
        assert_eq!(queue.add("c".to_owned(), "other", 2, until_stopped), Ok(()));
        queue.stop_all();
        queue.tracker.close();
        queue.tracker.wait().await;
        assert_eq!(queue.len(), 0);
        assert_eq!(add("a"), Ok(()));
    }
}
