//! One state of everything: the status that was written, the cluster, and what the process remembers.
//!
//! Time is left out: between two calls always so much passes that whatever can be due is due. What may not happen between
//! two ticks is another test's concern.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use canary_core::{
    Effect, Instance, Observed, Order, Phase, Plan, Readiness, Scale, Status, Target, Timestamp, Weight,
    Weights,
};

/// The pods of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Pods {
    /// Scaled down.
    Zero,
    /// Rolling out, none can serve yet.
    Coming,
    /// Rolling out, some can serve.
    Part,
    Ready,
    /// Past the deadline, some can serve.
    StuckPart,
    /// Past the deadline, none can serve.
    StuckNone,
}

impl Pods {
    /// What can become of the target's, and of the primary's. That the other half may be stuck in part as well adds
    /// states and no cases: a stuck target is given up whether some of its pods serve or not.
    const OF_TARGET: [Self; 4] = [Self::Coming, Self::Part, Self::Ready, Self::StuckNone];
    const OF_PRIMARY: [Self; 4] = [Self::Part, Self::Ready, Self::StuckPart, Self::StuckNone];

    pub(crate) fn available(self) -> i32 {
        match self {
            Self::Zero | Self::Coming | Self::StuckNone => 0,
            Self::Part | Self::StuckPart => 1,
            Self::Ready => 2,
        }
    }

    /// What becomes of them when their template changes.
    pub(crate) fn rolled(self) -> Self {
        match self {
            Self::Zero => Self::Zero,
            Self::Coming | Self::StuckNone => Self::Coming,
            Self::Part | Self::Ready | Self::StuckPart => Self::Part,
        }
    }

    fn instance(self) -> Instance {
        let readiness = match self {
            Self::Zero | Self::Ready => Readiness::Ready,
            Self::Coming | Self::Part => Readiness::Waiting("waiting for rollout to finish".into()),
            Self::StuckPart | Self::StuckNone => Readiness::Stuck("exceeded its progress deadline".into()),
        };
        Instance { readiness, available: self.available() }
    }
}

/// A revision of the target's template; 0 is none.
pub(crate) type Revision = u8;

fn name(revision: Revision) -> &'static str {
    ["", "v1-a", "v1-b", "v1-c"][usize::from(revision)]
}

fn number(name: &str) -> Revision {
    (0..4).find(|n| self::name(*n) == name).unwrap()
}

/// The state.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Node {
    pub(crate) phase: Phase,
    pub(crate) failed: i32,
    pub(crate) weight: i32,
    pub(crate) iterations: i32,
    pub(crate) applied: Revision,
    pub(crate) promoted: Revision,
    pub(crate) tracked: bool,
    pub(crate) revision: Revision,
    pub(crate) target: Pods,
    pub(crate) primary: Option<Pods>,
    pub(crate) primary_revision: Revision,
    pub(crate) routes: Option<Weights>,
    /// The process has made no tick yet, and knows of no change.
    pub(crate) fresh: bool,
    pub(crate) suspended: bool,
    pub(crate) deleting: bool,
    pub(crate) finalizer: bool,
    pub(crate) target_is_gone: bool,
    /// A person's order to roll back stands.
    pub(crate) abort: bool,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} failed {} weight {} iterations {}",
            self.phase, self.failed, self.weight, self.iterations
        )?;
        write!(f, " applied {:?} promoted {:?}", name(self.applied), name(self.promoted))?;
        write!(f, " | target {:?} {:?}", name(self.revision), self.target)?;
        write!(f, " | primary {:?} {:?}", name(self.primary_revision), self.primary)?;
        match self.routes {
            Some(weights) => write!(f, " | {weights}")?,
            None => write!(f, " | no routes")?,
        }
        let marks = [
            (self.fresh, "fresh"),
            (self.suspended, "suspended"),
            (self.deleting, "deleting"),
            (self.finalizer, "finalizer"),
            (self.target_is_gone, "target is gone"),
            (self.abort, "abort ordered"),
        ];
        marks.iter().filter(|(is, _)| *is).try_for_each(|(_, mark)| write!(f, ", {mark}"))
    }
}

impl Node {
    /// A Canary that was just created, beside a target that serves.
    pub(crate) fn start() -> Self {
        Self {
            phase: Phase::Unset,
            failed: 0,
            weight: 0,
            iterations: 0,
            applied: 0,
            promoted: 0,
            tracked: false,
            revision: 1,
            target: Pods::Ready,
            primary: None,
            primary_revision: 0,
            routes: None,
            fresh: true,
            suspended: false,
            deleting: false,
            finalizer: false,
            target_is_gone: false,
            abort: false,
        }
    }

    pub(crate) fn now() -> Timestamp {
        Timestamp::from_second(1_000_000).unwrap()
    }

    fn long_ago() -> Timestamp {
        Self::now().checked_sub(Duration::from_secs(100_000)).unwrap()
    }

    pub(crate) fn status(&self) -> Status {
        let mut status = Status::default();
        status.phase = self.phase;
        status.failed_checks = self.failed;
        status.weight = self.weight;
        status.iterations = self.iterations;
        status.last_applied = name(self.applied).into();
        status.last_promoted = name(self.promoted).into();
        status.tracked_configs = self.tracked.then(BTreeMap::new);
        status.last_transition = (self.phase != Phase::Unset).then(Self::long_ago);
        status
    }

    pub(crate) fn with_status(mut self, status: &Status) -> Self {
        self.phase = status.phase;
        self.failed = status.failed_checks;
        self.weight = status.weight;
        self.iterations = status.iterations;
        self.applied = number(&status.last_applied);
        self.promoted = number(&status.last_promoted);
        self.tracked = status.tracked_configs.is_some();
        self
    }

    pub(crate) fn observed(&self) -> Observed {
        let mut target = Target::ready(name(self.revision));
        target.instance = self.target.instance();
        target.matches_primary = self.revision == self.primary_revision;
        let mut seen = Observed::new(target);
        if self.target_is_gone {
            seen.target = Err("the target does not exist".into());
            seen.target_is_gone = true;
        }
        seen.primary = self.primary.map(Pods::instance);
        seen.routes = Ok(self.routes);
        seen.last_tick = (!self.fresh).then(Self::long_ago);
        seen.deleting = self.deleting;
        seen.finalizer = self.finalizer;
        seen.steering.abort = self.abort.then(Order::default);
        seen
    }

    /// The state after one more effect; `None` when the cluster refuses it.
    pub(crate) fn after(mut self, effect: &Effect) -> Option<Self> {
        match effect {
            Effect::EnsurePrimary => {
                if self.primary.is_none() {
                    self.primary = Some(Pods::Coming);
                    self.primary_revision = self.revision;
                }
            }
            Effect::EnsureRoutes => self.routes = self.routes.or(Some(Weights::PRIMARY)),
            Effect::Route(weights) => self.routes = Some(*weights),
            Effect::PromoteTemplate(revision) => {
                let revision = number(revision);
                let primary = self.primary?;
                if revision != self.revision {
                    return None; // the target has moved on
                }
                if self.primary_revision != revision {
                    self.primary = Some(primary.rolled());
                }
                self.primary_revision = revision;
            }
            Effect::ScaleTarget(Scale::Zero) => self.target = Pods::Zero,
            Effect::ScaleTarget(Scale::Up | Scale::LikePrimary) => {
                if self.target == Pods::Zero {
                    self.target = Pods::Coming;
                }
            }
            Effect::KeepFinalizer(keep) => self.finalizer = *keep,
            Effect::Steer(steering) => self.abort = steering.abort.is_some(),
            Effect::RevertRoutes => self.routes = None,
            _ => {}
        }
        Some(self)
    }

    /// The same without memory, as a new process finds it.
    pub(crate) fn crashed(self) -> Self {
        Self { fresh: true, ..self }
    }

    /// The canary's share as a router with weights has it.
    pub(crate) fn share(&self) -> Weight {
        self.routes.map_or(Weight::ZERO, |w| w.canary)
    }

    pub(crate) fn primary_pods(&self) -> i32 {
        self.primary.map_or(0, Pods::available)
    }
}

/// What the user may do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct User {
    /// Revisions that are applied, besides the first.
    pub(crate) revisions: u8,
    pub(crate) suspends: bool,
    pub(crate) deletes: bool,
    /// Weights set by hand.
    pub(crate) steers: bool,
    /// Routes or the primary are deleted by hand.
    pub(crate) breaks: bool,
    /// Orders to roll back, which one write leaves where they make sense.
    pub(crate) aborts: bool,
}

impl Node {
    /// What may happen without the controller, with a word for it.
    pub(crate) fn moves(&self, user: User, plan: &Plan) -> Vec<(&'static str, Self)> {
        let mut out = Vec::new();
        let node = *self;
        if node.deleting && !node.finalizer {
            return out; // it is gone
        }
        if node.target != Pods::Zero && !node.target_is_gone {
            out.extend(Pods::OF_TARGET.map(|target| ("target's pods", Self { target, ..node })));
        }
        if node.primary.is_some() {
            out.extend(Pods::OF_PRIMARY.map(|pods| ("primary's pods", Self { primary: Some(pods), ..node })));
        }
        for revision in 1..=user.revisions + 1 {
            if revision != node.revision && !node.deleting {
                out.push(("revision", Self { revision, target: node.target.rolled(), ..node }));
            }
        }
        if user.suspends && !node.deleting {
            out.push(("suspend", Self { suspended: !node.suspended, ..node }));
        }
        if user.deletes && !node.deleting && node.phase != Phase::Unset {
            out.push(("delete", Self { deleting: true, ..node }));
        }
        if user.deletes && node.deleting {
            out.push(("target gone", Self { target_is_gone: true, ..node }));
        }
        let steerable = matches!(node.phase, Phase::Waiting | Phase::Progressing | Phase::WaitingPromotion);
        if user.aborts && steerable && !node.suspended && !node.deleting {
            out.push(("abort", Self { abort: true, ..node }));
        }
        if user.steers && plan.capabilities.weighted && node.routes.is_some() {
            for percent in [0, 30, 100] {
                let routes = Some(Weights::canary(Weight::new(percent).unwrap()));
                out.push(("weights by hand", Self { routes, ..node }));
            }
        }
        if user.breaks {
            out.push(("routes deleted", Self { routes: None, ..node }));
            // While it is promoted, what it is made of anew may be something else: see docs/safety.md.
            if !matches!(node.phase, Phase::Promoting | Phase::Finalising) {
                out.push(("primary deleted", Self { primary: None, primary_revision: 0, ..node }));
            }
        }
        out.push(("crash", node.crashed()));
        out
    }
}
