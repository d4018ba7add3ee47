//! One call in the making: what was asked so far, and what will be done.

use jiff::Timestamp;

use crate::change::{change, primary_is_unsettled};
use crate::decision::{Commit, Decision, Effect, Then, Wake};
use crate::notice::{Happening, Notice};
use crate::plan::{HookId, HookKind, MetricId};
use crate::plugin::HookAnswer;
use crate::question::{Answer, FailureKind, Question};
use crate::rhythm::{Due, due, later};
use crate::{Observed, Phase, Plan, Status, Weights};

/// The state of one call. Methods that need evidence return the question as an error, and the call starts over when the
/// answer is known: same values, same path, one answer further.
pub(crate) struct Call<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) status: &'a Status,
    pub(crate) seen: &'a Observed,
    pub(crate) now: Timestamp,
    /// What the mesh does, known once the tick has got that far.
    pub(crate) weights: Weights,
    answers: std::slice::Iter<'a, Answer>,
    effects: Vec<Effect>,
    then: Vec<Then>,
    tick: bool,
    analysed: bool,
}

/// A decision, or what has to be known before there can be one.
pub(crate) type Outcome = Result<Decision, Question>;

impl<'a> Call<'a> {
    pub(crate) fn new(
        plan: &'a Plan,
        status: &'a Status,
        seen: &'a Observed,
        answers: &'a [Answer],
        now: Timestamp,
    ) -> Self {
        Self {
            plan,
            status,
            seen,
            now,
            weights: Weights::PRIMARY,
            answers: answers.iter(),
            effects: Vec::new(),
            then: Vec::new(),
            tick: false,
            analysed: false,
        }
    }

    /// The same call under another plan.
    pub(crate) fn with_plan<'b>(self, plan: &'b Plan) -> Call<'b>
    where
        'a: 'b,
    {
        Call { plan, ..self }
    }

    /// From here on the call is a tick.
    pub(crate) fn begin_tick(&mut self) {
        self.tick = true;
    }

    /// From here on the tick counts as one of the analysis.
    pub(crate) fn begin_analysis(&mut self) {
        self.analysed = true;
    }

    /// Calls a hook; an answer of another sort than asked for counts as a failure in words.
    pub(crate) fn ask_hook(&mut self, id: HookId, phase: Phase) -> Result<HookAnswer, Question> {
        match self.answers.next() {
            None => Err(Question::Hook { id, phase }),
            Some(Answer::Hook(answer)) => Ok(answer.clone()),
            Some(Answer::Failed { text, .. } | Answer::NoData(text)) => Ok(HookAnswer::Failed(text.clone())),
            Some(Answer::Value(_)) => Ok(HookAnswer::Failed("answered with a number".into())),
        }
    }

    /// Asks a metric; an answer of another sort than asked for counts as a failure in words.
    pub(crate) fn ask_metric(
        &mut self,
        question: fn(MetricId) -> Question,
        id: MetricId,
    ) -> Result<Answer, Question> {
        match self.answers.next() {
            None => Err(question(id)),
            Some(Answer::Hook(_)) => {
                Ok(Answer::Failed { kind: FailureKind::Query, text: "answered like a hook".into() })
            }
            Some(answer) => Ok(answer.clone()),
        }
    }

    /// Asks hooks of one kind in order until one fails, telling what each said; whether all passed.
    pub(crate) fn ask_all(&mut self, kind: HookKind) -> Result<bool, Question> {
        let phase = kind.payload_phase(self.status.phase);
        for id in self.plan.hooks_of(kind) {
            match self.ask_or_ordered(id, phase)? {
                HookAnswer::Passed => {
                    self.tell(Happening::HookPassed { kind, hook: self.hook_name(id) });
                }
                HookAnswer::Failed(text) => {
                    let mute = self.plan.hooks.get(id.0).is_some_and(|h| h.mute_alert);
                    // Flagger tells of a closed gate once; the phase remembers that it did.
                    let told = matches!(
                        (kind, self.status.phase),
                        (HookKind::ConfirmRollout, Phase::Waiting)
                            | (HookKind::ConfirmPromotion, Phase::WaitingPromotion)
                    );
                    if !told {
                        self.tell(Happening::HookFailed { kind, hook: self.hook_name(id), text, mute });
                    }
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// A person's word about a gate comes before its web service; a gate without one has only that.
    fn ask_or_ordered(&mut self, id: HookId, phase: Phase) -> Result<HookAnswer, Question> {
        let Some(hook) = self.plan.hooks.get(id.0).filter(|h| h.kind.is_gate()) else {
            return self.ask_hook(id, phase);
        };
        match self.gate_order(id) {
            Some(Ok(())) => Ok(HookAnswer::Passed),
            Some(Err(text)) => Ok(HookAnswer::Failed(text)),
            None if hook.url.is_empty() => {
                Ok(HookAnswer::Failed("waiting for somebody to approve it".into()))
            }
            None => self.ask_hook(id, phase),
        }
    }

    /// The name of a hook.
    pub(crate) fn hook_name(&self, id: HookId) -> String {
        self.plan.hooks.get(id.0).map(|h| h.name.clone()).unwrap_or_default()
    }

    /// Adds an effect.
    pub(crate) fn perform(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Adds a notice that shows the phase at the start of the tick.
    pub(crate) fn tell(&mut self, what: Happening) {
        self.tell_as(self.status.phase, what);
    }

    /// Adds a notice that shows `phase`.
    pub(crate) fn tell_as(&mut self, phase: Phase, what: Happening) {
        self.then.push(Then::Announce(Notice { phase, what }));
    }

    /// Adds the hooks that follow the end of a rollout. Their notices show the phase of a success, and for a failure that
    /// of the start of the tick.
    pub(crate) fn call_post_rollout(&mut self, phase: Phase) {
        let told_as = if phase == Phase::Succeeded { phase } else { self.status.phase };
        let calls: Vec<_> =
            self.plan.hooks_of(HookKind::PostRollout).map(|id| Then::Call { id, phase, told_as }).collect();
        self.then.extend(calls);
    }

    /// Ends the call without a write.
    pub(crate) fn finish(self) -> Decision {
        let wake = if self.tick { Wake::At(later(self.now, self.plan.interval)) } else { Wake::OnChange };
        self.decide(Commit::Nothing, wake)
    }

    /// Ends the call with the status that `edit` makes of the present one, in the present phase.
    pub(crate) fn finish_with(self, edit: impl FnOnce(&mut Status)) -> Decision {
        let mut status = self.status.clone();
        edit(&mut status);
        let status = status.touched(self.plan, self.now);
        self.finish_as(status)
    }

    /// Ends the call in another phase.
    pub(crate) fn finish_in(self, phase: Phase) -> Decision {
        let status = self.status.clone().into_phase(self.plan, phase, self.now);
        self.finish_as(status)
    }

    /// Ends the call with that status.
    pub(crate) fn finish_as(self, status: Status) -> Decision {
        let wake = if status.phase.is_at_rest() {
            self.wake_at_rest(&status)
        } else if status.phase == Phase::Initializing {
            Wake::Now
        } else {
            Wake::At(later(self.now, self.plan.interval))
        };
        self.decide(Commit::Status(Box::new(status)), wake)
    }

    /// What came while the rollout was under way is due at its end, and nothing else would wake the canary for it.
    fn wake_at_rest(&self, status: &Status) -> Wake {
        let Ok(target) = &self.seen.target else {
            let looked_after = primary_is_unsettled(status);
            return if looked_after { Wake::At(later(self.now, self.plan.interval)) } else { Wake::OnChange };
        };
        match due(self.plan, status, self.seen, &change(status, target), self.now) {
            Due::Now => Wake::Now,
            Due::At(at) => Wake::At(at),
            Due::Never => Wake::OnChange,
        }
    }

    /// Ends the call, to be woken then.
    pub(crate) fn decide(self, commit: Commit, wake: Wake) -> Decision {
        Decision {
            effects: self.effects,
            commit,
            then: self.then,
            wake,
            tick: self.tick,
            analysed: self.analysed,
        }
    }
}
