//! Metadata of the objects that we make: which labels and annotations are taken over from the user's, and the owner.
//! Not for the objects' content.

use canary_core::Owner;
use serde_json::{Value, json};

use crate::fields::Fields;

/// The annotation that makes the primary's pods differ from one promotion to the next.
pub(crate) const FLAGGER_ID: &str = "flagger-id";

/// Keys of the annotations by which Flux leaves an object alone, with their value.
pub(crate) const FLUX_OPT_OUT: [(&str, &str); 2] = [
    ("kustomize.toolkit.fluxcd.io/reconcile", "disabled"),
    ("helm.toolkit.fluxcd.io/driftDetection", "disabled"),
];

/// Keys that say which Flux object applied the source. A copy that had them would be pruned.
const TOOLKIT: &str = "toolkit.fluxcd.io";

/// Keys that the controllers of workloads write on each workload for themselves.
const WORKLOAD_CONTROLLERS: [&str; 2] =
    ["deployment.kubernetes.io/", "deprecated.daemonset.template.generation"];

/// The name of the copy of an object that the primary uses.
pub(crate) fn primary_name(name: &str) -> String {
    format!("{name}-primary")
}

/// The controller reference to the canary.
pub(crate) fn owner_reference(owner: &Owner) -> Value {
    json!({
        "apiVersion": owner.api_version,
        "kind": owner.kind,
        "name": owner.name,
        "uid": owner.uid,
        "controller": true,
        "blockOwnerDeletion": true,
    })
}

/// All entries but those of the Flux toolkit.
pub(crate) fn without_toolkit(entries: Fields) -> Fields {
    entries.into_iter().filter(|(key, _)| !key.contains(TOOLKIT)).collect()
}

/// Of those, the ones whose key begins with one of `prefixes`; `*` stands for all, an empty prefix for none.
pub(crate) fn by_prefix(entries: Fields, prefixes: &[String]) -> Fields {
    let allowed =
        |key: &str| prefixes.iter().any(|p| p == "*" || (!p.is_empty() && key.starts_with(p.as_str())));
    without_toolkit(entries).into_iter().filter(|(key, _)| allowed(key)).collect()
}

/// All entries but those of the toolkit, and `key` with `value`.
pub(crate) fn primary_labels(entries: Fields, key: &str, value: &str) -> Fields {
    let mut labels = without_toolkit(entries);
    labels.insert(key.to_owned(), value.into());
    labels
}

/// All entries but those of the toolkit, and that `flagger-id`.
pub(crate) fn pod_annotations(entries: Fields, id: &str) -> Fields {
    primary_labels(entries, FLAGGER_ID, id)
}

/// Splits off what a workload's controller wrote for itself: on a copy it would be wrong, and the copy has its own.
pub(crate) fn of_workload_controllers(entries: Fields) -> (Fields, Fields) {
    entries.into_iter().partition(|(key, _)| WORKLOAD_CONTROLLERS.iter().any(|own| key.starts_with(own)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::into_fields;

    fn source() -> Fields {
        into_fields(json!({
            "team": "web", "example.com/a": "1", "other": "x", "kustomize.toolkit.fluxcd.io/name": "apps",
        }))
    }

    fn prefixes(list: &[&str]) -> Vec<String> {
        list.iter().map(|p| (*p).to_owned()).collect()
    }

    #[test]
    fn prefixes_choose_entries_and_never_those_of_the_toolkit() {
        for (list, expected) in [
            (vec![""], json!({})),
            (vec![], json!({})),
            (vec!["team", "example.com/"], json!({"team": "web", "example.com/a": "1"})),
            (vec!["*"], json!({"team": "web", "example.com/a": "1", "other": "x"})),
            (vec!["kustomize"], json!({})),
        ] {
            assert_eq!(Value::Object(by_prefix(source(), &prefixes(&list))), expected, "{list:?}");
        }
    }

    #[test]
    fn the_selector_label_replaces_the_one_that_was_there() {
        let labels = primary_labels(source(), "team", "web-primary");
        assert_eq!(Value::Object(labels), json!({"team": "web-primary", "example.com/a": "1", "other": "x"}));
    }

    #[test]
    fn a_flagger_id_that_was_copied_is_replaced() {
        let annotations = pod_annotations(into_fields(json!({"flagger-id": "old", "a": "b"})), "new");
        assert_eq!(Value::Object(annotations), json!({"flagger-id": "new", "a": "b"}));
    }
}
