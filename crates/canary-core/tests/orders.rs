//! Orders of people at their edges, each as the shortest story.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[path = "support/story.rs"]
mod story;
#[path = "support/world.rs"]
mod world;

use canary_core::{Command, Hook, HookKind, Phase, Verb};
use story::{order, plan, progressing, waiting_for_leave, with};
use world::{World, seconds};

#[test]
fn an_abort_of_a_rollout_that_waits_declines_the_revision_that_the_target_has() {
    let mut world = waiting_for_leave();
    assert!(!order(&mut world, Verb::Abort, None).refused);
    // While the target cannot be read, nobody knows which revision is declined.
    world.target_is_gone = true;
    world.call();
    assert_eq!(world.status.phase, Phase::Waiting);
    world.target_is_gone = false;
    world.now += seconds(10);
    world.call();
    assert_eq!((world.status.phase, world.status.last_applied.as_str()), (Phase::Failed, "v1-b"));
}

#[test]
fn an_abort_of_a_rollout_under_way_waits_for_no_target_and_keeps_what_was_applied() {
    for gone in [false, true] {
        let mut world = progressing(plan());
        assert!(!order(&mut world, Verb::Abort, None).refused);
        world.target_is_gone = gone;
        world.apply_revision("v1-c");
        world.call();
        assert_eq!(
            (world.status.phase, world.status.last_applied.as_str()),
            (Phase::Failed, "v1-b"),
            "{gone}"
        );
    }
}

#[test]
fn an_approval_is_acted_on_at_once_and_once() {
    let mut world = waiting_for_leave();
    // In the middle of an interval.
    world.now += seconds(3);
    order(&mut world, Verb::Approve, Some("gate"));
    assert!(world.decide().tick);
    // A process that knows of no tick goes by the whole seconds of the status.
    let ordered = world.now;
    world.last_tick = None;
    world.now += seconds(2);
    world.status.last_transition = Some(ordered);
    assert!(!world.decide().tick, "the write of that second saw it");
    world.status.last_transition = Some(ordered - seconds(1));
    assert!(world.decide().tick);
    world.status.last_transition = Some(ordered + seconds(1));
    assert!(!world.decide().tick, "a write since then saw it");
}

#[test]
fn orders_about_a_revision_go_with_it() {
    let mut world = progressing(plan());
    order(&mut world, Verb::Pause, None);
    order(&mut world, Verb::Promote, None);
    assert!(world.steering.promote.is_some());
    world.apply_revision("v1-c");
    world.now += seconds(10);
    world.call();
    assert_eq!(world.status.last_applied, "v1-c");
    assert!(world.steering.promote.is_none(), "that was about another revision");
}

#[test]
fn a_rollout_that_is_being_rolled_back_takes_no_more_commands() {
    let mut world = progressing(plan());
    order(&mut world, Verb::Abort, None);
    assert_eq!(world.status.phase, Phase::Progressing);
    let answer = order(&mut world, Verb::Promote, None);
    assert_eq!((answer.refused, answer.text.as_str()), (true, "the rollout is being rolled back"));
}

#[test]
fn a_command_that_waited_an_hour_is_taken_and_one_that_waited_longer_is_not() {
    for (late, refused) in [(3600, false), (3601, true)] {
        let mut world = progressing(plan());
        let mut command = Command::new("1", Verb::Pause);
        command.at = Some(world.now - seconds(late));
        world.command = Some(Ok(command));
        world.call();
        assert_eq!(world.steering.acknowledged[0].refused, refused, "{late} s");
    }
}

#[test]
fn gates_of_an_analysis_that_is_skipped_cannot_be_approved_and_those_before_it_can() {
    let refused = |kind, skip: bool, phase: Phase| {
        let mut world = World::initialized(with(|plan| {
            plan.hooks.push(Hook::new("gate", kind, "http://gate"));
            plan.skip_analysis = skip;
        }));
        world.closed.insert("gate".into(), "no".into());
        world.apply_revision("v1-b");
        world.status.phase = phase;
        [Verb::Approve, Verb::Deny].map(|verb| order(&mut world, verb, Some("gate")).refused)
    };
    assert_eq!(refused(HookKind::ConfirmPromotion, true, Phase::Progressing), [true, true]);
    assert_eq!(refused(HookKind::ConfirmPromotion, false, Phase::Progressing), [false, false]);
    assert_eq!(refused(HookKind::ConfirmRollout, true, Phase::Waiting), [false, false]);
    assert_eq!(refused(HookKind::ConfirmRollout, false, Phase::Progressing), [true, true]);
}
