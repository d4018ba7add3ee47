//! Single decisions at their edges, each as the shortest story.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[path = "support/story.rs"]
mod story;
#[path = "support/world.rs"]
mod world;

use canary_core::{
    Capabilities, Check, CheckSource, Commit, Condition, Effect, Happening, Instance, Next, Phase, Question,
    Status, Strategy, Timestamp, Wake, Weight, Weights, next,
};
use story::{happenings, plan, progressing, share, ticks, waiting_for_leave, with};
use world::{World, seconds, stuck, waiting};

#[test]
fn a_target_that_cannot_be_read_is_told_at_the_pace_of_ticks() {
    let mut world = progressing(plan());
    world.target_is_gone = true;
    let told = |world: &mut World| {
        let (decision, _) = world.call();
        let texts = world.sentences(&decision.then);
        (decision.tick, texts.iter().any(|text| text.contains("the target does not exist")), decision.wake)
    };
    let first = world.now;
    let (tick, said, _) = told(&mut world);
    assert!(tick && said);
    world.now += seconds(9);
    assert_eq!(told(&mut world), (false, false, Wake::At(first + seconds(10))));
    world.now += seconds(1);
    let (tick, said, _) = told(&mut world);
    assert!(tick && said, "an interval later it is due");
    // A tick that is still to come was noted before the clock was put back.
    world.now -= seconds(3600);
    let (tick, said, _) = told(&mut world);
    assert!(tick && said);
}

#[test]
fn only_ticks_that_judge_count_as_analysis() {
    let mut world = progressing(plan());
    assert!(world.decide().analysed);
    world.target = waiting(2);
    assert!(!world.decide().analysed);
}

#[test]
fn a_rest_after_a_wait_says_what_the_primary_runs() {
    // A gate is asked about b, and the user goes back to a.
    let waiting = || {
        let mut world = waiting_for_leave();
        world.now += seconds(10);
        world.apply_revision("v1-a");
        world
    };
    let mut settled = waiting();
    settled.now += seconds(10);
    settled.call();
    assert_eq!((settled.status.phase, settled.status.weight), (Phase::Succeeded, 0));

    let mut other = waiting();
    other.primary_revision = "v1-0".into();
    other.now += seconds(10);
    other.call();
    assert_ne!(other.status.phase, Phase::Succeeded, "the primary runs something else");

    let mut promoted = waiting();
    promoted.status.last_promoted = "v1-0".into();
    promoted.now += seconds(10);
    promoted.call();
    assert_eq!((promoted.status.phase, promoted.status.weight), (Phase::Failed, 0));

    // As a failed promotion before it left it.
    let mut left = waiting();
    left.status.last_promoted = "v1-0".into();
    (left.routes, left.target) = (Some(Weights::CANARY), Instance::ready(2));
    left.now += seconds(10);
    left.call();
    assert_eq!((left.status.phase, left.status.weight), (Phase::Failed, 100));
}

#[test]
fn a_target_at_rest_gives_its_traffic_back_only_to_a_primary_that_has_pods() {
    let routes = |available: i32, canary: Option<Weights>| {
        let mut world = progressing(plan());
        world.target = Instance::ready(0);
        world.primary = Some(Instance::ready(available));
        world.routes = canary;
        world.decide().effects.into_iter().filter(|e| matches!(e, Effect::Route(_))).count()
    };
    assert_eq!(routes(2, share(20)), 1);
    assert_eq!(routes(0, share(20)), 0);
    assert_eq!(routes(2, share(0)), 0, "it has none");
}

#[test]
fn what_a_target_at_rest_and_a_stranded_canary_are_told_as() {
    let mut world = progressing(plan());
    world.target = Instance::ready(0);
    world.routes = share(0);
    let texts = |world: &mut World| {
        let (decision, _) = world.call();
        world.sentences(&decision.then).join("\n")
    };
    let text = texts(&mut world);
    assert!(
        text.contains("canary deployment podinfo.test has no pods: it is scaled up before it gets traffic"),
        "{text}"
    );
    let mut world = World::initialized(plan());
    world.routes = share(20);
    let text = texts(&mut world);
    assert!(
        text.contains("canary deployment podinfo.test has no available pod: all traffic goes to the primary"),
        "{text}"
    );
    assert_eq!(world.routes, Some(Weights::PRIMARY));
}

#[test]
fn a_step_that_a_dead_process_made_is_taken_over_and_one_that_is_recorded_is_not() {
    let look =
        |recorded: i32, last_tick: bool, strategy: Option<Strategy>, capabilities: Option<Capabilities>| {
            let mut world = progressing(plan());
            world.routes = share(20);
            world.status.weight = recorded;
            if let Some(strategy) = strategy {
                world.plan.strategy = strategy;
            }
            if let Some(capabilities) = capabilities {
                world.plan.capabilities = capabilities;
            }
            if !last_tick {
                world.last_tick = None;
            }
            let (decision, _) = world.call();
            let moved =
                decision.effects.iter().any(|e| matches!(e, Effect::Route(w) if w.canary > Weight::ZERO));
            (world.status.weight, moved)
        };
    assert_eq!(look(0, false, None, None), (20, false), "it gets its interval");
    assert_eq!(look(20, false, None, None), (40, true), "it is recorded: the next one");
    assert_eq!(look(0, true, None, None), (40, true), "this process made it");
    let green = Some(Strategy::BlueGreen { iterations: 3 });
    assert_eq!(look(0, false, green, None).0, 0, "there are no steps");
    assert_eq!(look(0, false, None, Some(Capabilities::NONE)).0, 0, "there are no weights");
}

#[test]
fn a_promotion_in_steps_tells_each_and_ends_with_the_last() {
    let mut world = progressing(with(|plan| plan.step_weight_promotion = 40));
    ticks(&mut world, 4);
    assert_eq!((world.status.phase, world.routes), (Phase::Promoting, share(60)));
    let mut step = |weight: i64, told: usize, phase: Phase| {
        let (decision, _) = world.call();
        world.now += seconds(10);
        let steps =
            happenings(&decision.then).iter().filter(|w| matches!(w, Happening::PrimaryWeight(_))).count();
        assert_eq!((world.routes, steps, world.status.phase), (share(weight), told, phase));
    };
    step(20, 1, Phase::Promoting);
    step(0, 1, Phase::Finalising);

    // The write after the last step was lost.
    let mut world = progressing(with(|plan| plan.step_weight_promotion = 40));
    ticks(&mut world, 4);
    world.routes = share(0);
    let (decision, _) = world.call();
    let steps =
        happenings(&decision.then).iter().filter(|w| matches!(w, Happening::PrimaryWeight(_))).count();
    assert_eq!((steps, world.status.phase), (0, Phase::Finalising), "nothing is left to tell");
}

#[test]
fn a_change_that_a_tick_saw_and_could_not_act_on_is_looked_at_an_interval_later() {
    let mut world = World::initialized(plan());
    world.apply_revision("v1-b");
    let applied = world.now;
    // The primary is not ready: the tick sees the change and waits.
    world.primary = Some(waiting(2));
    world.now += seconds(1);
    let (decision, _) = world.call();
    assert!(decision.tick && world.status.phase == Phase::Initialized);
    assert_eq!(decision.wake, Wake::At(applied + seconds(11)));
    world.now += seconds(4);
    assert!(!world.decide().tick);
    // A tick that was earlier saw nothing of it.
    world.last_tick = Some(applied);
    world.now = applied + seconds(1);
    assert!(world.decide().tick);
}

#[test]
fn statuses_are_the_same_but_for_times_when_only_times_differ() {
    let at = |second: i64| Timestamp::from_second(second).unwrap();
    let mut one = Status::default();
    one.last_transition = Some(at(1));
    one.condition = Some(Condition::new("True", "Succeeded", "done", (at(1), at(1))));
    let mut later = one.clone();
    later.last_transition = Some(at(2));
    later.condition = Some(Condition::new("True", "Succeeded", "done", (at(2), at(2))));
    assert!(one.same_but_for_times(&later));
    later.failed_checks = 1;
    assert!(!one.same_but_for_times(&later));
}

#[test]
fn the_condition_keeps_its_times_while_it_says_the_same() {
    let mut world = World::initialized(plan());
    let condition = |world: &World| world.status.condition.clone().unwrap();
    let first = condition(&world);
    assert_eq!((first.status, first.reason.as_str()), ("True", "Initialized"));
    world.apply_revision("v1-b");
    world.now += seconds(1);
    world.call();
    let begun = condition(&world);
    assert_eq!((begun.status, begun.reason.as_str()), ("Unknown", "Progressing"));
    assert_eq!((begun.last_update, begun.last_transition), (world.now, world.now));
    let (start, mut steps) = (world.now, 0);
    while world.status.phase == Phase::Progressing {
        assert_eq!(condition(&world), begun, "the status was written, the condition says the same");
        world.now += seconds(10);
        world.call();
        steps += 1;
    }
    assert!(steps > 2 && world.status.phase == Phase::Promoting);
    let promoting = condition(&world);
    assert_eq!((promoting.status, promoting.reason.as_str()), ("Unknown", "Promoting"));
    assert_eq!((promoting.last_update, promoting.last_transition), (world.now, start), "still unknown");
}

#[test]
fn a_canary_that_gives_everything_back_waits_for_pods_that_serve() {
    let mut world = World::initialized(with(|plan| plan.revert_on_deletion = true));
    world.call();
    assert!(world.finalizer);
    world.deleting = true;
    world.call();
    assert_eq!(world.status.phase, Phase::Terminating);
    world.target = Instance::ready(0);
    let decision = world.decide();
    assert_eq!((&decision.commit, decision.wake), (&Commit::Nothing, Wake::At(world.now + seconds(3))));
    assert!(!decision.effects.contains(&Effect::RevertApex), "{:?}", decision.effects);
    world.target = Instance::ready(1);
    let decision = world.decide();
    assert_eq!(decision.commit, Commit::ReleaseFinalizer);
    assert!(decision.effects.contains(&Effect::RevertApex));
}

#[test]
fn a_blue_green_canary_is_mirrored_to_where_mesh_and_plan_can() {
    let mirrored = |plan_mirrors: bool, mesh_mirrors: bool, routes: Option<Weights>| {
        let mut world = progressing(with(|plan| {
            plan.strategy = Strategy::BlueGreen { iterations: 3 };
            plan.mirror = plan_mirrors;
            plan.capabilities = Capabilities::default();
            if mesh_mirrors {
                plan.capabilities = plan.capabilities.with_mirror();
            }
        }));
        ticks(&mut world, 1);
        world.routes = routes;
        world.decide().effects.contains(&Effect::Route(Weights::MIRROR))
    };
    assert!(mirrored(true, true, share(0)));
    assert!(!mirrored(false, true, share(0)));
    assert!(!mirrored(true, false, share(0)));
    assert!(!mirrored(true, true, Some(Weights::MIRROR)), "it is already");
    assert!(!mirrored(true, true, share(100)), "the primary cannot serve");
}

#[test]
fn what_was_set_back_at_rest_is_taken_for_applied_only_at_rest() {
    let mut world = World::initialized(plan());
    world.apply_revision("v1-b");
    world.now += seconds(1);
    world.call();
    ticks(&mut world, 1);
    world.apply_revision("v1-a");
    world.now += seconds(10);
    world.call();
    assert_eq!(world.status.phase, Phase::Failed, "set back in the middle: rolled back");
    assert_eq!(world.status.last_applied, "v1-a");
    assert_eq!(world.routes, Some(Weights::PRIMARY));
}

#[test]
fn traffic_that_a_rested_canary_cannot_serve_moves_and_one_in_the_middle_is_brought_up() {
    // In Waiting, too: nobody is waited for there.
    let mut world = waiting_for_leave();
    world.routes = share(20);
    world.target = stuck(0);
    world.now += seconds(10);
    world.call();
    assert_eq!((world.status.phase, world.routes), (Phase::Waiting, Some(Weights::PRIMARY)));
}

#[test]
fn a_question_is_asked_before_anything_is_done() {
    let mut plan = plan();
    plan.checks = vec![Check::new("errors", CheckSource::Template).within(None, Some(5.0))];
    let mut world = progressing(plan);
    ticks(&mut world, 1);
    let asked = next(&world.plan, &world.status, &world.observe(), &[], world.now);
    assert!(matches!(asked, Next::Ask(Question::Metric(_) | Question::Online(_))), "{asked:?}");
}

#[test]
fn a_revision_that_comes_while_traffic_is_moved_off_a_dead_canary_is_begun_at_once() {
    let mut world = World::initialized(plan());
    world.routes = share(20);
    world.apply_revision("v1-b");
    world.now += seconds(1);
    world.call();
    assert_eq!((world.status.phase, world.routes), (Phase::Progressing, Some(Weights::PRIMARY)));
}

#[test]
fn without_weights_the_primary_counts_as_out_from_the_first_iteration_on() {
    let mut world = progressing(with(|plan| {
        plan.strategy = Strategy::BlueGreen { iterations: 3 };
        plan.capabilities = Capabilities::NONE;
    }));
    world.primary = Some(waiting(2));
    world.call();
    assert_eq!(world.status.iterations, 0, "the primary is waited for");
    world.primary = Some(Instance::ready(2));
    world.now += seconds(10);
    ticks(&mut world, 2);
    let done = world.status.iterations;
    assert!(done > 0);
    world.primary = Some(waiting(2));
    world.call();
    assert_eq!(world.status.iterations, done + 1, "what it does says nothing about the canary");
}

#[test]
fn blue_green_counts_its_iterations_then_switches_then_promotes() {
    let mut world = progressing(with(|plan| plan.strategy = Strategy::BlueGreen { iterations: 2 }));
    let mut seen = Vec::new();
    for _ in 0..4 {
        world.call();
        world.now += seconds(10);
        seen.push((world.status.phase, world.status.iterations, world.routes));
    }
    assert_eq!(
        seen[..3],
        [1, 2, 3].map(|n| {
            (Phase::Progressing, n, Some(if n < 3 { Weights::PRIMARY } else { Weights::CANARY }))
        })
    );
    assert_eq!(seen[3].0, Phase::Promoting);
}
