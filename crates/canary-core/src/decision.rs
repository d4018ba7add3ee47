//! What is to be done, in which order, and when to look again.

use jiff::Timestamp;

use crate::notice::Notice;
use crate::plan::HookId;
use crate::plugin::Scale;
use crate::question::Question;
use crate::{Phase, Status, Steering, Weights};

/// What [`next`](crate::next) says.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Find this out and call again with one more answer.
    Ask(Question),
    /// Nothing more to ask.
    Done(Box<Decision>),
}

/// What one call leads to. The order of the fields is the order of work.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// Performed in order. Each is a wish ("canary gets 30"), never a delta ("10 more"). One that fails stops the tick:
    /// nothing after it is done, and nothing is committed.
    pub effects: Vec<Effect>,
    /// At most one write of the status, after all effects.
    pub commit: Commit,
    /// In order, after the commit.
    pub then: Vec<Then>,
    /// When to come back without being called.
    pub wake: Wake,
    /// This call was a tick; the caller remembers when.
    pub tick: bool,
    /// The tick analysed the canary, or would have; its duration is worth recording.
    pub analysed: bool,
}

/// Something to make true. Performing it twice changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// The Services of canary and primary exist and select their pods.
    EnsureServices,
    /// The primary exists; a missing one is made from the target.
    EnsurePrimary,
    /// The primary's autoscaler exists; an existing one stays as it is.
    EnsureAutoscaler,
    /// The primary's autoscaler equals the target's.
    UpdateAutoscaler,
    /// The target's autoscaler rests, or is at work.
    TargetAutoscaler(AutoscalerState),
    /// The Service that clients use exists and selects the primary.
    EnsureApex,
    /// The routing objects exist and match the plan; weights that they have stay.
    EnsureRoutes,
    /// Traffic is split so.
    Route(Weights),
    /// The primary has the target's template of that revision.
    PromoteTemplate(String),
    /// The target is down, or up.
    ScaleTarget(Scale),
    /// The canary's deletion waits for us, or no longer does.
    KeepFinalizer(bool),
    /// These are the orders that stand, and the commands that were taken.
    Steer(Box<Steering>),
    /// The Service that clients use selects the target again, unless it goes with the canary.
    RevertApex,
    /// The routing objects are as they were found.
    RevertRoutes,
}

/// What the target's autoscaler is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AutoscalerState {
    /// Leave the target alone.
    Paused,
    /// Scale the target.
    Running,
}

/// The one write of a call.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Commit {
    /// None.
    #[default]
    Nothing,
    /// This status, conditional on the version that was read; skipped when equal but for the times.
    Status(Box<Status>),
    /// The finalizer is taken off the canary.
    ReleaseFinalizer,
}

/// Something that follows the commit.
#[derive(Clone, Debug, PartialEq)]
pub enum Then {
    /// Tell people.
    Announce(Notice),
    /// Call that hook, showing it that phase; after one that fails, the calls that follow are left out. What came of it
    /// is worth the notices of [`called`](crate::called).
    Call {
        /// Which hook.
        id: HookId,
        /// The phase in its payload.
        phase: Phase,
        /// The phase that the notices of its answer show.
        told_as: Phase,
    },
}

/// When the next call is due if nothing happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wake {
    /// At that time.
    At(Timestamp),
    /// At once, after the commit.
    Now,
    /// When something changes.
    #[default]
    OnChange,
}
