//! A line on the terminal that says how far a long simulation is. Short ones show nothing.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Nobody needs to be told of what takes no longer.
const PATIENCE: Duration = Duration::from_millis(700);
const REFRESH: Duration = Duration::from_millis(200);

/// The line; it goes away with this value.
pub(crate) struct Progress {
    simulated: Arc<AtomicI64>,
    /// Dropping it ends the thread.
    running: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Begins to count. Without a terminal nothing is ever shown.
    pub(crate) fn start() -> Self {
        let simulated = Arc::new(AtomicI64::new(0));
        if !std::io::stderr().is_terminal() {
            return Self { simulated, running: None, thread: None };
        }
        let (running, ended) = channel::<()>();
        let seconds = simulated.clone();
        let thread = std::thread::spawn(move || {
            let (mut wait, mut shown) = (PATIENCE, false);
            while ended.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                let minutes = seconds.load(Ordering::Relaxed) / 60;
                let _ = write!(std::io::stderr(), "\rsimulated {} h {:02} min ", minutes / 60, minutes % 60);
                (wait, shown) = (REFRESH, true);
            }
            if shown {
                let _ = write!(std::io::stderr(), "\r{:30}\r", "");
            }
        });
        Self { simulated, running: Some(running), thread: Some(thread) }
    }

    /// So many seconds are simulated.
    pub(crate) fn reached(&self, seconds: i64) {
        self.simulated.store(seconds, Ordering::Relaxed);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.running = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
