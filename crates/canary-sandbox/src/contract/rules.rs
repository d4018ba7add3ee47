//! The rules, and how a router is held to them.

mod abilities;
mod faults;
mod giving_back;
mod objects;
mod weights;

use futures::future::BoxFuture;
use kube::Client;

use super::adapter::RouterAdapter;
use super::bench::Bench;
use super::outcome::{Course, Outcome, Report, Stop, Violation};
use crate::Sandbox;

type Show = for<'a> fn(&'a Bench<'a>) -> BoxFuture<'a, Course>;

/// Name and course of a rule. The name is the sentence that it states.
type Rule = (&'static str, Show);

/// Makes a list of rules from async functions.
macro_rules! rules {
    ($($file:ident: $($name:ident)*;)*) => {
        const RULES: &[Rule] = &[$($((stringify!($name), |bench| Box::pin($file::$name(bench)))),*),*];
    };
}

rules! {
    objects: the_first_call_creates_what_is_missing an_object_of_the_users_is_taken_over;
    weights: weights_are_read_back a_second_call_writes_nothing;
    objects: what_others_wrote_survives;
    weights: a_repair_moves_no_traffic;
    faults: a_conflict_heals_with_the_next_call a_missing_definition_is_named a_missing_permission_is_named
        an_error_is_not_swallowed;
    giving_back: an_object_that_went_away_comes_back finalize_gives_back_what_was_found;
    abilities: conditions_choose_requests requests_are_mirrored sessions_are_kept;
}

/// The names of all rules, in the order in which [`hold_all`] holds to them.
pub fn rule_names() -> impl Iterator<Item = &'static str> {
    RULES.iter().map(|(name, _)| *name)
}

/// Holds the router to all rules on the cluster of `client`, each in a namespace of its own whose name begins with
/// `prefix`. The kinds must be served there. Namespaces and objects stay.
pub async fn hold_all(adapter: &dyn RouterAdapter, client: &Client, prefix: &str) -> Report {
    let mut report = Report::default();
    for rule in RULES {
        let outcome = hold_to(rule, adapter, client.clone(), prefix).await;
        report.outcomes.push((rule.0, outcome));
    }
    report
}

/// Holds the router to one rule, on a new sandbox that serves its kinds without a schema.
///
/// # Panics
/// The router breaks the rule, or there is no such rule. This is what the tests of
/// [`router_contract!`](crate::router_contract) do.
#[track_caller]
pub fn hold(adapter: &dyn RouterAdapter, rule: &str) {
    let found = RULES.iter().find(|(name, _)| *name == rule);
    let rule = found.unwrap_or_else(|| {
        let names: Vec<_> = rule_names().collect();
        panic!("there is no rule {rule:?}; there are: {}", names.join(", "))
    });
    match on_sandbox(rule, adapter) {
        Outcome::Held => {}
        Outcome::NotConcerned(why) => eprintln!("skipped: {why}"),
        Outcome::Broken(violation) => panic!("{violation}"),
    }
}

/// One rule on a new sandbox.
pub(super) fn on_sandbox(rule: &Rule, adapter: &dyn RouterAdapter) -> Outcome {
    let sandbox = Sandbox::new(jiff::Timestamp::UNIX_EPOCH);
    for kind in adapter.kinds() {
        sandbox.serve(&kind, !adapter.is_cluster_scoped(&kind));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime without I/O needs nothing");
    runtime.block_on(async { hold_to(rule, adapter, sandbox.client("default"), "contract").await })
}

async fn hold_to(rule: &Rule, adapter: &dyn RouterAdapter, client: Client, prefix: &str) -> Outcome {
    let (name, show) = rule;
    let namespace: String = format!("{prefix}-{}", name.replace('_', "-")).chars().take(63).collect();
    let course = match Bench::new(adapter, client, namespace.trim_end_matches('-')).await {
        Ok(bench) => show(&bench).await,
        Err(stop) => Err(stop),
    };
    match course {
        Ok(()) => Outcome::Held,
        Err(Stop::NotConcerned(why)) => Outcome::NotConcerned(why),
        Err(Stop::Broken(seen)) => Outcome::Broken(Violation { rule: name, seen }),
    }
}

/// All rules on new sandboxes, for the tests of the suite.
#[cfg(test)]
pub(super) fn all_on_sandboxes(adapter: &dyn RouterAdapter) -> Report {
    Report { outcomes: RULES.iter().map(|rule| (rule.0, on_sandbox(rule, adapter))).collect() }
}
