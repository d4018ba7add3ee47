//! Objects of our kinds, with everything that is derived from one.

use canary_api::{AlertProvider, Canary, MetricTemplate, Options, ValidCanary};
use canary_core::{Capabilities, Status};
use canary_fuzz::Target;
use canary_metrics::Template;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What stands in fields of these kinds.
pub(crate) const WORDS: &[&str] = &[
    "targetRef",
    "autoscalerRef",
    "service",
    "analysis",
    "provider",
    "istio",
    "kubernetes",
    "gatewayapi:v1",
    "knative",
    "Deployment",
    "DaemonSet",
    "Service",
    "apps/v1",
    "serving.knative.dev/v1",
    "interval",
    "threshold",
    "maxWeight",
    "stepWeight",
    "stepWeights",
    "stepWeightPromotion",
    "iterations",
    "mirror",
    "mirrorWeight",
    "match",
    "headers",
    "metrics",
    "thresholdRange",
    "min",
    "max",
    "templateRef",
    "query",
    "webhooks",
    "confirm-promotion",
    "rollback",
    "timeout",
    "10s",
    "-5m",
    "99999999999h",
    "sessionAffinity",
    "maxAge",
    "revertOnDeletion",
    "suspend",
    "skipAnalysis",
    "100",
    "101",
    "canaryd/command",
];

/// An object of a kind, whichever it says that it is.
fn read<T: DeserializeOwned>(object: &Value) -> Option<T> {
    serde_json::from_value(object.clone()).ok()
}

/// Everything that the controller derives from an object before it acts.
pub(crate) fn derive(object: &Value) {
    if let Some(canary) = read::<Canary>(object) {
        let of_canary = (
            canary_api::command(&canary.metadata),
            canary_api::steering(&canary.metadata),
            canary_api::history(&canary.metadata),
        );
        let _ = format!("{of_canary:?}");
        let status = canary.status().unwrap_or_default();
        for can in [
            Capabilities::default(),
            Capabilities::default().with_conditions().with_mirror().with_session_affinity(),
        ] {
            let routers = |_: &str| Ok(can);
            match ValidCanary::new(&canary, &Options::new("istio", &routers)) {
                Ok(valid) => derive_all(&valid, &status),
                Err(error) => assert!(!error.problems.is_empty(), "refused without a reason"),
            }
        }
    }
    if let Some(template) = read::<MetricTemplate>(object)
        && let Ok(spec) = template.check()
    {
        let _ = Template::parse(&spec.query);
    }
    if let Some(provider) = read::<AlertProvider>(object) {
        let _ = provider.check();
    }
}

fn derive_all(valid: &ValidCanary, status: &Status) {
    let plan = valid.plan();
    assert!(plan.threshold >= 1, "a threshold of {}", plan.threshold);
    let _ = (valid.route(status), valid.workload(status), valid.metric_specs(), valid.alert_rules());
    let _ = (valid.references(), valid.query_model(), valid.apex().len(), valid.owner());
}

#[test]
fn fuzz_objects() {
    let target = Target::new("objects").with_files_of("examples", &["yaml"]).with_words(WORDS);
    target.run(|input| {
        let Ok(text) = std::str::from_utf8(input) else { return };
        let Ok(objects) = serde_saphyr::from_multiple::<Value>(text) else { return };
        objects.iter().for_each(derive);
    });
}
