//! When a tick is due. A call is not a tick: watches and restarts call at any time.

use std::time::Duration;

use jiff::Timestamp;

use crate::change::{Change, primary_is_unsettled};
use crate::rollback::is_stranded;
use crate::{Observed, Phase, Plan, Status, steering};

/// A change at rest is acted on after this much quiet, because one apply is several writes.
const SETTLE: Duration = Duration::from_secs(1);

/// When the next tick is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Now.
    Now,
    /// Later.
    At(Timestamp),
    /// Not before something changes.
    Never,
}

/// `time + span`, or the end of time.
pub(crate) fn later(time: Timestamp, span: Duration) -> Timestamp {
    time.checked_add(span).unwrap_or(Timestamp::MAX)
}

/// The next tick is one interval after the last one; at rest only a change makes one due.
///
/// A time that is still to come was noted before the clock was put back, or by a clock that is ahead, and says nothing.
pub(crate) fn due(plan: &Plan, status: &Status, seen: &Observed, change: &Change, now: Timestamp) -> Due {
    let past = |time: &Timestamp| *time <= now;
    let (last_tick, changed_at) = (seen.last_tick.filter(past), seen.changed_at.filter(past));
    let at = match status.phase {
        Phase::Unset => return Due::Now,
        // The first tick after the canary was accepted waits for nothing.
        Phase::Initializing => last_tick.map(|t| later(t, plan.interval)),
        Phase::Initialized | Phase::Succeeded | Phase::Failed => {
            if matches!(change, Change::None) {
                return match retry(plan, status, seen, now) {
                    Due::Never => watch_over(plan, status, seen, now),
                    due @ (Due::Now | Due::At(_)) => due,
                };
            }
            match (changed_at, last_tick) {
                // A tick saw the change already and could not act on it.
                (Some(changed), Some(tick)) if tick >= later(changed, SETTLE) => {
                    Some(later(tick, plan.interval))
                }
                (Some(changed), _) => Some(later(changed, SETTLE)),
                (None, tick) => tick.map(|t| later(t, plan.interval)),
            }
        }
        Phase::Waiting | Phase::Progressing | Phase::WaitingPromotion
            if steering::is_urgent(plan, status, seen) =>
        {
            return Due::Now;
        }
        Phase::Waiting
        | Phase::Progressing
        | Phase::WaitingPromotion
        | Phase::Promoting
        | Phase::Finalising => {
            last_tick.max(status.last_transition.filter(past)).map(|t| later(t, plan.interval))
        }
        Phase::Terminating | Phase::Terminated => return Due::Never,
    };
    since(at, now)
}

/// At rest, without a change: only for a failed revision that a person wants to see again.
fn retry(plan: &Plan, status: &Status, seen: &Observed, now: Timestamp) -> Due {
    let Some(order) = steering::retry_order(status, seen) else { return Due::Never };
    // A tick saw the order already and could not act on it.
    let tick = seen.last_tick.filter(|tick| (order.order.at..=now).contains(tick));
    since(tick.map(|t| later(t, plan.interval)), now)
}

fn since(at: Option<Timestamp>, now: Timestamp) -> Due {
    match at {
        Some(at) if at > now => Due::At(at),
        Some(_) | None => Due::Now,
    }
}

/// At rest nothing is due, unless the canary is sent what it cannot serve. Where a failed promotion left the traffic on
/// it, that is looked at again and again.
fn watch_over(plan: &Plan, status: &Status, seen: &Observed, now: Timestamp) -> Due {
    if is_stranded(plan, seen) {
        Due::Now
    } else if primary_is_unsettled(status) {
        Due::At(later(now, plan.interval))
    } else {
        Due::Never
    }
}
