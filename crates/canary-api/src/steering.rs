//! The annotations of a Canary through which people steer its rollout, and in which the controller keeps its own notes.
//!
//! They are annotations because a cluster may have Flagger's definition of Canaries, which prunes every other field, and
//! because tools that apply files leave alone what is not in their files.

use canary_core::{Command, Steering, Timestamp, Unreadable};
use kube::api::ObjectMeta;
use serde::{Deserialize, Serialize};

/// The latest command of a person's, as JSON of a [`Command`].
pub const COMMAND_ANNOTATION: &str = "canaryd/command";
/// The orders that stand and the commands that were taken, as JSON of a [`Steering`]. Written by the controller alone.
pub const STEERING_ANNOTATION: &str = "canaryd/steering";
/// The last rollouts, as JSON of a list of [`PastRollout`], the latest first. Written by the controller alone.
pub const HISTORY_ANNOTATION: &str = "canaryd/history";

/// How many rollouts are remembered.
const REMEMBERED: usize = 10;

/// A rollout that is over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct PastRollout {
    /// Identifies the template.
    pub revision: String,
    /// Images of its containers, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// When it began, as far as the status tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// When it was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// `Succeeded` or `Failed`.
    pub outcome: String,
    /// Why it failed, or in what way it succeeded.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

impl PastRollout {
    /// A rollout of `revision` that ended as `outcome`.
    pub fn new(revision: impl Into<String>, outcome: impl Into<String>) -> Self {
        Self { revision: revision.into(), outcome: outcome.into(), ..Self::default() }
    }
}

/// The latest command, if there is one.
pub fn command(metadata: &ObjectMeta) -> Option<Result<Command, Unreadable>> {
    annotation(metadata, COMMAND_ANNOTATION).filter(|text| !text.is_empty()).map(Command::parse)
}

/// The orders that stand. What is not readable counts as none: nobody but the controller writes it.
pub fn steering(metadata: &ObjectMeta) -> Steering {
    annotation(metadata, STEERING_ANNOTATION)
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

/// The last rollouts, the latest first. What is not readable counts as none.
pub fn history(metadata: &ObjectMeta) -> Vec<PastRollout> {
    annotation(metadata, HISTORY_ANNOTATION)
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

/// The last rollouts with one more. The same one again changes nothing.
pub fn with_rollout(mut history: Vec<PastRollout>, rollout: PastRollout) -> Vec<PastRollout> {
    let same = |one: &PastRollout| (&one.revision, one.ended) == (&rollout.revision, rollout.ended);
    if !history.first().is_some_and(same) {
        history.insert(0, rollout);
        history.truncate(REMEMBERED);
    }
    history
}

fn annotation<'a>(metadata: &'a ObjectMeta, name: &str) -> Option<&'a str> {
    metadata.annotations.as_ref()?.get(name).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn annotated(name: &str, text: &str) -> ObjectMeta {
        ObjectMeta {
            annotations: Some(BTreeMap::from([(name.into(), text.into())])),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn an_annotation_that_somebody_broke_counts_as_none_but_a_broken_command_is_told() {
        assert_eq!(steering(&annotated(STEERING_ANNOTATION, "{")), Steering::default());
        assert_eq!(history(&annotated(HISTORY_ANNOTATION, "7")), []);
        assert!(command(&annotated(COMMAND_ANNOTATION, "{")).unwrap().is_err());
        assert_eq!(command(&annotated(COMMAND_ANNOTATION, "")), None);
        assert_eq!(command(&ObjectMeta::default()), None);
    }

    #[test]
    fn the_history_is_bounded_and_holds_each_rollout_once() {
        let rollout = |n: i64| PastRollout {
            revision: n.to_string(),
            ended: Timestamp::from_second(n).ok(),
            ..PastRollout::default()
        };
        let mut all = Vec::new();
        for n in 0..12 {
            all = with_rollout(with_rollout(all, rollout(n)), rollout(n));
        }
        let revisions: Vec<_> = all.iter().map(|r| r.revision.as_str()).collect();
        assert_eq!(revisions, ["11", "10", "9", "8", "7", "6", "5", "4", "3", "2"]);
    }
}
