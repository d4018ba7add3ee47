//! Shares of traffic. Always percentages of 100.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A percentage, 0 to 100.
///
/// ```
/// use canary_core::Weight;
/// assert_eq!(Weight::new(60).unwrap().plus(50), Weight::ALL);
/// assert_eq!(Weight::new(10).unwrap().minus(50), Weight::ZERO);
/// assert!(Weight::new(101).is_none());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Weight(u8);

impl Weight {
    /// No traffic.
    pub const ZERO: Self = Self(0);
    /// All traffic.
    pub const ALL: Self = Self(100);

    /// A percentage, or nothing when it is outside 0 to 100.
    pub fn new(percent: i64) -> Option<Self> {
        u8::try_from(percent).ok().filter(|p| *p <= 100).map(Self)
    }

    /// The nearest percentage within 0 to 100.
    pub fn clamped(percent: i64) -> Self {
        Self(u8::try_from(percent.clamp(0, 100)).unwrap_or(100))
    }

    /// The number.
    pub fn percent(self) -> u8 {
        self.0
    }

    /// More by `step` percentage points, 100 at most.
    #[must_use]
    pub fn plus(self, step: u8) -> Self {
        Self(self.0.saturating_add(step).min(100))
    }

    /// Less by `step` percentage points, 0 at least.
    #[must_use]
    pub fn minus(self, step: u8) -> Self {
        Self(self.0.saturating_sub(step))
    }

    /// What is missing to 100.
    #[must_use]
    pub fn rest(self) -> Self {
        Self(100 - self.0)
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A number that is no percentage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a percentage between 0 and 100")]
pub struct NotAPercentage(pub i64);

impl TryFrom<i64> for Weight {
    type Error = NotAPercentage;

    fn try_from(percent: i64) -> Result<Self, Self::Error> {
        Self::new(percent).ok_or(NotAPercentage(percent))
    }
}

impl From<Weight> for i64 {
    fn from(weight: Weight) -> Self {
        Self::from(weight.0)
    }
}

/// How traffic is split between primary and canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Weights {
    /// Share of the primary.
    pub primary: Weight,
    /// Share of the canary.
    pub canary: Weight,
    /// Whether requests to the primary are also copied to the canary, whose answers nobody sees.
    pub mirror: bool,
}

impl Weights {
    /// All traffic on the primary, nothing mirrored.
    pub const PRIMARY: Self = Self { primary: Weight::ALL, canary: Weight::ZERO, mirror: false };
    /// All traffic on the canary, nothing mirrored.
    pub const CANARY: Self = Self { primary: Weight::ZERO, canary: Weight::ALL, mirror: false };

    /// That share on the canary and the rest on the primary.
    pub fn canary(canary: Weight) -> Self {
        Self { primary: canary.rest(), canary, mirror: false }
    }

    /// All traffic on the primary, and a copy of it to the canary.
    pub const MIRROR: Self = Self { primary: Weight::ALL, canary: Weight::ZERO, mirror: true };
}

impl fmt::Display for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "primary {} canary {}{}",
            self.primary,
            self.canary,
            if self.mirror { " mirrored" } else { "" }
        )
    }
}
