//! The tick: the order in which things are looked at, asked and done.

use std::borrow::Cow;

use jiff::Timestamp;

use crate::begin::{adopt, bring_up, nothing_to_approve, restart, start};
use crate::call::{Call, Outcome};
use crate::change::{Change, change};
use crate::decision::{Commit, Decision, Effect, Next, Wake};
use crate::initialize::initialize;
use crate::notice::Happening;
use crate::observed::{Readiness, Target};
use crate::plan::{HookKind, Strategy};
use crate::plugin::HookAnswer;
use crate::primary::{only_a_promotion_helps, primary_not_ready, primary_readiness};
use crate::rhythm::{Due, due};
use crate::rollback::Cause;
use crate::{
    Answer, Observed, Phase, Plan, Question, Status, Weight, Weights, analysis, promotion, rollback,
    steering, strategy, termination,
};

/// Says what to find out, or what to do.
///
/// Call it whenever something changed or its last [`Wake`] is due, with the answers to the questions of this round so far
/// (none at first). On [`Next::Ask`], find the answer, append it and call again with otherwise the same values. On
/// [`Next::Done`], perform the effects in order, then the commit, then what follows. A call between two ticks moves no
/// weight, asks nothing and announces nothing.
///
/// It is total and deterministic: no clock, no randomness, no I/O, no panic.
///
/// ```
/// use canary_core::{next, Commit, Next, Observed, Phase, Plan, Status, Target, Timestamp, Wake};
///
/// let plan = Plan::new("podinfo", "test");
/// let seen = Observed::new(Target::ready("v1"));
/// let Next::Done(decision) = next(&plan, &Status::default(), &seen, &[], Timestamp::UNIX_EPOCH) else {
///     panic!("a new canary has nothing to ask")
/// };
/// let Commit::Status(status) = decision.commit else { panic!("it is accepted first") };
/// assert_eq!((status.phase, decision.wake), (Phase::Initializing, Wake::Now));
/// ```
pub fn next(plan: &Plan, status: &Status, seen: &Observed, answers: &[Answer], now: Timestamp) -> Next {
    match decide(Call::new(plan, status, seen, answers, now)) {
        Ok(decision) => Next::Done(Box::new(decision)),
        Err(question) => Next::Ask(question),
    }
}

fn decide(mut call: Call<'_>) -> Outcome {
    if call.seen.deleting {
        return Ok(termination::terminate(call));
    }
    if call.plan.revert_on_deletion != call.seen.finalizer {
        call.perform(Effect::KeepFinalizer(call.plan.revert_on_deletion));
    }
    let mut call = match steering::take(call) {
        Ok(decision) => return Ok(decision),
        Err(call) => call,
    };
    if call.plan.suspend {
        call.tell(Happening::Suspended);
        return Ok(call.finish());
    }
    if call.status.phase == Phase::Unset {
        return Ok(call.finish_in(Phase::Initializing));
    }
    let seen = call.seen;
    if let Some(order) = steering::abort_order(call.status, seen) {
        call.begin_tick();
        return Ok(rollback::abort(call, order));
    }
    let target = match &seen.target {
        Ok(target) => target,
        Err(text) => return Ok(unreadable_target(call, text)),
    };
    let change = change(call.status, target);
    let due = due(call.plan, call.status, seen, &change, call.now);
    if due == Due::Now {
        call.begin_tick();
    }
    if call.status.phase == Phase::Initializing {
        return if due == Due::Now { initialize(call, target) } else { Ok(between_ticks(call, due)) };
    }
    upkeep(&mut call);
    if due == Due::Now { tick(call, target, &change) } else { Ok(between_ticks(call, due)) }
}

/// Without a target there is nothing to decide; it is told at the pace of ticks.
fn unreadable_target(mut call: Call<'_>, text: &str) -> Decision {
    let pace = call
        .seen
        .last_tick
        .filter(|tick| *tick <= call.now)
        .map(|t| crate::rhythm::later(t, call.plan.interval));
    match pace {
        Some(at) if at > call.now => call.decide(Commit::Nothing, Wake::At(at)),
        Some(_) | None => {
            call.begin_tick();
            call.tell(Happening::Error(text.to_owned()));
            call.finish()
        }
    }
}

/// Repair of what is ours: it moves no weight and announces nothing.
fn upkeep(call: &mut Call<'_>) {
    call.perform(Effect::EnsureServices);
    call.perform(Effect::EnsurePrimary);
    if call.plan.has_autoscaler {
        call.perform(Effect::EnsureAutoscaler);
    }
    call.perform(Effect::EnsureApex);
    call.perform(Effect::EnsureRoutes);
}

fn between_ticks(call: Call<'_>, due: Due) -> Decision {
    let wake = match due {
        Due::Now => Wake::Now,
        Due::At(at) => Wake::At(at),
        Due::Never => Wake::OnChange,
    };
    call.decide(Commit::Nothing, wake)
}

/// One tick of a canary that is initialized.
fn tick(mut call: Call<'_>, target: &Target, change: &Change) -> Outcome {
    if *change == Change::Adopt || (*change == Change::SetBack && call.status.phase.is_at_rest()) {
        return Ok(adopt(call, target));
    }
    let phase = call.status.phase;
    call.weights = match &call.seen.routes {
        Ok(weights) => current_weights(&call, *weights),
        Err(text) => {
            let text = text.clone();
            call.tell(Happening::Error(text));
            return Ok(call.finish());
        }
    };
    if (phase.is_at_rest() || phase == Phase::Waiting) && rollback::is_stranded(call.plan, call.seen) {
        // A failed promotion left the traffic there, or somebody set it by hand. What the canary cannot serve any more, the primary can.
        call.tell(Happening::Error(crate::wording::canary_stranded(call.plan)));
        call.perform(Effect::Route(Weights::PRIMARY));
        call.weights = Weights::PRIMARY;
        if *change == Change::None && phase.is_at_rest() {
            return Ok(call.finish_with(|s| s.weight = 0));
        }
    }
    // The canary serves everything since the primary could not: its readiness says nothing about the rollout.
    let primary_is_out = call.weights.primary == Weight::ZERO
        && !matches!(call.plan.strategy, Strategy::AbTesting { .. })
        && !matches!(phase, Phase::Promoting | Phase::Finalising);
    let awaits_primary = !call.plan.skip_analysis && !primary_is_out;
    if let (true, Err(text)) = (awaits_primary, primary_readiness(&call)) {
        if !only_a_promotion_helps(&call, target) {
            return Ok(primary_not_ready(call, text));
        }
        call.tell(Happening::Error(text));
    }
    match phase {
        Phase::Waiting
            if matches!(change, Change::None | Change::SetBack)
                && (*change == Change::SetBack
                    || steering::retry_order(call.status, call.seen).is_none()) =>
        {
            return Ok(nothing_to_approve(call, target));
        }
        Phase::Initialized | Phase::Succeeded | Phase::Failed | Phase::Waiting => return start(call, target),
        Phase::Progressing | Phase::WaitingPromotion if *change == Change::SetBack => {
            return Ok(rollback::roll_back(call, &Cause::SetBack(target)));
        }
        Phase::Progressing | Phase::WaitingPromotion if *change == Change::New => {
            return Ok(restart(call, target, primary_is_out));
        }
        Phase::Progressing
        | Phase::WaitingPromotion
        | Phase::Promoting
        | Phase::Finalising
        | Phase::Unset
        | Phase::Initializing
        | Phase::Terminating
        | Phase::Terminated => {}
    }
    let promoted = matches!(phase, Phase::Promoting | Phase::Finalising);
    match &target.instance.readiness {
        // No pods are wanted, so none is missing: a rollback that did not get to its end, or somebody scaled it down.
        Readiness::Ready if target.instance.available <= 0 && !promoted => return Ok(bring_up(call)),
        Readiness::Ready => {}
        Readiness::Waiting(text) => {
            call.tell(Happening::Error(text.clone()));
            if rollback::is_stranded(call.plan, call.seen) {
                call.perform(Effect::Route(Weights::PRIMARY));
            }
            return Ok(call.finish());
        }
        // The primary has the new template and is ready: it takes the traffic off the stuck target.
        Readiness::Stuck(_) if promoted => {}
        Readiness::Stuck(text) => {
            call.tell(Happening::Error(text.clone()));
            return Ok(rollback::roll_back(call, &Cause::Deadline(text.clone())));
        }
    }
    match phase {
        Phase::Promoting => return Ok(promotion::shift(call)),
        Phase::Finalising => return Ok(promotion::finalise(call)),
        Phase::Unset
        | Phase::Initializing
        | Phase::Initialized
        | Phase::Waiting
        | Phase::Progressing
        | Phase::WaitingPromotion
        | Phase::Succeeded
        | Phase::Failed
        | Phase::Terminating
        | Phase::Terminated => {}
    }
    let paused = call.is_paused();
    if call.plan.skip_analysis {
        return Ok(if paused { call.finish() } else { promotion::skip(call, target) });
    }
    if steering::promote_order(call.seen).is_some_and(|order| order.full) {
        return Ok(promotion::promote(call));
    }
    if rollback_is_requested(&mut call)? {
        return Ok(rollback::roll_back(call, &Cause::Requested));
    }
    if rollback::threshold_is_reached(&call) {
        return Ok(rollback::roll_back(call, &Cause::Threshold));
    }
    if paused { Ok(call.finish()) } else { analyse(call) }
}

/// The part of a tick that judges the canary and moves it on.
fn analyse(mut call: Call<'_>) -> Outcome {
    if let Some(weight) = unrecorded_step(&call) {
        call.tell(Happening::CanaryWeight(weight));
        return Ok(call.finish_with(|s| s.weight = weight.percent().into()));
    }
    call.begin_analysis();
    let mirrored = call.plan.mirror && call.weights.mirror;
    let untouched = call.weights.canary == Weight::ZERO && call.status.iterations == 0 && !mirrored;
    let passed = if untouched {
        call.tell(Happening::StartingAnalysis);
        call.ask_all(HookKind::PreRollout)?
    } else {
        analysis::passes(&mut call)?
    };
    if !passed {
        return Ok(call.finish_with(|s| s.failed_checks = s.failed_checks.saturating_add(1)));
    }
    // A revision that nothing was asked about yet makes its first step, so that there is something to check.
    if !untouched && steering::promote_order(call.seen).is_some() {
        return Ok(promotion::promote(call));
    }
    let plan = strategy::supported(&mut call);
    match plan {
        Cow::Borrowed(_) => strategy::progress(call),
        Cow::Owned(plan) => strategy::progress(call.with_plan(&plan)),
    }
}

/// A step that a process which is gone made in the mesh and did not record. It gets its interval like any other before the
/// next one is made.
fn unrecorded_step(call: &Call<'_>) -> Option<Weight> {
    let weight = call.weights.canary;
    let stepped = matches!(call.plan.strategy, Strategy::Weighted(_)) && call.plan.capabilities.weighted;
    let unrecorded = stepped
        && call.seen.last_tick.is_none()
        && call.status.phase == Phase::Progressing
        && i32::from(weight.percent()) > call.status.weight;
    unrecorded.then_some(weight)
}

/// What the mesh does. A router without weights is judged by the iterations, as blue/green leaves them.
pub(crate) fn current_weights(call: &Call<'_>, found: Option<Weights>) -> Weights {
    if call.plan.capabilities.weighted {
        found.unwrap_or(Weights::PRIMARY)
    } else if call.status.iterations > 0 {
        Weights::CANARY
    } else {
        Weights::PRIMARY
    }
}

/// Asks the rollback hooks, in order, until one says yes.
fn rollback_is_requested(call: &mut Call<'_>) -> Result<bool, Question> {
    let kind = HookKind::Rollback;
    for id in call.plan.hooks_of(kind) {
        let hook = call.hook_name(id);
        match call.ask_hook(id, call.status.phase)? {
            HookAnswer::Passed => {
                call.tell(Happening::HookPassed { kind, hook });
                return Ok(true);
            }
            HookAnswer::Failed(text) => call.tell(Happening::HookFailed { kind, hook, text, mute: true }),
        }
    }
    Ok(false)
}
