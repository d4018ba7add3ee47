//! The suite is worth as much as what it finds: a sound router keeps all rules, and each flaw breaks the rule that it is
//! against.

mod shelf;

use std::sync::Arc;

use canary_core::{RouteSpec, Router};
use kube::Client;
use kube::core::ApiResource;
use serde_json::{Value, json};

use self::shelf::{Flaw, Shelf, splits};
use super::rules::all_on_sandboxes;
use super::{Outcome, RouterAdapter};

/// The router of the shelf, with or without a flaw.
struct Adapter(Option<Flaw>);

impl RouterAdapter for Adapter {
    fn router(&self, client: Client) -> Arc<dyn Router> {
        Arc::new(Shelf::new(client, self.0))
    }

    fn kinds(&self) -> Vec<ApiResource> {
        vec![splits()]
    }

    fn existing(&self, _: &RouteSpec) -> Option<Value> {
        Some(json!({
            "apiVersion": "acme.io/v1", "kind": "Split", "metadata": { "name": "podinfo" },
            "spec": { "to": "podinfo-old", "timeout": "5s" },
        }))
    }

    fn spoil(&self, object: &mut Value) {
        object["spec"]["to"] = json!("elsewhere");
    }

    fn personalise(&self, object: &mut Value) {
        object["spec"]["timeout"] = json!("30s");
    }
}

crate::router_contract!(a_sound_router, Adapter(None));

#[test]
fn the_macro_makes_a_test_of_every_rule() {
    let text = include_str!("../contract.rs");
    let listed: Vec<_> = text
        .lines()
        .skip_while(|line| !line.contains("@rules ($adapter)"))
        .skip(1)
        .map(str::trim)
        .take_while(|line| !line.starts_with('}'))
        .collect();
    assert_eq!(listed, super::rule_names().collect::<Vec<_>>());
}

#[test]
fn a_flaw_is_found_by_the_rule_that_it_breaks_and_told_in_words() {
    let cases = [
        (Flaw::LosesUserFields, "what_others_wrote_survives", "loses what others wrote"),
        (
            Flaw::ResetsOnRepair,
            "a_repair_moves_no_traffic",
            "after a repair at 30 %, weights says primary 100",
        ),
        (Flaw::WritesEachTime, "a_second_call_writes_nothing", "a second reconcile sent 1 writes"),
        (Flaw::ReadsWrong, "weights_are_read_back", "after 1 % were set, weights says"),
        (Flaw::SwallowsErrors, "an_error_is_not_swallowed", "reports that all went well"),
        (Flaw::FinalizeForgets, "finalize_gives_back_what_was_found", "finalize leaves"),
        (Flaw::IgnoresVersions, "a_conflict_heals_with_the_next_call", "overwrote what somebody else wrote"),
        (Flaw::NamesNothing, "a_missing_definition_is_named", "fails without a word of splits or Split"),
        (Flaw::NamesNothing, "a_missing_permission_is_named", "fails without a word of splits"),
        (Flaw::ClaimsMirror, "requests_are_mirrored", "while mirroring, weights says"),
        (Flaw::ClaimsConditions, "conditions_choose_requests", "the header x-canary is not compared"),
        (Flaw::RemembersWeights, "an_object_that_went_away_comes_back", "podinfo is gone and weights says"),
        (Flaw::ForgetsOwner, "the_first_call_creates_what_is_missing", "Split podinfo has no owner"),
        (Flaw::LosesUserFields, "an_object_of_the_users_is_taken_over", "label or annotation is gone"),
    ];
    for (flaw, rule, told) in cases {
        let report = all_on_sandboxes(&Adapter(Some(flaw)));
        let found = report.violations().find(|violation| violation.rule == rule);
        let seen = found.map(ToString::to_string).unwrap_or_default();
        assert!(seen.contains(told), "{flaw:?} against {rule}: {seen:?} in\n{report}");
    }
}

#[test]
fn rules_that_do_not_concern_a_router_say_so_and_hold_nothing_against_it() {
    let report = all_on_sandboxes(&Adapter(None));
    assert_eq!(report.violations().count(), 0, "{report}");
    let skipped: Vec<_> = report
        .outcomes
        .iter()
        .filter(|(_, o)| matches!(o, Outcome::NotConcerned(_)))
        .map(|(r, _)| *r)
        .collect();
    assert_eq!(skipped, ["conditions_choose_requests", "requests_are_mirrored", "sessions_are_kept"]);
}

#[test]
#[should_panic(
    expected = "there is no rule \"weights\"; there are: the_first_call_creates_what_is_missing, "
)]
fn an_unknown_rule_is_an_error_that_lists_the_known_ones() {
    super::hold(&Adapter(None), "weights");
}
