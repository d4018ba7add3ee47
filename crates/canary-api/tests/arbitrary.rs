//! Whatever stands in an object, reading it works, and checking it ends with a value or with an error.

use canary_api::{AlertProvider, Canary, MetricTemplate, Options, ValidCanary};
use canary_core::{Capabilities, Status};
use kube::core::ObjectList;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Any JSON, three levels deep.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop_oneof![Just(2.5), Just(10.0), Just(-0.5), Just(1e300)].prop_map(Value::from),
        "[a-z0-9.]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,6}", inner, 0..4)
                .prop_map(|m| Value::Object(m.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// A canary with every section, as a base to break.
fn whole() -> Value {
    json!({
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"},
        "autoscalerRef": {
            "apiVersion": "v1", "kind": "ScaledObject", "name": "a",
            "primaryScalerQueries": {"q": "x"}, "primaryScalerReplicas": {"minReplicas": 1, "maxReplicas": 2},
        },
        "upstreamRef": {"apiVersion": "v1", "kind": "Upstream", "name": "u", "namespace": "n"},
        "progressDeadlineSeconds": 60,
        "service": {
            "port": 80, "targetPort": "http", "hosts": ["*"], "gatewayRefs": [{"name": "g"}], "mirror": [{"backendRef": {"name": "m"}}],
            "match": [{"uri": {"prefix": "/"}, "port": 80, "headers": {"a": {"exact": "b"}}}],
            "retries": {"attempts": 3}, "headers": {"request": {"add": {"a": "b"}, "remove": ["c"]}},
            "corsPolicy": {"allowOrigins": [{"exact": "x"}]}, "trafficPolicy": {"tls": {"mode": "DISABLE"}},
            "apex": {"labels": {"a": "b"}}, "unmanagedMetadata": {"labels": ["a"]},
        },
        "analysis": {
            "interval": "10s", "threshold": 1, "stepWeight": 10, "stepWeights": [1, 2], "iterations": 0,
            "match": [{"headers": {"a": {"suffix": "b"}}}],
            "metrics": [{"name": "m", "threshold": 1, "thresholdRange": {"min": 1}, "templateRef": {"name": "t"}, "templateVariables": {"a": "b"}}],
            "alerts": [{"name": "a", "severity": "warn", "providerRef": {"name": "p"}}],
            "webhooks": [{"name": "w", "url": "http://x", "retries": 1, "timeout": "5s", "metadata": {"a": "b"}}],
            "sessionAffinity": {"cookieName": "c", "maxAge": 5},
        },
    })
}

/// The paths of all values in `value`.
fn pointers(value: &Value, path: &str) -> Vec<String> {
    let below: Vec<String> = match value {
        Value::Object(fields) => {
            fields.iter().flat_map(|(k, v)| pointers(v, &format!("{path}/{k}"))).collect()
        }
        Value::Array(items) => {
            items.iter().enumerate().flat_map(|(i, v)| pointers(v, &format!("{path}/{i}"))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    std::iter::once(path.to_owned()).chain(below).collect()
}

/// Everything that is derived from a canary.
fn derive_all(canary: &Canary) {
    let routers =
        |_: &str| Ok(Capabilities::default().with_conditions().with_mirror().with_session_affinity());
    let status = canary.status().unwrap_or_default();
    match ValidCanary::new(canary, &Options::new("istio", &routers)) {
        Ok(valid) => {
            assert!(valid.plan().threshold >= 1);
            let _ =
                (valid.route(&status), valid.workload(&status), valid.metric_specs(), valid.alert_rules());
            let _ = (valid.references(), valid.query_model());
        }
        Err(error) => {
            assert!(!error.problems.is_empty());
            assert!(!error.to_string().contains('\n'));
        }
    }
}

#[test]
fn the_base_is_valid() {
    let routers =
        |_: &str| Ok(Capabilities::default().with_conditions().with_mirror().with_session_affinity());
    ValidCanary::new(&Canary::new("test", "podinfo", whole()), &Options::new("istio", &routers)).unwrap();
}

#[test]
fn every_field_may_hold_anything() {
    let odd = [
        json!(null),
        json!(true),
        json!(2.5),
        json!(-1),
        json!(1e300),
        json!(u64::MAX),
        json!("x"),
        json!(""),
        json!([]),
        json!([null, 1, "x", {}]),
        json!({}),
        json!({"a": null, "name": 5}),
    ];
    for pointer in pointers(&whole(), "") {
        for value in &odd {
            let mut spec = whole();
            *spec.pointer_mut(&pointer).unwrap() = value.clone();
            derive_all(&Canary::new("test", "podinfo", spec));
        }
    }
}

#[test]
fn one_odd_canary_does_not_break_a_list() {
    let list = json!({
        "apiVersion": "flagger.app/v1beta1", "kind": "CanaryList", "metadata": {"resourceVersion": "1"},
        "items": [
            {"metadata": {"name": "none"}},
            {"metadata": {"name": "text"}, "spec": "what?", "status": 5},
            {"metadata": {"name": "null"}, "spec": null, "status": null},
            {"metadata": {"name": "fraction"}, "spec": {"analysis": {"stepWeight": 2.5}}},
            {"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": {"name": "fine"}, "spec": whole()},
        ],
    });
    let list: ObjectList<Canary> = serde_json::from_value(list).unwrap();
    assert_eq!(list.items.len(), 5);
    list.items.iter().for_each(derive_all);
}

#[test]
fn a_watch_event_of_an_odd_canary_is_read() {
    let event = json!({"type": "ADDED", "object": {"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": {"name": "x"}, "spec": [1.5]}});
    let event: kube::core::WatchEvent<Canary> = serde_json::from_value(event).unwrap();
    assert!(matches!(event, kube::core::WatchEvent::Added(canary) if canary.spec == json!([1.5])));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_json_in_any_place_is_read(value in any_json(), at in any::<prop::sample::Index>()) {
        let mut spec = whole();
        let places = pointers(&spec, "");
        *spec.pointer_mut(&places[at.index(places.len())]).unwrap() = value.clone();
        let mut canary = Canary::new("test", "podinfo", spec);
        canary.status = value.clone();
        let text = serde_json::to_string(&canary).unwrap();
        derive_all(&serde_json::from_str(&text).unwrap());
        let _ = MetricTemplate::new("test", "t", value.clone()).check();
        let _ = AlertProvider::new("test", "a", value).check();
    }

    #[test]
    fn a_status_that_was_read_is_written_as_it_was(failed in 0..1000_i32, weight in 0..=100_i32, iterations in -1..10_i32) {
        let mut status = Status::default();
        (status.failed_checks, status.weight, status.iterations) = (failed, weight, iterations);
        let mut canary = Canary::new("test", "podinfo", Value::Null);
        canary.status = serde_json::to_value(canary_api::CanaryStatus::from(&status)).unwrap();
        prop_assert_eq!(canary.status().unwrap(), status);
    }
}
