//! Files that nobody would write, for the commands that read files.

use std::time::Duration;

use canary_fuzz::Target;
use canary_sandbox::{Scenario, shipped};

use crate::play::{Request, play};
use crate::{convert, lint, manifests, world};

const WORDS: &[&str] = &[
    "apiVersion",
    "kind",
    "metadata",
    "name",
    "namespace",
    "spec",
    "Canary",
    "MetricTemplate",
    "AlertProvider",
    "Deployment",
    "DaemonSet",
    "Service",
    "List",
    "items",
    "Rollout",
    "argoproj.io/v1alpha1",
    "flagger.app/v1beta1",
    "strategy",
    "canary",
    "blueGreen",
    "steps",
    "setWeight",
    "pause",
    "duration",
    "analysis",
    "templates",
    "args",
    "trafficRouting",
    "nginx",
    "istio",
    "replicas",
    "workloadRef",
    "metrics",
    "hooks",
    "pods",
    "never_ready",
    "value",
    "weight",
    "after_seconds",
    "status",
];

/// One file as objects: what is wrong with it, what it converts to, and what would become of its canaries.
fn read(text: &str) {
    let mut objects = Vec::new();
    if manifests::parse("input.yaml", text, &mut objects).is_err() {
        return;
    }
    let _ = lint::findings(&objects, "istio");
    if let Ok(converted) = convert::convert(&objects, 80) {
        for object in &converted.objects {
            serde_saphyr::to_string(object).expect("what is converted can be written");
        }
    }
    // A rollout takes a hundred times as long as the rest.
    if !text.len().is_multiple_of(8) {
        return;
    }
    objects.truncate(12);
    let Ok(world) = world::build(objects, "default", "kubernetes") else { return };
    let scenario = shipped("healthy").expect("a shipped scenario");
    let limit = Duration::from_secs(1800);
    let request = Request { scenario, images: Vec::new(), mesh_provider: "kubernetes".into(), limit };
    let _ = play(&world, &request);
}

#[test]
fn fuzz_manifests() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let target = Target::new("manifests")
        .with_files_of("bins/canaryctl/tests", &["yaml"])
        .with_files_of("examples/podinfo", &["yaml"])
        .with_words(WORDS)
        .slow();
    target.run(|input| {
        let Ok(text) = std::str::from_utf8(input) else { return };
        read(text);
        let _ = serde_saphyr::from_str::<Scenario>(text);
    });
}
