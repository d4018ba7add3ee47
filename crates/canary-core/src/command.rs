//! What people tell a rollout to do, as values. What comes of it is decided in `steering`.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A word of a person's to a rollout.
///
/// ```
/// use canary_core::{Command, Verb};
/// let command = Command::parse(r#"{"id": "1", "command": "abort", "by": "jane", "reason": "500s"}"#).unwrap();
/// assert_eq!((command.verb, command.by.as_str()), (Verb::Abort, "jane"));
/// let wrong = Command::parse(r#"{"id": "2", "command": "explode"}"#).unwrap_err();
/// assert!(wrong.text.contains("abort"), "it names what there is: {}", wrong.text);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Command {
    /// Tells it from every other one: what has the id of a command that was carried out is not carried out again.
    pub id: String,
    /// What to do.
    #[serde(rename = "command")]
    pub verb: Verb,
    /// Name of the gate to open or close.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<String>,
    /// Who says so.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// When it was said. What is older than an hour is refused; without a time nothing is too old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// What a person wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Promote once the checks pass, without the remaining steps and gates.
    Promote,
    /// Promote without any further check.
    PromoteFull,
    /// Roll back now.
    Abort,
    /// Move nothing until told to go on.
    Pause,
    /// Go on.
    Resume,
    /// Roll the failed revision out again.
    Retry,
    /// Open a gate.
    Approve,
    /// Close a gate.
    Deny,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Verb; 8] = [
        Self::Promote,
        Self::PromoteFull,
        Self::Abort,
        Self::Pause,
        Self::Resume,
        Self::Retry,
        Self::Approve,
        Self::Deny,
    ];

    /// The name in the command.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Promote => "promote",
            Self::PromoteFull => "promote-full",
            Self::Abort => "abort",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Retry => "retry",
            Self::Approve => "approve",
            Self::Deny => "deny",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no command. It is refused once, like a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Unreadable {
    /// Stands for the text.
    pub id: String,
    /// What is wrong with it.
    pub text: String,
}

impl Command {
    /// A command without author and reason.
    pub fn new(id: impl Into<String>, verb: Verb) -> Self {
        Self { id: id.into(), verb, gate: None, by: String::new(), reason: String::new(), at: None }
    }

    /// Reads a command from JSON.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, Unreadable> {
        let unreadable =
            |problem: String| Unreadable { id: format!("text-{:016x}", checksum(text)), text: problem };
        let command: Self = serde_json::from_str(text)
            .map_err(|error| unreadable(format!("it is not a command in JSON: {error}")))?;
        if command.id.is_empty() || command.id.len() > 64 {
            return Err(unreadable("id must have 1 to 64 characters".into()));
        }
        Ok(command)
    }

    /// The command and its gate, as events name it.
    pub(crate) fn label(&self) -> String {
        match &self.gate {
            Some(gate) => format!("{} {gate}", self.verb),
            None => self.verb.to_string(),
        }
    }
}

/// FNV-1a: the same text has the same name in every process.
fn checksum(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_is_written_as_it_is_named() {
        for verb in Verb::ALL {
            assert_eq!(serde_json::to_value(verb).unwrap(), verb.as_str());
            let text = format!(r#"{{"id": "1", "command": "{verb}"}}"#);
            assert_eq!(Command::parse(&text).unwrap(), Command::new("1", verb));
        }
    }

    #[test]
    fn a_text_that_is_no_command_has_a_name_of_its_own() {
        let (one, other) = (Command::parse("abort").unwrap_err(), Command::parse("stop").unwrap_err());
        assert_ne!(one.id, other.id);
        assert_eq!(one, Command::parse("abort").unwrap_err());
        let misspelt = Command::parse(r#"{"id": "1", "command": "abort", "resaon": "x"}"#).unwrap_err();
        assert!(misspelt.text.contains("resaon"), "{misspelt}");
    }
}
