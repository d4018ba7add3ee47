//! Where a rollout stands. Names and order are those of the Canary's `status.phase`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The position of a canary in its life.
///
/// ```
/// use canary_core::Phase;
/// assert_eq!(Phase::WaitingPromotion.to_string(), "WaitingPromotion");
/// assert_eq!("Failed".parse::<Phase>().unwrap(), Phase::Failed);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Phase {
    /// Nothing was written yet.
    #[default]
    #[serde(rename = "")]
    Unset,
    /// Accepted; the primary is being created.
    Initializing,
    /// Primary, Services and routes exist; nothing was rolled out yet.
    Initialized,
    /// A new revision was seen and a confirm-rollout gate is closed.
    Waiting,
    /// The new revision is up and being analysed.
    Progressing,
    /// The analysis is complete and a confirm-promotion gate is closed.
    WaitingPromotion,
    /// The primary has the new template and is rolling; traffic moves back when it is ready.
    Promoting,
    /// All traffic is on the primary; the target is about to be scaled down.
    Finalising,
    /// Promoted, and the target is at zero.
    Succeeded,
    /// Rolled back, or a promotion whose primary never became ready.
    Failed,
    /// The Canary is being deleted and changes are reverted.
    Terminating,
    /// Declared by Flagger's schema and never written.
    Terminated,
}

impl Phase {
    /// Every phase, in the order of a life.
    pub const ALL: [Phase; 12] = [
        Self::Unset,
        Self::Initializing,
        Self::Initialized,
        Self::Waiting,
        Self::Progressing,
        Self::WaitingPromotion,
        Self::Promoting,
        Self::Finalising,
        Self::Succeeded,
        Self::Failed,
        Self::Terminating,
        Self::Terminated,
    ];

    /// The name as it stands in `status.phase`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unset => "",
            Self::Initializing => "Initializing",
            Self::Initialized => "Initialized",
            Self::Waiting => "Waiting",
            Self::Progressing => "Progressing",
            Self::WaitingPromotion => "WaitingPromotion",
            Self::Promoting => "Promoting",
            Self::Finalising => "Finalising",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Terminating => "Terminating",
            Self::Terminated => "Terminated",
        }
    }

    /// Whether nothing is under way: only a new revision wakes the canary.
    pub fn is_at_rest(self) -> bool {
        match self {
            Self::Initialized | Self::Succeeded | Self::Failed | Self::Terminated => true,
            Self::Unset
            | Self::Initializing
            | Self::Waiting
            | Self::Progressing
            | Self::WaitingPromotion
            | Self::Promoting
            | Self::Finalising
            | Self::Terminating => false,
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no phase.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a phase of a canary")]
pub struct UnknownPhase(pub String);

impl std::str::FromStr for Phase {
    type Err = UnknownPhase;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|p| p.as_str() == text).ok_or_else(|| UnknownPhase(text.to_owned()))
    }
}
