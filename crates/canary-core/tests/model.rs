//! Every state that small plans can get into: by every answer to every question, a crash or a failure after any effect and
//! around the commit, any fate of the pods, and a user who applies revisions, suspends, steers by hand, deletes.
//!
//! In each of them the rules of `support/model/rules.rs` hold, and from each the rollout ends, or waits for somebody who is
//! listed in `support/model/endings.rs`.
#![allow(clippy::print_stdout, reason = "the number of states is what one wants to know")]

#[path = "support/model.rs"]
mod model;

use std::time::Duration;

use canary_core::{Capabilities, Check, CheckSource, Hook, HookKind, Plan, Steps, Strategy, Weight};
use model::endings::{self, Weather};
use model::explore::Model;
use model::node::User;

fn plan(strategy: Strategy) -> Plan {
    let mut plan = Plan::new("podinfo", "test");
    plan.interval = Duration::from_secs(10);
    plan.strategy = strategy;
    plan.threshold = 1;
    plan.checks = vec![Check::new("errors", CheckSource::Template).within(None, Some(5.0))];
    plan
}

fn hooked(mut plan: Plan, kinds: &[HookKind]) -> Plan {
    plan.hooks = kinds.iter().map(|k| Hook::new(k.as_str(), *k, "http://hooks/")).collect();
    plan
}

fn even() -> Strategy {
    Strategy::Weighted(Steps::even(30, 50))
}

/// Explores, plays to the end in every weather, and says how much that was.
fn holds(name: &'static str, plan: Plan, user: User) {
    let model = Model::new(name, plan, user);
    let found = model.explore();
    let ends: usize = Weather::ALL.iter().map(|w| endings::check(&model, &found, *w)).sum();
    println!(
        "model {name}: {} states, {} transitions, {} decisions, {ends} ends",
        found.parents.len(),
        found.transitions,
        found.decisions
    );
    assert!(found.parents.len() > 100, "{name}: only {} states", found.parents.len());
}

const ONE: User =
    User { revisions: 1, suspends: false, deletes: false, steers: false, breaks: false, aborts: false };
const TWO: User = User { revisions: 2, ..ONE };

#[test]
fn weighted_rollouts_keep_the_rules_and_end() {
    holds("weighted", plan(even()), ONE);
    holds("weighted, two revisions", plan(Strategy::Weighted(Steps::even(50, 50))), TWO);
}

#[test]
fn weighted_rollouts_with_a_higher_threshold_and_steps_back_keep_the_rules_and_end() {
    let mut plan = plan(even());
    plan.threshold = 2;
    plan.step_weight_promotion = 40;
    holds("weighted, stepWeightPromotion", plan, ONE);
}

#[test]
fn listed_weights_keep_the_rules_and_end() {
    let weights = [5, 50].map(|w| Weight::new(w).unwrap());
    holds("stepWeights", plan(Strategy::Weighted(Steps::listed(&weights))), ONE);
}

#[test]
fn mirrored_rollouts_keep_the_rules_and_end() {
    let mut plan = plan(even());
    plan.mirror = true;
    holds("mirror", plan, ONE);
}

#[test]
fn a_b_tests_keep_the_rules_and_end() {
    holds("A/B", plan(Strategy::AbTesting { iterations: 2 }), ONE);
}

#[test]
fn blue_green_rollouts_keep_the_rules_and_end() {
    holds("blue/green", plan(Strategy::BlueGreen { iterations: 2 }), ONE);
    let mut mirrored = plan(Strategy::BlueGreen { iterations: 1 });
    mirrored.mirror = true;
    holds("blue/green, mirror", mirrored, ONE);
}

#[test]
fn rollouts_without_a_mesh_keep_the_rules_and_end() {
    let mut plan = plan(Strategy::BlueGreen { iterations: 2 });
    plan.capabilities = Capabilities::NONE;
    holds("kubernetes", plan, ONE);
}

#[test]
fn gated_rollouts_keep_the_rules_and_end() {
    let gates =
        [HookKind::ConfirmRollout, HookKind::PreRollout, HookKind::ConfirmPromotion, HookKind::Rollback];
    holds("gates", hooked(plan(Strategy::Weighted(Steps::even(50, 50))), &gates), ONE);
    let traffic = [HookKind::ConfirmTrafficIncrease, HookKind::Rollout, HookKind::PostRollout];
    holds("traffic gate", hooked(plan(even()), &traffic), ONE);
    holds("A/B, gates", hooked(plan(Strategy::AbTesting { iterations: 1 }), &gates), ONE);
    holds("blue/green, gates", hooked(plan(Strategy::BlueGreen { iterations: 1 }), &gates), ONE);
}

#[test]
fn skipped_analyses_keep_the_rules_and_end() {
    let mut plan = plan(even());
    plan.skip_analysis = true;
    holds("skipAnalysis", plan, ONE);
}

#[test]
fn suspended_and_steered_rollouts_keep_the_rules_and_end() {
    holds("suspend", plan(Strategy::Weighted(Steps::even(50, 50))), User { suspends: true, ..ONE });
    holds("weights by hand", plan(even()), User { steers: true, ..ONE });
    holds("objects deleted by hand", plan(even()), User { breaks: true, ..ONE });
}

#[test]
fn rollouts_that_people_abort_at_any_instant_keep_the_rules_and_end() {
    let aborts = User { aborts: true, ..ONE };
    holds("abort", plan(even()), aborts);
    let gates = [HookKind::ConfirmRollout, HookKind::ConfirmPromotion];
    holds("abort, gates", hooked(plan(Strategy::Weighted(Steps::even(50, 50))), &gates), aborts);
    let mut unweighted = plan(Strategy::BlueGreen { iterations: 1 });
    unweighted.capabilities = Capabilities::NONE;
    holds("abort, kubernetes", unweighted, aborts);
}

#[test]
fn deleted_canaries_give_everything_back_and_go() {
    let mut plan = plan(Strategy::Weighted(Steps::even(50, 50)));
    plan.revert_on_deletion = true;
    plan.has_autoscaler = true;
    holds("revertOnDeletion", plan, User { deletes: true, ..ONE });
}
