mod abilities;
mod translated;

use std::time::Duration;

use canary_core::{
    Bounds, CheckSource, HookKind, MetricId, Severity, Status, StepBy, Steps, Strategy, TargetPort,
    UnknownName, Weight,
};
use serde_json::{Value, json};

use super::*;

/// Knows two meshes.
fn routers(name: &str) -> Result<Capabilities, UnknownName> {
    let known = ["istio", "knative"];
    let unknown =
        || UnknownName { what: "provider", name: name.into(), known: known.map(String::from).into() };
    known.contains(&name).then(all_abilities).ok_or_else(unknown)
}

fn all_abilities() -> Capabilities {
    Capabilities::default().with_conditions().with_mirror().with_session_affinity()
}

fn options() -> Options<'static> {
    Options::new("istio", &routers)
}

/// A small canary, changed by a JSON merge patch.
fn canary(patch: Value) -> Canary {
    let mut spec = json!({
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"},
        "service": {"port": 80},
        "analysis": {"interval": "10s", "threshold": 1, "stepWeight": 10},
    });
    merge(&mut spec, patch);
    Canary::new("test", "podinfo", spec)
}

fn merge(into: &mut Value, patch: Value) {
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, patch) => *into = patch,
    }
}

fn valid(patch: Value) -> ValidCanary {
    ValidCanary::new(&canary(patch), &options()).unwrap()
}

fn analysis(patch: Value) -> ValidCanary {
    let mut whole = json!({});
    whole["analysis"] = patch;
    valid(whole)
}

fn errors(patch: Value) -> Vec<String> {
    let error = ValidCanary::new(&canary(patch), &options()).unwrap_err();
    error.problems.iter().map(ToString::to_string).collect()
}

#[test]
fn wrong_values_are_told_with_field_value_and_what_would_be_right() {
    let table = [
        (
            json!({"analysis": {"stepWeight": 2.5}}),
            "spec.analysis.stepWeight is 2.5, expected a whole number between 1 and 100",
        ),
        (json!({"analysis": {"interval": 5}}), "spec.analysis.interval is 5, expected a text"),
        (
            json!({"analysis": {"iterations": "x"}}),
            "spec.analysis.iterations is \"x\", expected a whole number of at least 1",
        ),
        (json!({"analysis": {"mirror": "yes"}}), "spec.analysis.mirror is \"yes\", expected true or false"),
        (
            json!({"analysis": {"stepWeights": [5, "7"]}}),
            "spec.analysis.stepWeights[1] is \"7\", expected a whole number between 1 and 100",
        ),
        (json!({"analysis": null}), "spec.analysis is missing, expected an object"),
        (json!({"analysis": []}), "spec.analysis is [], expected an object"),
        (json!({"targetRef": {"name": null}}), "spec.targetRef.name is missing, expected a text"),
        (
            json!({"targetRef": {"kind": "StatefulSet"}}),
            "spec.targetRef.kind is \"StatefulSet\", expected one of DaemonSet, Deployment, Service",
        ),
        (
            json!({"service": null}),
            "spec.service.port is missing, expected a port number between 1 and 65535",
        ),
        (
            json!({"service": {"port": null}}),
            "spec.service.port is missing, expected a port number between 1 and 65535",
        ),
        (
            json!({"service": {"port": 70000}}),
            "spec.service.port is 70000, expected a port number between 1 and 65535",
        ),
        (
            json!({"service": {"port": 0}}),
            "spec.service.port is 0, expected a port number between 1 and 65535",
        ),
        (
            json!({"service": {"targetPort": true}}),
            "spec.service.targetPort is true, expected the number or the name of a port",
        ),
        (
            json!({"progressDeadlineSeconds": 3_000_000_000_i64}),
            "spec.progressDeadlineSeconds is 3000000000, expected a whole number of seconds",
        ),
        (json!({"provider": "acme"}), "spec.provider is \"acme\", expected one of istio, knative"),
        (
            json!({"metricsServer": ["http://user:secret@prom"]}),
            "spec.metricsServer is (not shown), expected a text",
        ),
        (
            json!({"analysis": {"webhooks": [{"name": "a", "url": "http://x", "metadata": {"tries": 3}}]}}),
            "spec.analysis.webhooks[0].metadata.tries is 3, expected a text",
        ),
        (
            json!({"analysis": {"alerts": [{"name": "a"}]}}),
            "spec.analysis.alerts[0].providerRef is missing, expected an object with name",
        ),
        (
            json!({"analysis": {"metrics": [null]}}),
            "spec.analysis.metrics[0] is null, expected an object with name",
        ),
    ];
    for (patch, problem) in table {
        assert_eq!(errors(patch.clone()), [problem], "{patch}");
    }
}

#[test]
fn a_canary_without_a_spec_is_told() {
    for (spec, value) in [(json!(null), "missing"), (json!("what?"), "\"what?\""), (json!([]), "[]")] {
        let error = ValidCanary::new(&Canary::new("test", "podinfo", spec), &options()).unwrap_err();
        let expected = "expected an object with targetRef, analysis";
        assert_eq!(error.to_string(), format!("invalid Canary podinfo.test: spec is {value}, {expected}"));
    }
}

#[test]
fn every_problem_is_told_at_once() {
    assert_eq!(errors(json!({"suspend": 1, "analysis": {"threshold": 0.5, "maxWeight": []}})).len(), 3);
}

#[test]
fn a_long_value_is_shortened() {
    let error = &errors(json!({"suspend": "x".repeat(1000)}))[0];
    assert!(error.len() < 150, "{error}");
}

#[test]
fn a_provider_of_the_flag_that_nobody_knows_is_told() {
    let error = ValidCanary::new(&canary(json!({})), &Options::new("acme", &routers)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "invalid Canary podinfo.test: spec.provider is missing, and the flag -mesh-provider is \"acme\", expected one of istio, knative"
    );
}

#[test]
fn fields_that_do_not_go_together_are_told_in_flaggers_words() {
    let knative = json!({"apiVersion": "serving.knative.dev/v1", "kind": "Service"});
    let scaler =
        json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "name": "podinfo"});
    let cookies = json!({"cookieName": "c", "primaryCookieName": "c"});
    let table = [
        (
            json!({"provider": "istio", "targetRef": knative}),
            "can't use istio provider with Knative Service as target",
        ),
        (json!({"targetRef": knative}), "can't use  provider with Knative Service as target"),
        (
            json!({"provider": "knative"}),
            "can't use apps/v1/Deployment as target if provider is set to knative",
        ),
        (
            json!({"provider": "knative", "targetRef": knative, "autoscalerRef": scaler}),
            "can't use autoscaler with Knative Service",
        ),
        (
            json!({"analysis": {"sessionAffinity": cookies}}),
            "can't use the same cookie name for both primary and cookie name; please update them to be different",
        ),
    ];
    for (patch, problem) in table {
        assert_eq!(errors(patch.clone()), [problem], "{patch}");
    }
    assert_eq!(valid(json!({"provider": "knative", "targetRef": knative})).target_kind, TargetKind::Knative);
}

#[test]
fn references_into_other_namespaces_are_refused_on_demand() {
    let foreign = |name| json!({"name": name, "namespace": "other"});
    let canary = canary(json!({
        "upstreamRef": {"apiVersion": "gloo.solo.io/v1", "kind": "Upstream", "name": "u", "namespace": "other"},
        "analysis": {
            "metrics": [{"name": "m", "templateRef": foreign("t")}, {"name": "n", "templateRef": {"name": "t", "namespace": "test"}}],
            "alerts": [{"name": "a", "providerRef": foreign("p")}],
        },
    }));
    assert!(ValidCanary::new(&canary, &options()).is_ok());
    let strict = Options { no_cross_namespace_refs: true, ..options() };
    let error = ValidCanary::new(&canary, &strict).unwrap_err();
    assert_eq!(
        error.problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "can't access gloo upstream u.other, cross-namespace references are blocked",
            "can't access metric template t.other, cross-namespace references are blocked",
            "can't access alert provider p.other, cross-namespace references are blocked",
        ]
    );
}
