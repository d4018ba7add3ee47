//! Ways to hurt traffic or to lose a revision that the model checker found, each as the shortest story.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[path = "support/world.rs"]
mod world;

use canary_core::{
    Check, CheckSource, Effect, Hook, HookKind, Instance, Phase, Plan, Scale, Steps, Strategy, Weight,
    Weights,
};
use world::{World, seconds, stuck, waiting};

fn plan() -> Plan {
    let mut plan = Plan::new("podinfo", "test");
    plan.interval = seconds(10);
    plan.strategy = Strategy::Weighted(Steps::even(50, 50));
    plan
}

/// In the middle of the analysis of revision b.
fn progressing(plan: Plan) -> World {
    let mut world = World::initialized(plan);
    world.apply_revision("v1-b");
    world.now += seconds(1);
    world.call();
    assert_eq!(world.status.phase, Phase::Progressing);
    world.now += seconds(10);
    world
}

/// A promotion failed, and the canary serves.
fn unsettled(plan: Plan) -> World {
    let mut world = progressing(plan);
    for _ in 0..2 {
        world.call();
        world.now += seconds(10);
    }
    assert_eq!(world.status.phase, Phase::Promoting);
    world.primary = Some(stuck(0));
    world.call();
    world.now += seconds(10);
    assert_eq!((world.status.phase, world.routes), (Phase::Failed, Some(Weights::CANARY)));
    world
}

#[test]
fn a_target_that_rests_in_the_middle_of_its_rollout_gets_pods_before_it_gets_traffic() {
    // A rollback scaled it down, and the process died before it wrote so.
    let mut world = progressing(plan());
    world.target = Instance::ready(0);
    world.last_tick = None;
    let (decision, _) = world.call();
    assert!(decision.effects.contains(&Effect::ScaleTarget(Scale::Up)), "{:?}", decision.effects);
    assert!(!decision.effects.iter().any(|e| matches!(e, Effect::Route(_))), "{:?}", decision.effects);
    assert_eq!(world.run(20), Phase::Succeeded);
}

#[test]
fn a_canary_that_is_scaled_down_by_hand_loses_its_traffic_at_the_next_tick() {
    let mut world = progressing(plan());
    world.call();
    world.now += seconds(10);
    assert_eq!(world.routes, Some(Weights::canary(Weight::new(50).unwrap())));
    world.target = Instance::ready(0);
    world.call();
    assert_eq!(world.routes, Some(Weights::PRIMARY));
}

#[test]
fn a_canary_whose_pods_die_loses_its_traffic_at_the_next_tick() {
    let mut world = progressing(plan());
    world.call();
    world.now += seconds(10);
    world.target = waiting(0);
    world.call();
    assert_eq!((world.status.phase, world.routes), (Phase::Progressing, Some(Weights::PRIMARY)));
    world.target = Instance::ready(2);
    assert_eq!(world.run(20), Phase::Succeeded);
}

#[test]
fn a_revision_that_is_applied_while_the_canary_initialises_is_rolled_out_afterwards() {
    let mut world = World::new(plan());
    world.call();
    world.call();
    assert_eq!(world.primary_revision, "v1-a");
    world.apply_revision("v1-b");
    world.now += seconds(10);
    world.call();
    assert_eq!((world.status.phase, world.status.last_applied.as_str()), (Phase::Initialized, ""));
    world.now += seconds(10);
    assert_eq!(world.run(30), Phase::Succeeded);
    assert_eq!(world.primary_revision, "v1-b");
}

#[test]
fn traffic_that_a_failed_promotion_left_on_the_canary_moves_when_the_canary_dies_and_the_primary_lives() {
    let mut world = unsettled(plan());
    let (decision, _) = world.call();
    assert!(!decision.tick && decision.effects.iter().all(|e| !matches!(e, Effect::Route(_))));
    assert!(world.wait(decision.wake), "it is looked after");
    world.target = stuck(0);
    world.call();
    assert_eq!(world.routes, Some(Weights::CANARY), "nothing serves on either side");
    world.now += seconds(10);
    world.primary = Some(Instance::ready(2));
    world.call();
    assert_eq!((world.status.phase, world.status.weight), (Phase::Failed, 0));
    assert_eq!(world.routes, Some(Weights::PRIMARY));
}

#[test]
fn weights_that_are_set_by_hand_at_rest_to_a_canary_without_pods_are_taken_back() {
    let mut world = World::initialized(plan());
    world.routes = Some(Weights::canary(Weight::new(30).unwrap()));
    world.call();
    assert_eq!((world.status.phase, world.routes), (Phase::Initialized, Some(Weights::PRIMARY)));
}

#[test]
fn a_gate_after_a_failed_promotion_is_asked_once_and_not_told_again_and_again() {
    let mut gated = plan();
    gated.hooks.push(Hook::new("approve", HookKind::ConfirmRollout, "http://hooks/"));
    let mut world = unsettled(gated);
    world.primary = Some(Instance::ready(2));
    world.apply_revision("v1-a");
    world.closed.insert("approve".into(), "not yet".into());
    world.now += seconds(10);
    let mut phases = Vec::new();
    for _ in 0..6 {
        world.call();
        world.now += seconds(10);
        phases.push(world.status.phase);
    }
    assert_eq!(phases, [Phase::Waiting; 6]);
}

#[test]
fn a_fix_reaches_a_primary_that_is_stuck_on_the_revision_before_it() {
    let without_mesh = || {
        let mut plan = plan();
        plan.capabilities.weighted = false;
        plan.strategy = Strategy::BlueGreen { iterations: 1 };
        plan
    };
    for (plan, available) in [(plan(), 1), (without_mesh(), 1), (without_mesh(), 0)] {
        let mut world = progressing(plan);
        while world.status.phase != Phase::Promoting {
            world.call();
            world.now += seconds(10);
        }
        // Neither side can run it: the primary serves, if at all, with pods of the revision before.
        world.target = stuck(0);
        world.primary = Some(stuck(available));
        world.call();
        if available == 0 {
            continue_until_somebody_serves(&mut world);
        }
        assert_eq!(world.status.phase, Phase::Failed);

        world.apply_revision("v1-c");
        world.target = Instance::ready(2);
        for _ in 0..10 {
            world.now += seconds(10);
            world.call();
            if world.status.phase == Phase::Promoting {
                world.primary = Some(Instance::ready(2));
            }
        }
        assert_eq!((world.status.phase, world.primary_revision.as_str()), (Phase::Succeeded, "v1-c"));
    }
}

/// While nobody serves the end of a failed promotion is waited for; then pods of the canary come.
fn continue_until_somebody_serves(world: &mut World) {
    assert_eq!(world.status.phase, Phase::Promoting);
    world.target = Instance::ready(2);
    world.now += seconds(10);
    world.call();
}

#[test]
fn a_clock_that_is_put_back_holds_no_rollout_up() {
    let mut world = progressing(plan());
    world.call();
    world.now -= seconds(7200);
    assert!(world.call().0.tick, "its last tick is still to come");
    world.now += seconds(5);
    assert!(!world.call().0.tick, "from then on it keeps its interval");
    assert_eq!(world.run(20), Phase::Succeeded);

    world.apply_revision("v1-c");
    world.now -= seconds(7200);
    assert_eq!(world.run(20), Phase::Succeeded);
    assert_eq!(world.primary_revision, "v1-c");
}

#[test]
fn a_fix_that_comes_while_the_first_revision_cannot_run_reaches_the_primary() {
    let mut world = World::new(plan());
    world.call();
    world.call();
    for primary in [waiting(0), stuck(0)] {
        world.primary = Some(primary);
        world.now += seconds(10);
        world.call();
        assert_eq!(world.primary_revision, "v1-a", "nothing else was applied");
    }
    world.apply_revision("v1-b");
    world.now += seconds(10);
    world.call();
    assert_eq!((world.status.phase, world.primary_revision.as_str()), (Phase::Initializing, "v1-b"));
    world.primary = Some(Instance::ready(2));
    world.now += seconds(10);
    world.call();
    assert_eq!((world.status.phase, world.status.last_promoted.as_str()), (Phase::Initialized, "v1-b"));
}

#[test]
fn a_primary_that_serves_while_the_canary_is_set_up_is_not_given_what_nobody_analysed() {
    let mut world = World::new(plan());
    world.call();
    world.call();
    world.primary = Some(waiting(1));
    world.apply_revision("v1-b");
    world.now += seconds(10);
    world.call();
    assert_eq!((world.status.phase, world.primary_revision.as_str()), (Phase::Initializing, "v1-a"));
}

#[test]
fn a_fix_is_not_held_up_by_a_primary_without_pods_that_cannot_run_its_own_revision() {
    let mut skipped = plan();
    skipped.skip_analysis = true;
    let by = |strategy| {
        let mut plan = plan();
        plan.strategy = strategy;
        plan
    };
    let (tested, switched) =
        (by(Strategy::AbTesting { iterations: 1 }), by(Strategy::BlueGreen { iterations: 1 }));
    for plan in [plan(), tested, switched, skipped] {
        let (strategy, skips) = (plan.strategy.clone(), plan.skip_analysis);
        let mut world = World::initialized(plan);
        world.primary = Some(stuck(0));
        world.apply_revision("v1-b");
        for _ in 0..8 {
            world.now += seconds(10);
            world.call();
            if world.primary_revision == "v1-b" {
                world.primary = Some(Instance::ready(2));
            }
        }
        assert_eq!(world.primary_revision, "v1-b", "{strategy:?}, skips the analysis: {skips}");
        assert_eq!(world.status.phase, Phase::Succeeded, "{strategy:?}, skips the analysis: {skips}");
    }
}

#[test]
fn a_primary_that_loses_its_pods_for_good_gives_its_traffic_to_the_canary_which_is_judged_with_it() {
    let mut checked = plan();
    checked.threshold = 1;
    checked.checks = vec![Check::new("errors", CheckSource::Template).within(None, Some(5.0))];
    let mut world = progressing(checked);
    world.values.insert("errors".into(), Some(9.0));
    world.primary = Some(stuck(0));
    world.target = waiting(0);
    world.call();
    assert_eq!(
        (world.status.phase, world.routes),
        (Phase::Progressing, Some(Weights::PRIMARY)),
        "no side serves"
    );
    world.target = Instance::ready(2);
    world.now += seconds(10);
    world.call();
    assert_eq!((world.status.phase, world.routes), (Phase::Progressing, Some(Weights::CANARY)));
    for _ in 0..2 {
        world.now += seconds(10);
        world.call();
    }
    assert_eq!((world.status.phase, world.routes), (Phase::Failed, Some(Weights::CANARY)));
    assert_eq!(world.primary_revision, "v1-a", "what failed its checks is not promoted");
}

#[test]
fn a_revision_that_comes_while_another_is_promoted_is_begun_at_its_end_without_anything_that_wakes_it() {
    let mut world = progressing(plan());
    while world.status.phase != Phase::Promoting {
        world.call();
        world.now += seconds(10);
    }
    world.apply_revision("v1-c");
    assert_eq!(world.run(30), Phase::Succeeded);
    assert_eq!(world.primary_revision, "v1-c");
}

#[test]
fn a_revision_that_comes_while_the_canary_is_set_up_is_begun_without_anything_that_wakes_it() {
    let mut world = World::new(plan());
    world.call();
    world.call();
    world.apply_revision("v1-b");
    assert_eq!(world.run(30), Phase::Succeeded);
    assert_eq!(world.primary_revision, "v1-b");
}
