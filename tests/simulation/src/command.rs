//! What people tell the rollout, and the rules about it: each command is taken once, carried out or refused, and what was
//! ordered is heeded.

use std::collections::BTreeMap;

use canary_api::{COMMAND_ANNOTATION, STEERING_ANNOTATION};
use canary_core::{Command, Steering, Verb};
use canary_sandbox::Sandbox;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::dice::Dice;
use crate::setting::{CANARIES, NAME, NAMESPACE};

/// A second controller may be in the middle of a call that it began before the order.
const UNDER_WAY: SignedDuration = SignedDuration::from_secs(60);
const GATES: [&str; 3] = ["confirm-rollout", "confirm-traffic-increase", "confirm-promotion"];

/// What a person says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// A command, with the gate where it needs one.
    Said(Verb, Option<&'static str>),
    /// A text that is no command.
    Mumbled(u64),
}

impl Word {
    pub(crate) fn draw(dice: &mut Dice) -> Self {
        let verb = match dice.between(0, 12) {
            0..=1 => Verb::Promote,
            2 => Verb::PromoteFull,
            3..=4 => Verb::Abort,
            5..=6 => Verb::Pause,
            7 => Verb::Resume,
            8..=9 => Verb::Retry,
            10 => Verb::Approve,
            11 => Verb::Deny,
            _ => return Self::Mumbled(dice.between(0, 9)),
        };
        let gate = matches!(verb, Verb::Approve | Verb::Deny).then(|| dice.pick(&GATES));
        Self::Said(verb, gate)
    }

    /// Writes it on the Canary, over what was said before.
    pub(crate) fn say(self, sandbox: &Sandbox, id: &str) {
        let text = match self {
            Self::Said(verb, gate) => {
                let mut command = Command::new(id, verb);
                command.gate = gate.map(str::to_owned);
                command.by = "jane".into();
                json!(command).to_string()
            }
            Self::Mumbled(n) => format!("{{\"id\": {n}, please abort"),
        };
        let patch = json!({"metadata": {"annotations": {COMMAND_ANNOTATION: text}}});
        let _ = sandbox.patch_object(CANARIES, NAMESPACE, NAME, &patch);
    }
}

fn annotation<'a>(canary: &'a Value, name: &str) -> Option<&'a str> {
    canary["metadata"]["annotations"][name].as_str().filter(|text| !text.is_empty())
}

/// The id of the command that stands on the Canary.
pub(crate) fn pending(canary: &Value) -> Option<String> {
    let command = Command::parse(annotation(canary, COMMAND_ANNOTATION)?);
    Some(command.map_or_else(|unreadable| unreadable.id, |command| command.id))
}

/// The orders that stand on the Canary.
pub(crate) fn standing(canary: &Value) -> Steering {
    annotation(canary, STEERING_ANNOTATION).and_then(|t| serde_json::from_str(t).ok()).unwrap_or_default()
}

/// The side of the cluster that commands are about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment<'a> {
    pub(crate) phase: &'a str,
    pub(crate) applied: &'a str,
    pub(crate) share: i64,
    pub(crate) primary_image: Option<&'a str>,
}

/// What was said so far, and what became of it.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    /// Of which object.
    uid: String,
    orders: Steering,
    /// When the orders were last changed.
    since: Option<Timestamp>,
    /// By id: whether it was refused, and with which words.
    taken: BTreeMap<String, (bool, String)>,
    /// Rollouts that people asked for again, and those that were begun.
    retries: (u32, u32),
    /// Steps up since the order to promote.
    steps: u32,
    /// Two controllers were at work until then.
    doubled_until: Option<Timestamp>,
}

impl Commands {
    /// Two controllers are at work until then.
    pub(crate) fn doubled_until(&mut self, until: Timestamp) {
        self.doubled_until = self.doubled_until.max(Some(until));
    }

    /// Whether a person said that this revision goes without checks.
    pub(crate) fn promotes_unchecked(&self, revision: &str) -> bool {
        self.orders.promote.as_ref().is_some_and(|order| order.full && order.revision == revision)
    }

    /// Takes the Canary as somebody else left it.
    pub(crate) fn note(&mut self, canary: &Value) {
        let uid = canary["metadata"]["uid"].as_str().unwrap_or_default();
        if self.uid != uid {
            *self = Self { uid: uid.to_owned(), doubled_until: self.doubled_until, ..Self::default() };
        }
    }

    /// Judges a write of the controller's.
    pub(crate) fn inspect(
        &mut self,
        canary: &Value,
        (before, after): (Moment<'_>, Moment<'_>),
        now: Timestamp,
        excused: bool,
    ) -> Result<(), String> {
        let late = self.doubled_until.is_some_and(|until| now <= until + UNDER_WAY)
            && self.since.is_some_and(|since| now.duration_since(since) <= UNDER_WAY);
        if !excused && !late {
            self.heeded(before, after)?;
        }
        let orders = standing(canary);
        if orders != self.orders {
            self.take(&orders)?;
            if orders.promote != self.orders.promote {
                self.steps = 0;
            }
            (self.orders, self.since) = (orders, Some(now));
        }
        Ok(())
    }

    /// Every command is taken once, and its answer stays.
    fn take(&mut self, orders: &Steering) -> Result<(), String> {
        for (n, answer) in orders.acknowledged.iter().enumerate() {
            if orders.acknowledged[..n].iter().any(|other| other.id == answer.id) {
                return Err(format!("command {} was taken twice", answer.id));
            }
            let said = (answer.refused, answer.text.clone());
            if let Some(before) = self.taken.get(&answer.id) {
                if *before != said {
                    return Err(format!("command {} was {before:?} and is {said:?}", answer.id));
                }
                continue;
            }
            if answer.text.is_empty() {
                return Err(format!("command {} was answered without a word", answer.id));
            }
            self.retries.0 += u32::from(answer.command == "retry" && !answer.refused);
            self.taken.insert(answer.id.clone(), said);
        }
        Ok(())
    }

    /// What was ordered is done, and nothing against it.
    fn heeded(&mut self, before: Moment<'_>, after: Moment<'_>) -> Result<(), String> {
        let running = matches!(before.phase, "Waiting" | "Progressing" | "WaitingPromotion");
        let moved = before.phase != after.phase;
        let up = after.share > before.share;
        let promoted = before.primary_image.is_some() && after.primary_image != before.primary_image;
        let Steering { paused, abort, promote, gates, .. } = &self.orders;
        if running && abort.is_some() && moved && !matches!(after.phase, "Failed" | "Terminating") {
            return Err(format!("an aborted rollout goes from {} to {}", before.phase, after.phase));
        }
        if running && paused.is_some() && abort.is_none() && (up || promoted) {
            return Err(format!("a paused rollout moves: {before:?} {after:?}"));
        }
        let ordered = promote.as_ref().is_some_and(|p| p.revision == before.applied);
        let closed = |gate: &str| gates.get(gate).is_some_and(|g| !g.open) && !ordered;
        if running && closed("confirm-promotion") && promoted {
            return Err("it was promoted through a gate that a person had closed".into());
        }
        if before.phase == "Waiting" && closed("confirm-rollout") && after.phase == "Progressing" {
            return Err("it was begun through a gate that a person had closed".into());
        }
        if ordered && before.phase == "Progressing" {
            self.steps = if after.share < before.share { 0 } else { self.steps + u32::from(up) };
            if self.steps > 1 {
                return Err(format!("after the order to promote, the canary got {} % in steps", after.share));
            }
        }
        Ok(())
    }

    /// A failed rollout begins again although nothing was changed.
    pub(crate) fn begun_again(&mut self) -> Result<(), String> {
        self.retries.1 += 1;
        if self.retries.1 > self.retries.0 {
            return Err(format!(
                "it was retried {} times, and {} were ordered",
                self.retries.1, self.retries.0
            ));
        }
        Ok(())
    }

    /// How many were carried out, and how many refused.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let refused = self.taken.values().filter(|(refused, _)| *refused).count() as u64;
        (self.taken.len() as u64 - refused, refused)
    }
}

/// At the end every command has its answer.
pub(crate) fn at_the_end(canary: &Value) -> Result<(), String> {
    let Some(id) = pending(canary) else { return Ok(()) };
    let orders = standing(canary);
    if orders.acknowledgement(&id).is_none() {
        return Err(format!("command {id} was never answered: {orders:?}"));
    }
    let again = orders.retry.as_ref().is_some_and(|retry| {
        canary["status"]["phase"] == "Failed"
            && canary["status"]["lastTransitionTime"].as_str().and_then(|t| t.parse().ok())
                == Some(retry.failed_at)
    });
    if again { Err("an order to retry was accepted and forgotten".into()) } else { Ok(()) }
}

/// What a person says once all trouble is over, so that the rollout can end: it goes on, and closed gates open.
pub(crate) fn last_word(canary: &Value) -> Option<Word> {
    let orders = standing(canary);
    if pending(canary).is_some_and(|id| orders.acknowledgement(&id).is_none()) {
        return None; // the controller's answer comes first
    }
    let phase = canary["status"]["phase"].as_str().unwrap_or_default();
    if !matches!(phase, "Waiting" | "Progressing" | "WaitingPromotion") {
        return None;
    }
    if orders.paused.is_some() {
        return Some(Word::Said(Verb::Resume, None));
    }
    let closed = GATES.into_iter().find(|gate| {
        let useful = *gate != "confirm-rollout" || phase == "Waiting";
        useful && orders.gates.get(*gate).is_some_and(|order| !order.open)
    });
    closed.map(|gate| Word::Said(Verb::Approve, Some(gate)))
}
