//! Where the controller takes the time of day from.
//!
//! Not for waiting: delays are tokio's, so that a paused runtime moves them.

use jiff::Timestamp;

/// Tells the time of day. Everything that the controller writes or compares comes from here, so a simulation can run
/// through days in milliseconds.
///
/// ```
/// use canary_controller::Clock;
/// use jiff::Timestamp;
///
/// /// A clock that stands still.
/// struct Stopped(Timestamp);
///
/// impl Clock for Stopped {
///     fn now(&self) -> Timestamp {
///         self.0
///     }
/// }
/// assert_eq!(Stopped(Timestamp::UNIX_EPOCH).now(), Timestamp::UNIX_EPOCH);
/// ```
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

const _: Option<&dyn Clock> = None; // stays object-safe

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that starts at a chosen moment and runs with tokio's: while the runtime's time is paused it moves only as the
/// runtime jumps from timer to timer.
#[derive(Clone, Copy, Debug)]
pub struct RuntimeClock {
    base: Timestamp,
    started: tokio::time::Instant,
}

impl RuntimeClock {
    /// A clock that reads `base` now. Call it within the runtime whose time it follows.
    pub fn starting_at(base: Timestamp) -> Self {
        Self { base, started: tokio::time::Instant::now() }
    }
}

impl Clock for RuntimeClock {
    fn now(&self) -> Timestamp {
        self.base.checked_add(self.started.elapsed()).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_runtime_clock_moves_with_the_paused_runtime() {
        let clock = RuntimeClock::starting_at(Timestamp::UNIX_EPOCH);
        assert_eq!(clock.now(), Timestamp::UNIX_EPOCH);
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(clock.now().as_second(), 3600);
    }
}
