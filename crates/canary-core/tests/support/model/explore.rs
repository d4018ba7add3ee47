//! All states that can be reached, by every answer, every crash and everything that others may do.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::fmt::{self, Write as _};
use std::rc::Rc;

use canary_core::{Answer, Commit, Decision, FailureKind, HookAnswer, Next, Plan, Question, Wake, next};

use super::node::{Node, User};
use super::rules;

/// What is explored.
pub(crate) struct Model {
    pub(crate) name: &'static str,
    pub(crate) plan: Plan,
    /// The same while the canary is suspended.
    suspended: Plan,
    pub(crate) user: User,
}

/// What leads from one state to the next.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Others did something.
    Others(&'static str),
    /// A call, by the answers that it got and the point at which it ended.
    Call(Rc<Vec<Answer>>, Until),
}

/// Where a call ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    /// It failed or crashed after so many effects.
    Effect(usize),
    /// It was committed.
    Commit,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Others(word) => f.write_str(word),
            Self::Call(answers, Until::Commit) => write!(f, "a call with {answers:?}"),
            Self::Call(answers, Until::Effect(n)) => {
                write!(f, "a call with {answers:?} that ended after {n} effects")
            }
        }
    }
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Explored {
    /// Every state, and how it was first reached.
    pub(crate) parents: HashMap<Node, Option<(Node, Step)>>,
    pub(crate) transitions: usize,
    pub(crate) decisions: usize,
}

impl Model {
    pub(crate) fn new(name: &'static str, plan: Plan, user: User) -> Self {
        let mut suspended = plan.clone();
        suspended.suspend = true;
        Self { name, plan, suspended, user }
    }

    /// The plan as it stands.
    pub(crate) fn plan(&self, node: &Node) -> &Plan {
        if node.suspended { &self.suspended } else { &self.plan }
    }

    /// Every state; the first that breaks a rule ends it, with the way that leads there.
    pub(crate) fn explore(&self) -> Explored {
        let mut found = Explored::default();
        let mut open = VecDeque::from([Node::start()]);
        found.parents.insert(Node::start(), None);
        while let Some(node) = open.pop_front() {
            let mut steps: Vec<(Step, Node)> = Vec::new();
            for (word, after) in node.moves(self.user, &self.plan) {
                steps.push((Step::Others(word), after));
            }
            if let Err(broken) = self.calls(&node, &mut found.decisions, &mut steps) {
                panic!("{}: {broken}\n{}", self.name, found.way(&node));
            }
            for (step, after) in steps {
                found.transitions += 1;
                if let Entry::Vacant(place) = found.parents.entry(after) {
                    place.insert(Some((node, step)));
                    open.push_back(after);
                }
            }
        }
        found
    }

    /// Every decision of one call, and every state that a process can leave behind which makes it.
    fn calls(&self, node: &Node, decisions: &mut usize, out: &mut Vec<(Step, Node)>) -> Result<(), String> {
        if node.deleting && !node.finalizer {
            return Ok(());
        }
        let plan = self.plan(node);
        for (answers, decision) in decide(plan, node) {
            *decisions += 1;
            let answers = Rc::new(answers);
            let shown = |broken: String| {
                let Decision { effects, commit, .. } = &decision;
                format!("{broken}\n  {answers:?}\n  {effects:?}\n  {commit:?}")
            };
            rules::of_decision(node, &decision).map_err(shown)?;
            let fresh = node.fresh && !decision.tick;
            // Whoever made it goes on after a failure; or he is gone, and another one begins.
            let mut leave = |at: Node, until: Until| {
                let step = Step::Call(Rc::clone(&answers), until);
                out.push((step.clone(), Node { fresh, ..at }));
                out.push((step, at.crashed()));
            };
            let mut at = *node;
            let mut done = 0;
            for effect in &decision.effects {
                let Some(after) = at.after(effect) else { break };
                rules::of_effect(plan, &at, effect, &after).map_err(shown)?;
                if after != at {
                    leave(at, Until::Effect(done));
                }
                at = after;
                done += 1;
            }
            leave(at, Until::Effect(done));
            if done < decision.effects.len() {
                continue; // refused on the way
            }
            let committed = commit(at, &decision);
            rules::of_commit(plan, node, &committed, &decision).map_err(shown)?;
            leave(committed, Until::Commit);
        }
        Ok(())
    }
}

/// The state once the decision is committed.
pub(crate) fn commit(node: Node, decision: &Decision) -> Node {
    match &decision.commit {
        Commit::Nothing => node,
        Commit::Status(status) => node.with_status(status),
        Commit::ReleaseFinalizer => Node { finalizer: false, ..node },
    }
}

/// Every decision that the core can come to, by the answers that lead there.
fn decide(plan: &Plan, node: &Node) -> Vec<(Vec<Answer>, Decision)> {
    let (status, seen) = (node.status(), node.observed());
    let mut out = Vec::new();
    let mut open = vec![Vec::new()];
    while let Some(answers) = open.pop() {
        match next(plan, &status, &seen, &answers, Node::now()) {
            Next::Done(decision) => out.push((answers, *decision)),
            Next::Ask(question) => {
                assert!(answers.len() < 20, "a round of questions does not end");
                for answer in possible(&question) {
                    open.push(answers.iter().cloned().chain([answer]).collect());
                }
            }
        }
    }
    out
}

/// A value that every check of the models accepts.
pub(crate) const GOOD: f64 = 1.0;
/// One that none does.
pub(crate) const BAD: f64 = 9.0;

fn possible(question: &Question) -> Vec<Answer> {
    let failed = || Answer::Failed { kind: FailureKind::Query, text: "no connection".into() };
    match question {
        Question::Hook { .. } => {
            vec![Answer::Hook(HookAnswer::Passed), Answer::Hook(HookAnswer::Failed("closed".into()))]
        }
        Question::Metric(_) => vec![Answer::Value(GOOD), Answer::Value(BAD), failed()],
        Question::Online(_) => vec![Answer::Value(GOOD), failed()],
    }
}

impl Explored {
    /// How a state was reached, a line a step.
    pub(crate) fn way(&self, node: &Node) -> String {
        let mut steps = vec![format!("{node:?}")];
        let mut at = node;
        while let Some(Some((before, step))) = self.parents.get(at) {
            steps.push(format!("{before:?}\n    -> {step}"));
            at = before;
        }
        let mut out = String::new();
        for step in steps.iter().rev() {
            writeln!(out, "{step}").unwrap();
        }
        out
    }
}

/// Whether nobody comes back by himself.
pub(crate) fn rests(decision: &Decision) -> bool {
    decision.wake == Wake::OnChange
}
