//! Commands of people: taken exactly once or refused with a reason, whenever they come and whatever crashes.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[path = "support/world.rs"]
mod world;

use canary_core::{
    Check, CheckSource, Command, Effect, Hook, HookKind, Phase, Plan, Steps, Strategy, Verb, Weights,
};
use proptest::prelude::{ProptestConfig, any, prop, prop_assert_eq, proptest};
use world::{World, seconds, waiting};

fn plan(gates: bool) -> Plan {
    let mut plan = Plan::new("podinfo", "test");
    plan.interval = seconds(10);
    plan.threshold = 3;
    plan.strategy = Strategy::Weighted(Steps::even(20, 60));
    plan.checks = vec![Check::new("errors", CheckSource::Template).within(None, Some(5.0))];
    if gates {
        for kind in [HookKind::ConfirmRollout, HookKind::ConfirmTrafficIncrease, HookKind::ConfirmPromotion] {
            plan.hooks.push(Hook::new(kind.as_str(), kind, ""));
        }
    }
    plan
}

fn rolling(plan: Plan) -> World {
    let mut world = World::initialized(plan);
    world.values.insert("errors".into(), Some(1.0));
    world.apply_revision("v1-b");
    world
}

fn say(world: &mut World, id: &str, verb: Verb, gate: Option<&str>) {
    let mut command = Command::new(id, verb);
    command.gate = gate.map(str::to_owned);
    command.by = "jane".into();
    world.command = Some(Ok(command));
}

/// Whether the last command was refused, with its text.
fn answer(world: &World) -> (bool, String) {
    let last = world.steering.acknowledged.first().unwrap();
    (last.refused, last.text.clone())
}

/// Calls until that phase is reached.
fn reach(world: &mut World, phase: Phase) {
    for _ in 0..200 {
        if world.status.phase == phase {
            return;
        }
        let (decision, _) = world.call();
        let goes_on = world.wait(decision.wake);
        assert!(goes_on || world.status.phase == phase, "rests in {}, not {phase}", world.status.phase);
    }
    panic!("{} is not left for {phase}", world.status.phase);
}

/// A world in that phase of a rollout that has gates.
fn in_phase(phase: Phase) -> World {
    let gates = matches!(phase, Phase::Waiting | Phase::WaitingPromotion);
    let mut plan = plan(false);
    if gates {
        let kind =
            if phase == Phase::Waiting { HookKind::ConfirmRollout } else { HookKind::ConfirmPromotion };
        plan.hooks.push(Hook::new(kind.as_str(), kind, ""));
    }
    let mut world = rolling(plan);
    if phase == Phase::Failed {
        world.values.insert("errors".into(), Some(9.0));
    }
    world.now += seconds(5);
    reach(&mut world, phase);
    world
}

#[test]
fn each_command_is_taken_or_refused_with_a_reason_in_every_phase() {
    use Phase::{Failed, Finalising, Progressing, Promoting, Succeeded, Waiting, WaitingPromotion};
    let gate = |phase| if phase == Waiting { "confirm-rollout" } else { "confirm-promotion" };
    for phase in [Waiting, Progressing, WaitingPromotion, Promoting, Finalising, Succeeded, Failed] {
        for verb in Verb::ALL {
            let mut world = in_phase(phase);
            say(&mut world, "1", verb, Some(gate(phase)));
            let (decision, _) = world.call();
            let (refused, text) = answer(&world);
            let steerable = matches!(phase, Waiting | Progressing | WaitingPromotion);
            let expected = match verb {
                Verb::Promote | Verb::PromoteFull | Verb::Abort | Verb::Pause => steerable,
                Verb::Resume => false,
                Verb::Retry => phase == Failed,
                Verb::Approve | Verb::Deny => matches!(phase, Waiting | WaitingPromotion),
            };
            assert_eq!(!refused, expected, "{verb} in {phase}: {text}");
            assert!(!text.is_empty());
            assert!(!decision.tick && decision.then.len() == 1, "{verb} in {phase}");
            // Taken once: nothing is left to take.
            let (again, _) = world.call();
            assert!(!again.effects.iter().any(|e| matches!(e, Effect::Steer(s) if s.acknowledged.len() > 1)));
        }
    }
}

#[test]
fn an_abort_rolls_back_at_once_also_while_pods_are_not_ready_and_nothing_can_be_read() {
    for phase in [Phase::Waiting, Phase::Progressing, Phase::WaitingPromotion] {
        let mut world = in_phase(phase);
        world.now += seconds(1);
        world.target = waiting(0);
        say(&mut world, "1", Verb::Abort, None);
        world.call();
        world.call();
        assert_eq!(world.status.phase, Phase::Failed, "in {phase}");
        assert_eq!((world.routes, world.target.available), (Some(Weights::PRIMARY), 0));
        assert_eq!(world.status.last_applied, "v1-b", "it is not tried again by itself");
        assert_eq!(world.run(5), Phase::Failed);
    }
    let mut world = in_phase(Phase::Progressing);
    world.target_is_gone = true;
    say(&mut world, "1", Verb::Abort, None);
    world.call();
    world.call();
    assert_eq!(world.status.phase, Phase::Failed);
}

#[test]
fn a_promotion_skips_the_steps_that_remain_and_only_a_full_one_skips_the_checks() {
    for (verb, value, phase) in [
        (Verb::Promote, 1.0, Phase::Promoting),
        (Verb::Promote, 9.0, Phase::Progressing),
        (Verb::PromoteFull, 9.0, Phase::Promoting),
    ] {
        let mut world = in_phase(Phase::Progressing);
        world.now += seconds(10);
        world.call();
        world.values.insert("errors".into(), Some(value));
        world.now += seconds(1);
        say(&mut world, "1", verb, None);
        world.call();
        let (decision, _) = world.call();
        assert!(decision.tick, "{verb} does not wait for the rhythm");
        assert_eq!(world.status.phase, phase, "{verb} at {value}");
    }
}

#[test]
fn a_paused_rollout_asks_and_moves_nothing_and_goes_on_when_it_is_resumed() {
    let mut world = in_phase(Phase::Progressing);
    let (decision, _) = world.call();
    world.wait(decision.wake);
    world.call();
    let weight = world.routes;
    say(&mut world, "1", Verb::Pause, None);
    world.call();
    let asked = world.asked.len();
    assert_eq!(world.run(50), Phase::Progressing);
    assert_eq!((world.routes, world.asked.len()), (weight, asked));
    say(&mut world, "2", Verb::Resume, None);
    assert_eq!(world.run(100), Phase::Succeeded);
}

#[test]
fn a_gate_without_a_web_service_is_opened_by_approval_alone_and_each_increase_has_its_own() {
    let mut world = rolling(plan(true));
    assert_eq!(world.run(20), Phase::Waiting);
    say(&mut world, "1", Verb::Approve, Some("confirm-rollout"));
    assert_eq!(world.run(20), Phase::Progressing);
    for (n, weight) in [(2, 20), (3, 40), (4, 60)] {
        say(&mut world, &n.to_string(), Verb::Approve, Some("confirm-traffic-increase"));
        world.run(20);
        assert_eq!(world.routes.unwrap().canary.percent(), weight, "one approval is one increase");
    }
    say(&mut world, "5", Verb::Approve, Some("confirm-traffic-increase"));
    assert_eq!(world.run(20), Phase::WaitingPromotion);
    say(&mut world, "6", Verb::Deny, Some("confirm-promotion"));
    assert_eq!(world.run(20), Phase::WaitingPromotion);
    say(&mut world, "7", Verb::Approve, Some("confirm-promotion"));
    assert_eq!(world.run(60), Phase::Succeeded);
    assert!(
        world.asked.iter().all(|q| !matches!(q, canary_core::Question::Hook { .. })),
        "nobody was called"
    );
}

#[test]
fn an_approval_is_for_the_revision_that_was_there() {
    let mut world = rolling(plan(true));
    world.run(20);
    say(&mut world, "1", Verb::Approve, Some("confirm-rollout"));
    world.call();
    world.apply_revision("v1-c");
    assert_eq!(world.run(20), Phase::Waiting);
}

#[test]
fn a_retried_revision_rolls_out_once_and_may_fail_again() {
    let mut world = in_phase(Phase::Failed);
    say(&mut world, "1", Verb::Retry, None);
    assert_eq!(world.run(100), Phase::Failed, "its checks fail still, and it is not retried for ever");
    world.values.insert("errors".into(), Some(1.0));
    assert_eq!(world.run(100), Phase::Failed);
    say(&mut world, "2", Verb::Retry, None);
    assert_eq!(world.run(100), Phase::Succeeded);
}

#[test]
fn a_retry_waits_for_the_gate_like_any_rollout() {
    let mut world = in_phase(Phase::Waiting);
    say(&mut world, "1", Verb::Abort, None);
    assert_eq!(world.run(20), Phase::Failed);
    say(&mut world, "2", Verb::Retry, None);
    assert_eq!(world.run(20), Phase::Waiting);
    say(&mut world, "3", Verb::Approve, Some("confirm-rollout"));
    assert_eq!(world.run(100), Phase::Succeeded);
}

#[test]
fn a_command_that_was_given_long_ago_is_refused() {
    let mut world = in_phase(Phase::Progressing);
    say(&mut world, "1", Verb::Abort, None);
    if let Some(Ok(command)) = &mut world.command {
        command.at = Some(world.now - seconds(4000));
    }
    world.call();
    let (refused, text) = answer(&world);
    assert!(refused && text.contains("hour"), "{text}");
}

#[test]
fn orders_end_with_their_rollout() {
    let mut world = rolling(plan(false));
    world.now += seconds(5);
    reach(&mut world, Phase::Progressing);
    say(&mut world, "1", Verb::Abort, None);
    assert_eq!(world.run(20), Phase::Failed);
    world.apply_revision("v1-c");
    world.now += seconds(5);
    assert_eq!(world.run(100), Phase::Succeeded, "the abort was of the rollout before");
    assert_eq!(world.steering.abort, None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// A command at any instant, with a crash after any effect of any later call: it is acknowledged exactly once, and what
    /// it asks for comes true exactly as without the crash.
    #[test]
    fn a_command_is_carried_out_once_or_refused_whatever_crashes(
        verb in prop::sample::select(Verb::ALL.to_vec()), gates in any::<bool>(), at in 0usize..14,
        crashes in prop::collection::vec((0usize..12, 0usize..9), 0..3), failing in any::<bool>(),
    ) {
        let mut world = rolling(plan(false));
        if gates {
            world.plan.hooks.push(Hook::new("leave", HookKind::ConfirmPromotion, ""));
        }
        world.values.insert("errors".into(), Some(if failing { 9.0 } else { 1.0 }));
        world.now += seconds(5);
        let mut acknowledged = 0;
        let mut refused = None;
        let mut given_in = Phase::Unset;
        for n in 0..80 {
            if n == at {
                given_in = world.status.phase;
                say(&mut world, "1", verb, Some("leave"));
            }
            let before = world.steering.acknowledged.len();
            if let Some((_, effects)) = crashes.iter().find(|(call, _)| at + call == n) {
                for effect in world.decide().effects.iter().take(*effects) {
                    world.perform(effect);
                }
                (world.last_tick, world.changed_at) = (None, None);
            } else {
                let (decision, _) = world.call();
                if !world.wait(decision.wake) && n > at {
                    break;
                }
            }
            if world.steering.acknowledged.len() > before {
                acknowledged += 1;
                refused = Some(world.steering.acknowledged[0].refused);
            }
        }
        prop_assert_eq!(acknowledged, 1);
        let phase = world.status.phase;
        match (verb, refused) {
            (Verb::Abort, Some(false)) => {
                prop_assert_eq!(phase, Phase::Failed);
                prop_assert_eq!(world.routes, Some(Weights::PRIMARY));
            }
            (Verb::PromoteFull, Some(false)) => {
                prop_assert_eq!(phase, Phase::Succeeded);
                prop_assert_eq!(world.primary_revision.as_str(), "v1-b");
            }
            // Checks that failed too often before the pause count.
            (Verb::Pause, Some(false)) if !failing => prop_assert_eq!(phase, given_in, "a pause holds"),
            _ => {}
        }
    }
}
