//! Waiting until a moment, more exactly than the runtime does, where the system can.

use std::time::Instant;

/// Lets the whole thread sleep until that moment; what happens meanwhile has to wait.
#[expect(clippy::disallowed_methods, reason = "that the runtime waits too is what saves waking up")]
pub(crate) fn doze(until: Instant) {
    let left = until.saturating_duration_since(Instant::now());
    if !left.is_zero() {
        std::thread::sleep(left);
    }
}

#[cfg(target_os = "linux")]
pub(crate) use linux::Timer;
#[cfg(not(target_os = "linux"))]
pub(crate) use runtime::Timer;

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::os::fd::OwnedFd;
    use std::time::Duration;

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::unix::AsyncFd;

    use super::Instant;

    /// A timer of the kernel, whose resolution is nanoseconds. It does not spin.
    pub(crate) struct Timer(AsyncFd<OwnedFd>);

    impl Timer {
        pub(crate) const NAME: &'static str = "timerfd";

        #[expect(deprecated, reason = "its replacement is unsafe; an OwnedFd keeps what that asks for")]
        pub(crate) fn new() -> io::Result<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            // Else the system may let a thread that sleeps sleep 50 microseconds longer. A refusal costs only that.
            let _ = nix::sys::prctl::set_timerslack(1);
            Ok(Self(AsyncFd::new(timerfd_create(TimerfdClockId::Monotonic, flags)?)?))
        }

        /// Waits until that moment; may be dropped and called again.
        pub(crate) async fn until(&self, moment: Instant) {
            let left = moment.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1));
            let value = Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(left.subsec_nanos()),
            };
            let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
            let spec = Itimerspec { it_interval: zero, it_value: value };
            // Setting it takes back an expiry that nobody waited for, so that nothing has to be read.
            let set = timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &spec);
            if set.is_err() {
                return tokio::time::sleep_until(moment.into()).await;
            }
            loop {
                match self.0.readable().await {
                    Ok(mut ready) => {
                        ready.clear_ready();
                        if Instant::now() >= moment {
                            return;
                        }
                    }
                    Err(_) => return tokio::time::sleep_until(moment.into()).await,
                }
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod runtime {
    use std::io;

    use super::Instant;

    /// The runtime's timer: steps of 1 ms.
    pub(crate) struct Timer;

    impl Timer {
        pub(crate) const NAME: &'static str = "runtime, 1 ms";

        #[expect(clippy::unnecessary_wraps, reason = "the kernel's timer may be refused")]
        pub(crate) fn new() -> io::Result<Self> {
            Ok(Self)
        }

        pub(crate) async fn until(&self, moment: Instant) {
            tokio::time::sleep_until(moment.into()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn it_wakes_at_the_moment_and_not_before_also_when_given_up_in_between() {
        let timer = Timer::new().unwrap();
        for micros in [0, 50, 700, 3000] {
            let moment = Instant::now() + Duration::from_micros(micros);
            timer.until(moment).await;
            assert!(Instant::now() >= moment);
            // Given up: its expiry must not end the next wait.
            let early = timer.until(Instant::now() + Duration::from_micros(200));
            let _ = tokio::time::timeout(Duration::from_millis(1), async {
                tokio::select! { biased; () = early => {}, () = std::future::ready(()) => {} }
            })
            .await;
        }
    }
}
