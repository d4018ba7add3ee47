//! A closed loop under a ceiling: workers send when they have their answer, and together not more often than allowed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use canary_load::{Answer, ErrorClass, Next, Prepared, Script, Sending, Visit};

/// The same request again and again, not before its turn.
pub(crate) struct Bounded {
    request: Arc<Prepared>,
    turns: Arc<Turns>,
}

impl Bounded {
    /// At most `rate` requests a second, for so long; to the first target of the plan.
    pub(crate) fn new(request: Prepared, rate: f64, duration: Duration) -> Self {
        // A rate of next to nothing is a turn that does not come.
        let spacing =
            Duration::try_from_secs_f64(1.0 / rate).map_or(duration, |spacing| spacing.min(duration));
        let turns = Turns { spacing, duration, next: Mutex::default() };
        Self { request: Arc::new(request), turns: Arc::new(turns) }
    }
}

impl Script for Bounded {
    fn steps(&self) -> Vec<String> {
        vec![format!("{} {}", self.request.method(), self.request.path())]
    }

    fn visit(&self) -> Box<dyn Visit> {
        Box::new(One { request: self.request.clone(), turns: self.turns.clone(), stage: Stage::Begun })
    }
}

/// The times at which requests may begin, for all threads.
#[derive(Debug)]
struct Turns {
    spacing: Duration,
    duration: Duration,
    /// When the first one was, and when the next one is.
    next: Mutex<Option<(Instant, Instant)>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Turn {
    /// After that time.
    After(Duration),
    /// Not any more; it is over after that time.
    Never(Duration),
}

impl Turns {
    fn take(&self, now: Instant) -> Turn {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, free) = next.unwrap_or((now, now));
        // What was not used is not made up for.
        let turn = free.max(now);
        let end = first + self.duration;
        if turn >= end {
            return Turn::Never(end.saturating_duration_since(now));
        }
        *next = Some((first, turn + self.spacing));
        Turn::After(turn - now)
    }
}

/// One request and its answer.
struct One {
    request: Arc<Prepared>,
    turns: Arc<Turns>,
    stage: Stage,
}

#[derive(Clone, Copy)]
enum Stage {
    Begun,
    /// Its turn is coming.
    Waiting,
    Ready,
    Over,
}

impl One {
    fn send(&mut self) -> Next {
        self.stage = Stage::Over;
        Next::Send(Box::new(Sending { step: 0, target: 0, request: self.request.clone() }))
    }
}

impl Visit for One {
    fn next(&mut self) -> Next {
        match self.stage {
            Stage::Begun => match self.turns.take(Instant::now()) {
                Turn::After(Duration::ZERO) => self.send(),
                Turn::After(wait) => {
                    self.stage = Stage::Waiting;
                    Next::Pause(wait)
                }
                Turn::Never(rest) => {
                    self.stage = Stage::Over;
                    Next::Pause(rest)
                }
            },
            // Its intended start is now: in a closed loop a turn is no promise to anybody.
            Stage::Waiting => {
                self.stage = Stage::Ready;
                Next::After(Box::pin(std::future::ready(())))
            }
            Stage::Ready => self.send(),
            Stage::Over => Next::End { skipped: Vec::new() },
        }
    }

    fn seen(&mut self, outcome: Result<&Answer, ErrorClass>) -> Result<(), ErrorClass> {
        if outcome?.status.as_u16() >= 400 { Err(ErrorClass::Status) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_keep_their_distance_however_often_they_are_asked_for() {
        let turns = Turns {
            spacing: Duration::from_millis(10),
            duration: Duration::from_secs(1),
            next: Mutex::default(),
        };
        let (begin, ms) = (Instant::now(), Duration::from_millis);
        assert_eq!(turns.take(begin), Turn::After(ms(0)));
        assert_eq!(turns.take(begin), Turn::After(ms(10)));
        assert_eq!(turns.take(begin + ms(5)), Turn::After(ms(15)));
        assert_eq!(turns.take(begin + ms(500)), Turn::After(ms(0)), "what was not used is gone");
        assert_eq!(turns.take(begin + ms(500)), Turn::After(ms(10)));
        for turn in 2..50 {
            assert_eq!(turns.take(begin + ms(500)), Turn::After(ms(10 * turn)));
        }
        assert_eq!(turns.take(begin + ms(500)), Turn::Never(ms(500)), "it ends after a second");
    }
}
