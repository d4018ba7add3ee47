//! What survives a restart: the fields of the Canary's status.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{Phase, Plan};

/// Where a rollout stands. One value, written whole.
///
/// ```
/// use canary_core::{Phase, Status};
/// let status = Status::default();
/// assert_eq!((status.phase, status.weight), (Phase::Unset, 0));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Status {
    /// Position.
    pub phase: Phase,
    /// Failed checks of the running analysis.
    pub failed_checks: i32,
    /// Last weight written by a step; not the truth about the mesh.
    pub weight: i32,
    /// Iterations done; `analysis.iterations - 1` while waiting for the promotion, hence -1 for weighted canaries.
    pub iterations: i32,
    /// Configuration that was last applied; `None` when it is not tracked.
    pub tracked_configs: Option<BTreeMap<String, String>>,
    /// Revision of the last rollout, successful or not; empty before the first.
    pub last_applied: String,
    /// Revision that the primary was last promoted to; empty before the first.
    pub last_promoted: String,
    /// Time of the last write of this status.
    pub last_transition: Option<Timestamp>,
    /// The canary's session cookie, `name=value`.
    pub cookie: Option<String>,
    /// The primary's session cookie, `name=value`.
    pub primary_cookie: Option<String>,
    /// The session cookie of the run before, `name=value`.
    pub previous_cookie: Option<String>,
    /// The condition `Promoted`.
    pub condition: Option<Condition>,
}

/// The condition `Promoted` of a Canary. Its reason is the name of the phase.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Condition {
    /// `True`, `False` or `Unknown`.
    pub status: &'static str,
    /// Name of the phase.
    pub reason: String,
    /// A sentence.
    pub message: String,
    /// When it was last written.
    pub last_update: Timestamp,
    /// When its status last changed.
    pub last_transition: Timestamp,
}

impl Condition {
    /// A condition as read from an object; a status that is not `True` or `False` reads as `Unknown`.
    pub fn new(
        status: &str,
        reason: impl Into<String>,
        message: impl Into<String>,
        at: (Timestamp, Timestamp),
    ) -> Self {
        let status = match status {
            "True" => "True",
            "False" => "False",
            _ => "Unknown",
        };
        Self {
            status,
            reason: reason.into(),
            message: message.into(),
            last_update: at.0,
            last_transition: at.1,
        }
    }
}

impl Status {
    /// Equal but for the times: writing one over the other would tell nobody anything.
    pub fn same_but_for_times(&self, other: &Self) -> bool {
        let timeless = |s: &Self| {
            let mut s = s.clone();
            s.last_transition = None;
            if let Some(c) = &mut s.condition {
                c.last_update = Timestamp::UNIX_EPOCH;
                c.last_transition = Timestamp::UNIX_EPOCH;
            }
            s
        };
        timeless(self) == timeless(other)
    }

    /// Moves to `phase`, with Flagger's side effects on the counters.
    ///
    /// Weight and iterations are zeroed except on the way to Progressing, Waiting and Promoting; WaitingPromotion leaves
    /// `iterations - 1`, so that one more check is made before the gate is asked again; Initialized and Succeeded make the
    /// applied revision the promoted one.
    #[must_use]
    pub(crate) fn into_phase(mut self, plan: &Plan, phase: Phase, now: Timestamp) -> Self {
        match phase {
            Phase::Progressing | Phase::Waiting | Phase::Promoting => {}
            Phase::WaitingPromotion => {
                self.weight = 0;
                self.iterations = plan.iterations() - 1;
            }
            Phase::Unset
            | Phase::Initializing
            | Phase::Initialized
            | Phase::Finalising
            | Phase::Succeeded
            | Phase::Failed
            | Phase::Terminating
            | Phase::Terminated => {
                self.weight = 0;
                self.iterations = 0;
            }
        }
        if matches!(phase, Phase::Initialized | Phase::Succeeded) {
            self.last_promoted.clone_from(&self.last_applied);
        }
        self.phase = phase;
        self.touched(plan, now)
    }

    /// Stamps the time and brings the condition in line with the phase.
    #[must_use]
    pub(crate) fn touched(mut self, plan: &Plan, now: Timestamp) -> Self {
        let now = Timestamp::from_second(now.as_second()).unwrap_or(now); // the API keeps whole seconds
        self.last_transition = Some(now);
        let (status, message) = crate::wording::condition(plan, self.phase);
        let before = self.condition.take();
        self.condition = Some(match before {
            Some(c) if c.status == status && c.reason == self.phase.as_str() => c,
            before => Condition {
                status,
                reason: self.phase.to_string(),
                message,
                last_update: now,
                last_transition: before.filter(|c| c.status == status).map_or(now, |c| c.last_transition),
            },
        });
        self
    }
}
