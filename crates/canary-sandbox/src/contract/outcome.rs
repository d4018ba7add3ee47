//! What came of holding a router to rules.

use std::fmt;

/// A rule and what was seen instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the router breaks the rule {rule}: {seen}")]
pub struct Violation {
    /// Name of the rule.
    pub rule: &'static str,
    /// What was seen.
    pub seen: String,
}

/// What came of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The router keeps it.
    Held,
    /// It does not concern this router; the text says why.
    NotConcerned(&'static str),
    /// The router breaks it.
    Broken(Violation),
}

/// What came of all rules, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Rule and outcome.
    pub outcomes: Vec<(&'static str, Outcome)>,
}

impl Report {
    /// The rules that are broken.
    pub fn violations(&self) -> impl Iterator<Item = &Violation> {
        self.outcomes.iter().filter_map(|(_, outcome)| match outcome {
            Outcome::Broken(violation) => Some(violation),
            Outcome::Held | Outcome::NotConcerned(_) => None,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (rule, outcome) in &self.outcomes {
            match outcome {
                Outcome::Held => writeln!(f, "held     {rule}")?,
                Outcome::NotConcerned(why) => writeln!(f, "skipped  {rule}: {why}")?,
                Outcome::Broken(violation) => writeln!(f, "BROKEN   {rule}: {}", violation.seen)?,
            }
        }
        Ok(())
    }
}

/// Why a rule was left before its end.
#[derive(Debug)]
pub(super) enum Stop {
    NotConcerned(&'static str),
    Broken(String),
}

impl Stop {
    /// Something failed that has nothing to do with the router.
    pub(super) fn broken(text: impl Into<String>) -> Self {
        Self::Broken(text.into())
    }
}

/// The course of one rule.
pub(super) type Course = Result<(), Stop>;

/// Fails with what was seen, unless it is as it ought to be.
pub(super) fn ensure(holds: bool, seen: impl FnOnce() -> String) -> Course {
    if holds { Ok(()) } else { Err(Stop::Broken(seen())) }
}
