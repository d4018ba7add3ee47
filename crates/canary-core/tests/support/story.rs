//! The beginnings that stories about single decisions have in common.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use canary_core::{
    Acknowledgement, Command, Happening, Hook, HookKind, Phase, Plan, Steps, Strategy, Then, Verb, Weight,
    Weights,
};

use super::world::{World, seconds};

pub(crate) fn plan() -> Plan {
    let mut plan = Plan::new("podinfo", "test");
    plan.interval = seconds(10);
    plan.strategy = Strategy::Weighted(Steps::even(20, 60));
    plan
}

pub(crate) fn with(change: impl FnOnce(&mut Plan)) -> Plan {
    let mut plan = plan();
    change(&mut plan);
    plan
}

pub(crate) fn gated(kind: HookKind) -> Plan {
    with(|plan| plan.hooks.push(Hook::new("gate", kind, "http://gate")))
}

#[allow(clippy::unnecessary_wraps, reason = "a mesh may have no route yet")]
pub(crate) fn share(percent: i64) -> Option<Weights> {
    Some(Weights::canary(Weight::new(percent).unwrap()))
}

/// In the middle of the analysis of revision b, at the time of a tick.
pub(crate) fn progressing(plan: Plan) -> World {
    let mut world = World::initialized(plan);
    world.apply_revision("v1-b");
    world.now += seconds(1);
    world.call();
    assert_eq!(world.status.phase, Phase::Progressing);
    world.now += seconds(10);
    world
}

pub(crate) fn ticks(world: &mut World, number: usize) {
    for _ in 0..number {
        world.call();
        world.now += seconds(10);
    }
}

pub(crate) fn order(world: &mut World, verb: Verb, gate: Option<&str>) -> Acknowledgement {
    let mut command = Command::new(format!("{verb}-{}", world.now), verb);
    command.gate = gate.map(str::to_owned);
    world.command = Some(Ok(command));
    world.call();
    world.steering.acknowledged.first().unwrap().clone()
}

pub(crate) fn happenings(then: &[Then]) -> Vec<Happening> {
    then.iter()
        .filter_map(|step| match step {
            Then::Announce(notice) => Some(notice.what.clone()),
            Then::Call { .. } => None,
        })
        .collect()
}

/// A gate is asked about revision b, and is closed.
pub(crate) fn waiting_for_leave() -> World {
    let mut world = World::initialized(gated(HookKind::ConfirmRollout));
    world.closed.insert("gate".into(), "no".into());
    world.apply_revision("v1-b");
    world.now += seconds(1);
    world.call();
    assert_eq!(world.status.phase, Phase::Waiting);
    world
}
