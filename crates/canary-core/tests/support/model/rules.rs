//! What may never be. `docs/safety.md` gives each rule in words.

use canary_core::{
    Commit, Decision, Effect, EventKind, Notice, Phase, Plan, Scale, Then, Weight, Weights, missed,
};

use super::node::{Node, Pods};

fn require(holds: bool, broken: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("broken: {broken}")) }
}

/// Rules about one decision, before anything of it is done.
pub(crate) fn of_decision(node: &Node, decision: &Decision) -> Result<(), String> {
    if node.suspended && !node.deleting {
        let idle = decision.effects.iter().all(|e| matches!(e, Effect::KeepFinalizer(_)));
        require(idle, "a suspended canary is left alone")?;
    }
    if !decision.tick {
        let moves = decision.effects.iter().any(|e| {
            matches!(
                e,
                Effect::Route(_) | Effect::ScaleTarget(Scale::Zero | Scale::Up) | Effect::PromoteTemplate(_)
            )
        });
        require(!moves, "a call between ticks moves nothing")?;
    }
    if decision.effects.iter().any(|e| matches!(e, Effect::PromoteTemplate(_))) {
        let to = match &decision.commit {
            Commit::Status(status) => Some(status.phase),
            Commit::Nothing | Commit::ReleaseFinalizer => None,
        };
        require(
            matches!(to, Some(Phase::Promoting | Phase::Succeeded)) || node.primary_pods() == 0,
            "the primary's template changes on the way to Promoting, with a skipped analysis, or where nobody is served",
        )?;
    }
    Ok(())
}

/// Rules about one effect.
pub(crate) fn of_effect(plan: &Plan, before: &Node, effect: &Effect, after: &Node) -> Result<(), String> {
    let weighted = plan.capabilities.weighted;
    let share = |node: &Node| node.routes.map_or(Weight::ZERO, |w| w.canary);
    if weighted && share(after) > share(before) {
        require(before.target.available() > 0, "the canary gets traffic only while it has pods")?;
        let out = before.primary_pods() == 0 || matches!(before.phase, Phase::Promoting | Phase::Finalising);
        let within = share(after) <= plan.strategy.max_weight();
        require(within || out, "the canary gets maxWeight at most before it is promoted")?;
    }
    let reverts = matches!(effect, Effect::RevertRoutes | Effect::RevertApex);
    if reverts && !before.target_is_gone {
        require(before.target.available() > 0, "what is given back serves")?;
    }
    let gives_to_primary = share(after) < share(before) && !reverts;
    if weighted && gives_to_primary && before.target.available() > 0 {
        require(before.primary_pods() > 0, "traffic leaves a canary with pods only for a primary with pods")?;
    }
    match effect {
        Effect::ScaleTarget(Scale::Zero) => {
            require(share(before) == Weight::ZERO || !weighted, "traffic leaves before capacity does")?;
            let last = before.target.available() > 0 && before.primary_pods() == 0;
            require(!last || !weighted, "the last pods that serve are not taken down")
        }
        // Nothing was applied before the first revision serves.
        Effect::PromoteTemplate(_) if before.phase == Phase::Initializing => {
            require(before.primary_pods() == 0, "a primary that serves is not given what nobody analysed")
        }
        Effect::PromoteTemplate(_) => {
            require(after.primary_revision == before.applied, "what is promoted is what was analysed")?;
            let phase = before.phase;
            require(
                matches!(
                    phase,
                    Phase::Progressing | Phase::WaitingPromotion | Phase::Promoting | Phase::Finalising
                ),
                "a template is promoted out of a rollout",
            )
        }
        _ => Ok(()),
    }
}

/// Rules about what was written, and about what is told of it.
pub(crate) fn of_commit(plan: &Plan, before: &Node, after: &Node, decision: &Decision) -> Result<(), String> {
    if !matches!(decision.commit, Commit::Status(_)) {
        return Ok(());
    }
    let (share, weighted) = (after.share(), plan.capabilities.weighted);
    // Without a rollout, or at the end of one that the user took back.
    let adopted = before.phase.is_at_rest() && after.phase == before.phase;
    let taken_back = after.phase == Phase::Failed && after.applied == after.revision && after.weight == 0;
    // One that a person declines at its gate is only refused.
    let declined = before.abort && before.phase == Phase::Waiting;
    if (adopted || taken_back) && !declined && after.applied != before.applied {
        require(
            after.primary_revision == after.applied,
            "a revision that is not rolled out is the primary's",
        )?;
    }
    let begins = before.phase.is_at_rest() && after.phase != before.phase;
    require(!begins || !after.abort, "an order to roll back ends with its rollout")?;
    if after.phase != before.phase || after.phase == Phase::Failed {
        let reached = match after.phase {
            Phase::Initialized => {
                after.primary.is_some_and(|p| p.available() > 0)
                    && share == Weight::ZERO
                    && after.target == Pods::Zero
            }
            Phase::Progressing => after.applied == after.revision,
            Phase::Promoting => after.primary_revision == after.applied,
            Phase::Finalising => !weighted || share == Weight::ZERO,
            Phase::Succeeded if before.phase != Phase::Waiting => {
                (!weighted || after.routes == Some(Weights::PRIMARY))
                    && after.target == Pods::Zero
                    // A primary that the user deleted is made of whatever the target is then.
                    && [after.applied, after.revision].contains(&after.primary_revision)
                    && after.promoted == after.applied
            }
            Phase::Failed if before.phase == Phase::Waiting => true,
            Phase::Failed if after.weight == 100 => after.routes == Some(Weights::CANARY),
            Phase::Failed if before.phase != Phase::Failed => {
                (!weighted || after.routes == Some(Weights::PRIMARY)) && after.target == Pods::Zero
            }
            Phase::Succeeded
            | Phase::Failed
            | Phase::Unset
            | Phase::Initializing
            | Phase::Waiting
            | Phase::WaitingPromotion
            | Phase::Terminating
            | Phase::Terminated => true,
        };
        require(reached, "a status names only what was reached")?;
    }
    if after.phase != before.phase {
        told_after_a_crash(plan, before, after, decision)?;
    }
    Ok(())
}

/// The event of a change of phase is told by the next process if this one dies before it does.
fn told_after_a_crash(plan: &Plan, before: &Node, after: &Node, decision: &Decision) -> Result<(), String> {
    let last = |then: &[Then]| {
        let told = |step: &Then| match step {
            Then::Announce(notice) => event(plan, notice),
            Then::Call { .. } => None,
        };
        then.iter().rev().find_map(told)
    };
    let (told, again) = (last(&decision.then), last(&missed(plan, &after.status())));
    let excused = match after.phase {
        // Nothing is told of being accepted; a deletion that was begun is told at its end.
        Phase::Initializing | Phase::Terminating => true,
        // Text that no status keeps: why a promotion failed.
        Phase::Failed if after.weight == 100 => again.is_some(),
        // That it was a new beginning is kept nowhere.
        Phase::Progressing if before.phase == Phase::WaitingPromotion => again.is_some(),
        // The approval lost its object: the phase alone tells it.
        Phase::Succeeded | Phase::Failed if told.as_ref().is_some_and(|t| t.contains("set back")) => true,
        // The last step down was told as a weight.
        Phase::Finalising => plan.step_weight_promotion > 0 || !plan.capabilities.weighted || told == again,
        Phase::Unset
        | Phase::Initialized
        | Phase::Waiting
        | Phase::Progressing
        | Phase::WaitingPromotion
        | Phase::Promoting
        | Phase::Succeeded
        | Phase::Failed
        | Phase::Terminated => told == again,
    };
    if excused {
        Ok(())
    } else {
        Err(format!("broken: a crash loses {told:?}, the next process tells {again:?}"))
    }
}

fn event(plan: &Plan, notice: &Notice) -> Option<String> {
    notice.event(plan).map(|(kind, text)| {
        let sort = if kind == EventKind::Normal { "" } else { "! " };
        // A closed gate says with it what it answered, which is not kept.
        let text = text.split(" <").next().unwrap_or_default();
        format!("{sort}{text}")
    })
}
