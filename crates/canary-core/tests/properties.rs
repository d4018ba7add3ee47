//! What holds for every plan, every sequence of answers and every crash.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[path = "support/world.rs"]
mod world;

use canary_core::{
    Capabilities, Check, CheckSource, Command, Commit, Effect, Hook, HookKind, Instance, Phase, Plan,
    Question, Scale, StepBy, Steps, Strategy, Verb, Wake, Weight, Weights,
};
use proptest::prelude::{
    Just, ProptestConfig, Strategy as _, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
};
use world::{World, seconds, stuck, waiting};

/// Any plan that can be carried out.
fn plans() -> impl proptest::strategy::Strategy<Value = Plan> {
    let strategies = prop_oneof![
        (1u8..=60, 1u8..=100).prop_map(|(step, max)| Strategy::Weighted(Steps::even(step, max))),
        prop::collection::btree_set(1i64..=100, 1..5).prop_map(|set| {
            Strategy::Weighted(Steps::listed(
                &set.into_iter().map(|w| Weight::new(w).unwrap()).collect::<Vec<_>>(),
            ))
        }),
        (1i32..4).prop_map(|iterations| Strategy::AbTesting { iterations }),
        (1i32..4).prop_map(|iterations| Strategy::BlueGreen { iterations }),
    ];
    let kinds = prop::sample::subsequence(
        vec![
            HookKind::ConfirmRollout,
            HookKind::PreRollout,
            HookKind::Rollout,
            HookKind::ConfirmTrafficIncrease,
            HookKind::ConfirmPromotion,
            HookKind::PostRollout,
            HookKind::Rollback,
        ],
        0..7,
    );
    (strategies, kinds, any::<bool>(), 0u8..100, 1u32..4, any::<bool>(), any::<bool>()).prop_map(
        |(strategy, kinds, mirror, back, threshold, autoscaler, plain)| {
            let mut plan = Plan::new("podinfo", "test");
            plan.interval = seconds(10);
            plan.strategy = strategy;
            plan.mirror = mirror;
            plan.step_weight_promotion = back;
            plan.threshold = threshold;
            plan.has_autoscaler = autoscaler;
            plan.checks = vec![Check::new("errors", CheckSource::Template).within(None, Some(5.0))];
            plan.hooks = kinds.into_iter().map(|k| Hook::new(k.as_str(), k, "http://hooks/")).collect();
            if plain {
                plan.capabilities = Capabilities::NONE;
            }
            plan
        },
    )
}

/// Something that happens to a canary between two calls.
#[derive(Clone, Debug)]
enum Turn {
    Wait(u64),
    Value(Option<f64>),
    Hook(HookKind, bool),
    Revision(u8),
    Target(u8),
    Primary(u8),
    Crash(usize),
    Say(Verb),
}

fn turns() -> impl proptest::strategy::Strategy<Value = Vec<Turn>> {
    let kinds = vec![
        HookKind::ConfirmRollout,
        HookKind::PreRollout,
        HookKind::Rollout,
        HookKind::ConfirmTrafficIncrease,
        HookKind::ConfirmPromotion,
        HookKind::PostRollout,
        HookKind::Rollback,
    ];
    prop::collection::vec(
        prop_oneof![
            6 => (1u64..=12).prop_map(Turn::Wait),
            1 => prop_oneof![Just(None), Just(Some(1.0)), Just(Some(9.0)), Just(Some(f64::NAN))].prop_map(Turn::Value),
            1 => (prop::sample::select(kinds), any::<bool>()).prop_map(|(k, open)| Turn::Hook(k, open)),
            1 => (0u8..3).prop_map(Turn::Revision),
            1 => (0u8..3).prop_map(Turn::Target),
            1 => (0u8..3).prop_map(Turn::Primary),
            1 => (0usize..8).prop_map(Turn::Crash),
            2 => prop::sample::select(Verb::ALL.to_vec()).prop_map(Turn::Say),
        ],
        1..60,
    )
}

fn instance(state: u8) -> Instance {
    match state {
        0 => Instance::ready(2),
        1 => waiting(1),
        _ => stuck(0),
    }
}

fn prepared(plan: Plan) -> World {
    let mut world = World::new(plan);
    world.values.insert("errors".into(), Some(1.0));
    world.closed.insert("rollback".into(), String::new());
    world.run(20);
    world.apply_revision("v1-b");
    world
}

/// A command with a gate, where it takes one.
fn command(n: usize, verb: Verb, plan: &Plan) -> Command {
    let mut command = Command::new(format!("c{n}"), verb);
    if matches!(verb, Verb::Approve | Verb::Deny) {
        let gates: Vec<_> = plan.hooks.iter().filter(|h| h.kind.is_gate()).collect();
        command.gate = (!gates.is_empty()).then(|| gates[n % gates.len()].name.clone());
    }
    command
}

/// What may never be, after any effect.
fn check(world: &World, before: &World) -> Result<(), proptest::test_runner::TestCaseError> {
    if let Some(weights) = world.routes {
        prop_assert_eq!(weights.primary.percent() + weights.canary.percent(), 100);
        let rises = |new: Weight, old: Weight| new > old;
        if let (Some(old), true) = (before.routes, world.plan.capabilities.weighted) {
            if rises(weights.canary, old.canary) {
                prop_assert!(world.target.available > 0, "traffic to a canary without pods");
                if let Strategy::Weighted(steps) = &world.plan.strategy {
                    let out =
                        weights == Weights::CANARY && world.primary.as_ref().is_none_or(|p| p.available == 0);
                    prop_assert!(
                        weights.canary <= steps.max || out || before.status.phase == Phase::Promoting,
                        "above the maximum"
                    );
                }
            }
            if rises(weights.primary, old.primary) && before.target.available > 0 {
                prop_assert!(
                    world.primary.as_ref().is_some_and(|p| p.available > 0),
                    "traffic to a primary without pods"
                );
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn with_passing_answers_every_rollout_succeeds(plan in plans()) {
        let mut world = prepared(plan);
        prop_assert_eq!(world.run(400), Phase::Succeeded);
        prop_assert_eq!(world.primary_revision.as_str(), "v1-b");
        prop_assert_eq!(world.routes, Some(Weights::PRIMARY));
        prop_assert_eq!(world.target.available, 0);
    }

    #[test]
    fn with_failing_checks_every_rollout_ends_without_traffic_to_the_canary(plan in plans()) {
        let mut world = prepared(plan);
        world.values.insert("errors".into(), Some(9.0));
        world.closed.insert("pre-rollout".into(), "no".into());
        let phase = world.run(400);
        // A plan of one step is judged once it has traffic, so only the hook before it can stop it at the first.
        prop_assert!(matches!(phase, Phase::Failed), "{}", phase);
        prop_assert_eq!(world.routes, Some(Weights::PRIMARY));
        prop_assert_eq!(world.primary_revision.as_str(), "v1-a");
    }

    #[test]
    fn whatever_happens_traffic_goes_to_pods_and_calls_between_ticks_do_nothing(plan in plans(), turns in turns()) {
        let mut world = prepared(plan);
        for (n, turn) in turns.into_iter().enumerate() {
            match turn {
                Turn::Say(verb) => world.command = Some(Ok(command(n, verb, &world.plan))),
                Turn::Wait(n) => world.now += seconds(n),
                Turn::Value(value) => { world.values.insert("errors".into(), value); }
                Turn::Hook(kind, true) => { world.closed.remove(kind.as_str()); }
                Turn::Hook(kind, false) => { world.closed.insert(kind.as_str().into(), "closed".into()); }
                Turn::Revision(n) => world.apply_revision(&format!("v1-{n}")),
                Turn::Target(n) if world.target.available > 0 => world.target = instance(n),
                Turn::Target(_) => {}
                Turn::Primary(n) => world.primary = Some(instance(n)),
                Turn::Crash(effects) => {
                    // The process dies after that many effects, and another one begins.
                    let decision = world.decide();
                    for effect in decision.effects.iter().take(effects) {
                        let before = world.clone();
                        world.perform(effect);
                        check(&world, &before)?;
                    }
                    world.last_tick = None;
                    world.changed_at = None;
                    continue;
                }
            }
            let decision = world.decide();
            if !decision.tick && world.status.phase != Phase::Unset {
                // A command is taken between ticks, and told.
                let takes = decision.effects.iter().any(|e| matches!(e, Effect::Steer(_)));
                prop_assert!(takes || decision.then.is_empty(), "{:?}", decision.then);
                prop_assert!(!matches!(decision.commit, Commit::Status(_)));
                prop_assert!(!decision.effects.iter().any(|e| matches!(e,
                    Effect::Route(_) | Effect::ScaleTarget(_) | Effect::PromoteTemplate(_))));
            }
            let promotes = decision.effects.iter().any(|e| matches!(e, Effect::PromoteTemplate(_)));
            if promotes {
                let Commit::Status(next) = &decision.commit else { panic!("a promotion without a commit") };
                prop_assert!(matches!(next.phase, Phase::Promoting | Phase::Succeeded));
            }
            // Traffic leaves before capacity does.
            if let Some(down) = decision.effects.iter().position(|e| *e == Effect::ScaleTarget(Scale::Zero)) {
                let routed = decision.effects[..down].contains(&Effect::Route(Weights::PRIMARY));
                prop_assert!(routed, "scaled down with traffic");
            }
            if decision.tick {
                world.last_tick = Some(world.now);
            }
            let mut done = true;
            for effect in &decision.effects {
                let before = world.clone();
                done = world.perform(effect);
                check(&world, &before)?;
                if !done { break; }
            }
            if done {
                world.commit(&decision);
            }
            // The same call again has nothing to do but what a tick would do.
            let again = world.decide();
            if decision.tick && done && decision.wake != Wake::Now {
                prop_assert!(!again.tick || world.status.phase.is_at_rest(), "two ticks at one time");
            }
        }
    }

    #[test]
    fn a_crash_after_any_effect_leads_to_the_same_end(plan in plans(), crash in 0usize..40, effects in 0usize..9) {
        let mut world = prepared(plan);
        for n in 0..400 {
            let decision = world.decide();
            if n == crash {
                for effect in decision.effects.iter().take(effects) {
                    world.perform(effect);
                }
                world.last_tick = None;
                world.changed_at = None;
                continue;
            }
            let (decision, _) = world.call();
            if !world.wait(decision.wake) { break; }
        }
        prop_assert_eq!(world.status.phase, Phase::Succeeded);
        prop_assert_eq!(world.primary_revision.as_str(), "v1-b");
        prop_assert_eq!(world.routes, Some(Weights::PRIMARY));
    }

    #[test]
    fn nothing_is_asked_whose_answer_cannot_matter(plan in plans()) {
        let mut world = prepared(plan);
        world.values.insert("errors".into(), Some(9.0));
        for _ in 0..60 {
            let asked = world.asked.len();
            let (decision, _) = world.call();
            let metrics = world.asked[asked..].iter().filter(|q| matches!(q, Question::Metric(_))).count();
            prop_assert!(metrics <= 1, "asked on after a failed check");
            if world.status.phase == Phase::Failed {
                break;
            }
            if !world.wait(decision.wake) { break; }
        }
    }
}

#[test]
fn steps_of_zero_go_nowhere_and_ask_nothing() {
    let mut plan = Plan::new("podinfo", "test");
    plan.strategy = Strategy::Weighted(Steps { max: Weight::ALL, by: StepBy::Even(0) });
    let mut world = prepared(plan);
    world.run(20);
    assert_eq!((world.status.phase, world.status.weight), (Phase::Progressing, 0));
}
