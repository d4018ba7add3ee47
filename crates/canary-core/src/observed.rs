//! What the core is told about the world before it decides.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{Command, Steering, Unreadable, Weights};

/// The world at one moment, as plain values.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Observed {
    /// The user's workload, or the text of the error that kept it from being read.
    pub target: Result<Target, String>,
    /// The copy that serves; `None` before it was created.
    pub primary: Option<Instance>,
    /// What the mesh does; `None` while there is no route, or the text of the error that kept it from being read.
    pub routes: Result<Option<Weights>, String>,
    /// When this process last made a tick of this canary; `None` if it has not.
    pub last_tick: Option<Timestamp>,
    /// When this process first saw the target's present revision and configuration; `None` if it always knew them.
    pub changed_at: Option<Timestamp>,
    /// The canary is being deleted.
    pub deleting: bool,
    /// Its deletion waits for us.
    pub finalizer: bool,
    /// The user's workload is not just unreadable: it is gone.
    pub target_is_gone: bool,
    /// The latest command of a person's, whether it was taken or not.
    pub command: Option<Result<Command, Unreadable>>,
    /// The orders that stand.
    pub steering: Steering,
}

impl Observed {
    /// A world with that target, nothing else.
    pub fn new(target: Target) -> Self {
        Self {
            target: Ok(target),
            primary: None,
            routes: Ok(None),
            last_tick: None,
            changed_at: None,
            deleting: false,
            finalizer: false,
            target_is_gone: false,
            command: None,
            steering: Steering::default(),
        }
    }
}

/// The user's workload.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Target {
    /// Identifies its template.
    pub revision: String,
    /// Checksums of its configuration by `configmap/<name>` or `secret/<name>`; `None` when configuration is not tracked.
    pub configs: Option<BTreeMap<String, String>>,
    /// Its pods.
    pub instance: Instance,
    /// Its template is what the primary runs (names of copies aside). Decides what a status written by another
    /// controller means, and whether going back to the promoted revision takes a rollout.
    pub matches_primary: bool,
}

impl Target {
    /// A ready target of one pod, without configuration, whose template the primary runs.
    pub fn ready(revision: impl Into<String>) -> Self {
        Self {
            revision: revision.into(),
            configs: Some(BTreeMap::new()),
            instance: Instance::ready(1),
            matches_primary: true,
        }
    }
}

/// The pods of a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Whether all is rolled out.
    pub readiness: Readiness,
    /// How many pods could serve right now.
    pub available: i32,
}

impl Instance {
    /// Rolled out, with that many pods.
    pub fn ready(available: i32) -> Self {
        Self { readiness: Readiness::Ready, available }
    }
}

/// Whether a workload is rolled out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It is.
    Ready,
    /// Not yet, with the text that events show.
    Waiting(String),
    /// Not, and its deadline is over, with the text that events show.
    Stuck(String),
}
