//! What is told of things that happened outside a decision: a failed effect, and what a process that died did not tell.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[path = "support/world.rs"]
mod world;

use canary_core::{
    Capabilities, Effect, Hook, HookKind, Phase, Plan, Scale, Status, Weights, effect_failed, missed,
};
use world::World;

/// A plan with both gates and a hook after the rollout.
fn plan() -> Plan {
    let mut plan = Plan::new("podinfo", "test");
    for kind in [HookKind::ConfirmRollout, HookKind::ConfirmPromotion, HookKind::PostRollout] {
        plan.hooks.push(Hook::new(kind.as_str(), kind, "http://gate"));
    }
    plan
}

fn status(phase: Phase) -> Status {
    let mut status = Status::default();
    status.phase = phase;
    status
}

/// The sentences that a process tells which finds that status and that its predecessor told nothing.
fn told(plan: &Plan, status: &Status) -> Vec<String> {
    World::new(plan.clone()).sentences(&missed(plan, status))
}

/// The first event among them.
fn event(plan: &Plan, status: &Status) -> Option<String> {
    told(plan, status).into_iter().find(|line| !line.starts_with("call") && !line.starts_with("alert"))
}

#[test]
fn a_failed_effect_is_told_with_its_error() {
    let text = |phase, effect: &Effect| {
        let notices = effect_failed(&plan(), &status(phase), effect, "etcd is away");
        let [notice] = &notices[..] else { panic!("{notices:?}") };
        assert_eq!(notice.phase, phase);
        notice.event(&plan()).unwrap().1
    };
    let (down, up) = (Effect::ScaleTarget(Scale::Zero), Effect::ScaleTarget(Scale::Up));
    assert_eq!(
        text(Phase::Initializing, &down),
        "scaling down canary Deployment podinfo.test failed: etcd is away"
    );
    assert_eq!(text(Phase::Initializing, &up), "etcd is away");
    assert_eq!(text(Phase::Progressing, &down), "etcd is away");
    assert_eq!(text(Phase::Progressing, &Effect::Route(Weights::PRIMARY)), "etcd is away");
}

#[test]
fn the_next_process_tells_each_change_of_phase() {
    let of = |phase| told(&plan(), &status(phase)).join("\n");
    for (phase, sentence) in [
        (Phase::Initialized, "Initialization done! podinfo.test"),
        (Phase::Waiting, "waiting for approval confirm-rollout"),
        (Phase::Progressing, "New revision detected! Scaling up podinfo.test"),
        (Phase::WaitingPromotion, "waiting for promotion approval confirm-promotion"),
        (Phase::Promoting, "Copying podinfo.test template spec to podinfo-primary.test"),
        (Phase::Finalising, "Routing all traffic to primary"),
        (Phase::Succeeded, "Promotion completed! Scaling down podinfo.test"),
        (Phase::Failed, "Canary failed! Scaling down podinfo.test"),
    ] {
        assert!(of(phase).contains(sentence), "{phase}: {:?} is not about {sentence:?}", of(phase));
    }
    for phase in [Phase::Unset, Phase::Initializing, Phase::Terminating, Phase::Terminated] {
        assert!(missed(&plan(), &status(phase)).is_empty(), "{phase}");
    }
}

#[test]
fn hooks_after_the_rollout_are_called_by_the_next_process() {
    for phase in [Phase::Succeeded, Phase::Failed] {
        assert!(told(&plan(), &status(phase)).contains(&format!("call post-rollout {phase}")), "{phase}");
    }
    assert!(!told(&plan(), &status(Phase::Finalising)).iter().any(|line| line.starts_with("call")));
}

#[test]
fn a_write_in_the_middle_of_a_phase_changed_none_and_is_not_told() {
    type Edit = fn(&mut Status);
    let edits: [Edit; 3] = [|s| s.weight = 10, |s| s.iterations = 1, |s| s.failed_checks = 1];
    for edit in edits {
        let mut status = status(Phase::Progressing);
        edit(&mut status);
        assert!(missed(&plan(), &status).is_empty(), "{status:?}");
    }
}

#[test]
fn a_promotion_in_steps_or_without_weights_said_nothing_about_all_traffic() {
    let mut stepped = plan();
    stepped.step_weight_promotion = 10;
    let mut unweighted = plan();
    unweighted.capabilities = Capabilities::NONE;
    for plan in [stepped, unweighted] {
        assert!(missed(&plan, &status(Phase::Finalising)).is_empty());
    }
}

#[test]
fn a_failed_promotion_is_told_as_one() {
    let mut status = status(Phase::Failed);
    status.weight = 100;
    let sentence = event(&plan(), &status).unwrap();
    assert!(sentence.contains("podinfo-primary.test could not serve"), "{sentence}");
}
