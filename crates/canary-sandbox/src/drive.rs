//! Moving a sandbox along with tokio's clock, which may be paused.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::Sandbox;

/// Lets the cluster's time run as tokio's does, from `base` on, for as long as the future is polled.
///
/// With tokio's clock paused, which needs a current-thread runtime, minutes of the cluster pass as fast as the tasks around
/// it can work.
///
/// ```
/// # use canary_sandbox::{Sandbox, drive};
/// # use std::time::Duration;
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
/// # runtime.block_on(async {
/// let base = "2026-01-01T00:00:00Z".parse().unwrap();
/// let sandbox = Sandbox::new(base);
/// tokio::select! {
///     _ = drive(sandbox.clone(), base) => {}
///     () = tokio::time::sleep(Duration::from_secs(3600)) => {}
/// }
/// # });
/// ```
pub async fn drive(sandbox: Sandbox, base: Timestamp) -> std::convert::Infallible {
    let start = Instant::now();
    let clock = move || {
        let passed = SignedDuration::try_from(start.elapsed()).unwrap_or(SignedDuration::MAX);
        base.checked_add(passed).unwrap_or(Timestamp::MAX)
    };
    sandbox.follow_clock(clock);
    loop {
        let stirred = sandbox.stirred_from_now();
        sandbox.advance(clock());
        match sandbox.next_due() {
            None => stirred.await,
            Some(due) => {
                let wait = Duration::try_from(due.duration_since(clock())).unwrap_or_default();
                tokio::select! {
                    biased;
                    () = stirred => {}
                    () = tokio::time::sleep(wait) => {}
                }
            }
        }
    }
}
