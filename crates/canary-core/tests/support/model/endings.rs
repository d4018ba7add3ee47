//! Where it ends: from every state, when all goes well, when nothing does, and when gates stay closed.

use std::collections::HashSet;

use canary_core::{Answer, Decision, FailureKind, HookAnswer, HookKind, Next, Phase, Plan, Question, next};

use super::explore::{BAD, Explored, GOOD, Model, commit, rests};
use super::node::{Node, Pods};

/// How the world behaves from some moment on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    /// Pods become ready, checks pass, gates are open, nobody asks for a rollback.
    Fair,
    /// The same, but the checks fail.
    BadChecks,
    /// The same, but the providers do not answer.
    Silence,
    /// Pods become ready, and every hook fails.
    ClosedHooks,
    /// The target's pods never become ready.
    StuckTarget,
    /// The primary's pods never become ready.
    StuckPrimary,
}

impl Weather {
    pub(crate) const ALL: [Self; 6] = [
        Self::Fair,
        Self::BadChecks,
        Self::Silence,
        Self::ClosedHooks,
        Self::StuckTarget,
        Self::StuckPrimary,
    ];

    fn answer(self, plan: &Plan, question: &Question) -> Answer {
        match (self, question) {
            (Self::ClosedHooks, Question::Hook { .. }) => Answer::Hook(HookAnswer::Failed("closed".into())),
            (_, Question::Hook { id, .. }) => Answer::Hook(match plan.hooks[id.0].kind {
                HookKind::Rollback => HookAnswer::Failed("no".into()),
                _ => HookAnswer::Passed,
            }),
            (Self::BadChecks, Question::Metric(_)) => Answer::Value(BAD),
            (Self::Silence, Question::Metric(_) | Question::Online(_)) => {
                Answer::Failed { kind: FailureKind::Query, text: "no connection".into() }
            }
            (_, Question::Metric(_) | Question::Online(_)) => Answer::Value(GOOD),
        }
    }

    fn pods(self, mut node: Node) -> Node {
        let target = if self == Self::StuckTarget { Pods::StuckNone } else { Pods::Ready };
        if node.target != Pods::Zero {
            node.target = target;
        }
        let primary = if self == Self::StuckPrimary { Pods::StuckNone } else { Pods::Ready };
        node.primary = node.primary.map(|_| primary);
        node
    }

    /// One call in this weather.
    fn call(self, model: &Model, node: Node) -> (Node, Decision) {
        let node = self.pods(node);
        let plan = model.plan(&node);
        let (status, seen) = (node.status(), node.observed());
        let mut answers = Vec::new();
        let decision = loop {
            match next(plan, &status, &seen, &answers, Node::now()) {
                Next::Done(decision) => break *decision,
                Next::Ask(question) => answers.push(self.answer(plan, &question)),
            }
        };
        let Some(at) = decision.effects.iter().try_fold(node, |node, effect| node.after(effect)) else {
            return (node, decision);
        };
        let after = commit(at, &decision);
        (Node { fresh: node.fresh && !decision.tick, ..after }, decision)
    }
}

/// Plays from every state until it rests; a way that does neither is a dead end, unless `may_wait` knows why.
pub(crate) fn check(model: &Model, found: &Explored, weather: Weather) -> usize {
    let mut known: HashSet<Node> = HashSet::new();
    let mut ends = 0;
    for start in found.parents.keys() {
        let (mut way, mut at) = (Vec::new(), *start);
        loop {
            if !known.insert(at) {
                break; // played from another state
            }
            way.push(at);
            let (after, decision) = weather.call(model, at);
            if after.deleting && !after.finalizer {
                break;
            }
            let same = Node { fresh: at.fresh, ..after } == weather.pods(at);
            // Traffic was left on the canary, and it is looked after it.
            let watched = after.phase == Phase::Failed && after.weight == 100 && !decision.tick;
            if same && (rests(&decision) || watched || after.suspended) {
                ends += 1;
                if let Err(wrong) = at_rest(model, weather, &after) {
                    panic!("{} in {weather:?}: {wrong}\n{}", model.name, found.way(start));
                }
                break;
            }
            // A ring: the same states over and over.
            if let Some(from) = way.iter().position(|n| *n == after) {
                let ring = &way[from..];
                let excused = ring.iter().all(|n| may_wait(model, weather, n));
                assert!(
                    excused,
                    "{} in {weather:?}: goes round for ever\n{ring:#?}\n{decision:#?}\n{}",
                    model.name,
                    found.way(start)
                );
                ends += 1;
                break;
            }
            at = after;
        }
    }
    ends
}

/// The ends that wait for somebody, and for whom.
fn may_wait(model: &Model, weather: Weather, node: &Node) -> bool {
    let gate = |kind| weather == Weather::ClosedHooks && model.plan.hooks_of(kind).next().is_some();
    if node.suspended {
        return true; // for the user
    }
    match node.phase {
        Phase::Waiting => gate(HookKind::ConfirmRollout) || weather == Weather::StuckPrimary,
        Phase::WaitingPromotion => gate(HookKind::ConfirmPromotion),
        Phase::Progressing if gate(HookKind::ConfirmTrafficIncrease) => true,
        // For the primary's pods: nothing was rolled out, or nothing serves on either side.
        Phase::Initializing => weather == Weather::StuckPrimary,
        Phase::Initialized | Phase::Succeeded | Phase::Failed | Phase::Promoting | Phase::Finalising
            if weather == Weather::StuckPrimary =>
        {
            true
        }
        Phase::Progressing if model.plan.skip_analysis => weather == Weather::StuckPrimary,
        // For the target's pods, which the deletion gives the traffic back to.
        Phase::Terminating => weather == Weather::StuckTarget,
        Phase::Unset
        | Phase::Initialized
        | Phase::Progressing
        | Phase::Promoting
        | Phase::Finalising
        | Phase::Succeeded
        | Phase::Failed
        | Phase::Terminated => false,
    }
}

/// A canary at rest has rolled out what the user applied, or refused it; and traffic is where pods are.
fn at_rest(model: &Model, weather: Weather, node: &Node) -> Result<(), String> {
    if node.suspended || node.target_is_gone {
        return Ok(());
    }
    let wrong = |text: &str| Err(format!("at rest, {text}: {node:?}"));
    let weighted = model.plan.capabilities.weighted;
    let runs = node.primary_revision == node.revision;
    match node.phase {
        // A primary that the user deletes is made anew of whatever the target is then.
        Phase::Initialized | Phase::Succeeded
            if !runs && node.primary_revision != 0 && !model.user.breaks =>
        {
            wrong("the revision was forgotten")
        }
        Phase::Failed if node.applied != node.revision => {
            wrong("the revision was neither rolled out nor refused")
        }
        Phase::Failed if weather == Weather::StuckPrimary => Ok(()),
        Phase::Initialized | Phase::Succeeded | Phase::Failed => {
            let dead = node.share().percent() > 0 && node.target.available() == 0 && node.primary_pods() > 0;
            if weighted && dead { wrong("traffic goes to no pod") } else { Ok(()) }
        }
        Phase::Unset
        | Phase::Initializing
        | Phase::Waiting
        | Phase::Progressing
        | Phase::WaitingPromotion
        | Phase::Promoting
        | Phase::Finalising
        | Phase::Terminating
        | Phase::Terminated => wrong("this is no place to rest"),
    }
}
