//! The standing orders of a rollout: what people told it, as far as it still counts.
//!
//! A command is taken by one write, which acknowledges it and leaves an order. What a tick does follows from the orders, so
//! a crash at any instant neither loses a command nor carries it out twice. How a command is judged is in `judgement`.

mod judgement;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::command::{Command, Unreadable};
use crate::decision::{Commit, Decision, Effect, Wake};
use crate::notice::Happening;
use crate::plan::{HookId, HookKind};
use crate::{Observed, Phase, Status};

/// So many commands are remembered.
const REMEMBERED: usize = 10;
/// Longer names and reasons are cut.
const TEXT_AT_MOST: usize = 200;

/// What people ordered, and which commands were taken. Kept on the object beside the status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Steering {
    /// Nothing moves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<Order>,
    /// The revision is to be promoted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promote: Option<PromoteOrder>,
    /// The rollout is to be rolled back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abort: Option<Order>,
    /// The failed revision is to be rolled out again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryOrder>,
    /// Gates that were opened or closed, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub gates: BTreeMap<String, GateOrder>,
    /// The last commands that were taken, the latest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub acknowledged: Vec<Acknowledgement>,
}

/// Who ordered something, when and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Order {
    /// Who.
    #[serde(default)]
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// When the command was taken.
    pub at: Timestamp,
}

/// The order to promote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PromoteOrder {
    /// Without any further check.
    pub full: bool,
    /// Of that revision, not of one that came later.
    pub revision: String,
    /// Whose.
    #[serde(flatten)]
    pub order: Order,
}

/// The order to roll out again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RetryOrder {
    /// What failed then, not what fails later.
    pub failed_at: Timestamp,
    /// Whose.
    #[serde(flatten)]
    pub order: Order,
}

/// A gate that was opened or closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct GateOrder {
    /// Opened; else closed, whatever its web service says.
    pub open: bool,
    /// For that revision, not for one that came later.
    pub revision: String,
    /// For the increase from that weight only, where it is a gate of increases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u8>,
    /// Whose.
    #[serde(flatten)]
    pub order: Order,
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Acknowledgement {
    /// The command's.
    pub id: String,
    /// The command, as events name it.
    pub command: String,
    /// It was refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
    /// What comes of it, or why it was refused.
    pub text: String,
    /// When.
    pub at: Timestamp,
}

impl Steering {
    /// What became of the command with that id, if it was taken.
    pub fn acknowledgement(&self, id: &str) -> Option<&Acknowledgement> {
        self.acknowledged.iter().find(|a| a.id == id)
    }

    /// Only which commands were taken; the orders are of a rollout that is over.
    fn without_orders(&self) -> Self {
        Self { acknowledged: self.acknowledged.clone(), ..Self::default() }
    }

    fn acknowledge(&mut self, acknowledgement: Acknowledgement) {
        self.acknowledged.insert(0, acknowledgement);
        self.acknowledged.truncate(REMEMBERED);
    }
}

fn short(text: &str) -> String {
    text.chars().take(TEXT_AT_MOST).collect()
}

/// Takes the command that nobody took yet, if there is one: a call of its own, which is no tick.
pub(crate) fn take(call: Call<'_>) -> Result<Decision, Call<'_>> {
    let seen = call.seen;
    let Some(command) = seen.command.as_ref().filter(|c| !is_taken(seen, c)) else { return Err(call) };
    Ok(match command {
        Ok(command) => answer(call, command),
        Err(Unreadable { id, text }) => {
            let (id, text) = (id.clone(), text.clone());
            refuse(call, id, "unreadable".into(), text)
        }
    })
}

fn is_taken(seen: &Observed, command: &Result<Command, Unreadable>) -> bool {
    let id = match command {
        Ok(command) => &command.id,
        Err(unreadable) => &unreadable.id,
    };
    seen.steering.acknowledgement(id).is_some()
}

fn answer(mut call: Call<'_>, command: &Command) -> Decision {
    let order = Order { by: short(&command.by), reason: short(&command.reason), at: call.now };
    let (by, reason) = (order.by.clone(), order.reason.clone());
    match judgement::judge(&call, command, order) {
        Err(why) => refuse(call, command.id.clone(), command.label(), why),
        Ok((mut steering, text)) => {
            let (id, label) = (command.id.clone(), command.label());
            steering.acknowledge(Acknowledgement {
                id,
                command: label.clone(),
                refused: false,
                text,
                at: call.now,
            });
            call.perform(Effect::Steer(Box::new(steering)));
            call.tell(Happening::CommandTaken { command: label, by, reason });
            call.decide(Commit::Nothing, Wake::Now)
        }
    }
}

fn refuse(mut call: Call<'_>, id: String, command: String, why: String) -> Decision {
    let mut steering = call.seen.steering.clone();
    let text = why.clone();
    let at = call.now;
    steering.acknowledge(Acknowledgement { id, command: command.clone(), refused: true, text, at });
    call.perform(Effect::Steer(Box::new(steering)));
    call.tell(Happening::CommandRefused { command, why });
    call.decide(Commit::Nothing, Wake::Now)
}

/// The phases in which a rollout can be steered.
pub(crate) fn is_steerable(phase: Phase) -> bool {
    match phase {
        Phase::Waiting | Phase::Progressing | Phase::WaitingPromotion => true,
        Phase::Unset
        | Phase::Initializing
        | Phase::Initialized
        | Phase::Promoting
        | Phase::Finalising
        | Phase::Succeeded
        | Phase::Failed
        | Phase::Terminating
        | Phase::Terminated => false,
    }
}

/// The order to roll back, if one stands.
pub(crate) fn abort_order<'a>(status: &Status, seen: &'a Observed) -> Option<&'a Order> {
    seen.steering.abort.as_ref().filter(|_| is_steerable(status.phase))
}

/// The order to roll out again what failed, if one stands.
pub(crate) fn retry_order<'a>(status: &Status, seen: &'a Observed) -> Option<&'a RetryOrder> {
    let retry = seen.steering.retry.as_ref()?;
    match status.phase {
        Phase::Failed => (Some(retry.failed_at) == status.last_transition).then_some(retry),
        // Whatever led here took away the orders of earlier rollouts.
        Phase::Waiting => Some(retry),
        Phase::Unset
        | Phase::Initializing
        | Phase::Initialized
        | Phase::Progressing
        | Phase::WaitingPromotion
        | Phase::Promoting
        | Phase::Finalising
        | Phase::Succeeded
        | Phase::Terminating
        | Phase::Terminated => None,
    }
}

/// The order to promote the target's present revision, if one stands.
pub(crate) fn promote_order(seen: &Observed) -> Option<&PromoteOrder> {
    let target = seen.target.as_ref().ok()?;
    seen.steering.promote.as_ref().filter(|p| p.revision == target.revision)
}

/// An order that no tick has seen yet, and that does not wait for the rhythm.
pub(crate) fn is_urgent(plan: &crate::Plan, status: &Status, seen: &Observed) -> bool {
    let opened = |kind| {
        plan.hooks
            .iter()
            .filter(move |h| h.kind == kind)
            .filter_map(|h| seen.steering.gates.get(&h.name))
            .filter(|g| g.open)
            .map(|g| g.order.at)
            .max()
    };
    let gate = match status.phase {
        Phase::Waiting => opened(HookKind::ConfirmRollout),
        Phase::WaitingPromotion => opened(HookKind::ConfirmPromotion),
        // The step before had its interval or has not: an approval does not shorten it.
        Phase::Progressing => None,
        Phase::Unset
        | Phase::Initializing
        | Phase::Initialized
        | Phase::Promoting
        | Phase::Finalising
        | Phase::Succeeded
        | Phase::Failed
        | Phase::Terminating
        | Phase::Terminated => return false,
    };
    let ordered = promote_order(seen).map(|p| p.order.at).max(gate);
    ordered.is_some_and(|at| match seen.last_tick {
        Some(tick) => at > tick,
        // The status keeps whole seconds.
        None => status.last_transition.is_none_or(|t| at.as_second() > t.as_second()),
    })
}

impl Call<'_> {
    /// Nothing is to move.
    pub(crate) fn is_paused(&self) -> bool {
        self.seen.steering.paused.is_some() && is_steerable(self.status.phase)
    }

    /// What a person said about a gate: open, or closed with the reason.
    pub(crate) fn gate_order(&self, id: HookId) -> Option<Result<(), String>> {
        // At rest the orders are those of the rollout before.
        if !is_steerable(self.status.phase) {
            return None;
        }
        if promote_order(self.seen).is_some() {
            return Some(Ok(()));
        }
        let hook = self.plan.hooks.get(id.0)?;
        let gate = self.seen.steering.gates.get(&hook.name)?;
        if !gate.open {
            return Some(Err(format!("denied by {}", gate.order.by)));
        }
        let revision = self.seen.target.as_ref().is_ok_and(|t| t.revision == gate.revision);
        let weight = gate.weight.is_none_or(|w| w == self.weights.canary.percent());
        (revision && weight).then_some(Ok(()))
    }

    /// Takes away the orders of the rollout before, where another one begins.
    pub(crate) fn forget_orders(&mut self) {
        let mut steering = self.seen.steering.without_orders();
        steering.retry = retry_order(self.status, self.seen).cloned();
        self.steer(steering);
    }

    /// Takes away the orders about one revision, where another one takes its place. A pause stays.
    pub(crate) fn forget_revision(&mut self) {
        let mut steering = self.seen.steering.without_orders();
        steering.paused.clone_from(&self.seen.steering.paused);
        self.steer(steering);
    }

    fn steer(&mut self, steering: Steering) {
        if steering != self.seen.steering {
            self.perform(Effect::Steer(Box::new(steering)));
        }
    }
}
