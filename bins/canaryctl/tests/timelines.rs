//! The timelines of the tutorial's canary under each shipped scenario, as people read them, and exit codes. `UPDATE=1`
//! rewrites the files.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/podinfo")
}

fn simulate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_canaryctl")).arg("simulate").args(arguments).output().unwrap()
}

fn canaries(file: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/canaries").join(file);
    file.to_str().unwrap().to_owned()
}

/// A file of its own in the build's folder for such files.
fn temporary(name: &str, content: &str) -> PathBuf {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.yaml"));
    std::fs::write(&file, content).unwrap();
    file
}

fn simulate_text(name: &str, content: &str) -> Output {
    simulate(&[temporary(name, content).to_str().unwrap()])
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Compares with the file of that name.
fn assert_printed(name: &str, arguments: &[&str]) {
    let output = simulate(arguments);
    let printed = text(&output.stdout);
    assert_eq!(text(&output.stderr), "", "{name}");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/timelines/{name}.txt"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, printed).unwrap();
    } else {
        assert_eq!(std::fs::read_to_string(&file).unwrap(), printed, "{name}");
    }
}

#[test]
fn every_shipped_scenario_is_played_as_written_down() {
    let listed = text(&simulate(&["--list-scenarios"]).stdout);
    let names: Vec<_> = listed.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(names.len(), 9);
    for name in names {
        assert_printed(name, &[examples().to_str().unwrap(), "--scenario", name]);
    }
}

/// Two canaries at once: each with its own hooks, checks, images and alerts.
#[test]
fn canaries_do_not_get_into_each_others_way() {
    let (two, errors) = (canaries("two.yaml"), canaries("errors.yaml"));
    assert_printed("two-healthy", &[&two, "--image", "till=2.0.0"]);
    assert_printed("two-errors", &[&two, "--scenario", &errors]);
}

#[test]
fn a_gate_that_never_opens_ends_at_the_limit() {
    let gate = canaries("gate.yaml");
    assert_printed("gated", &[&gate, "--scenario", "gate-closed", "--limit", "1h", "-n", "shop"]);
    let expected = simulate(&[&gate, "--scenario", "gate-closed", "--limit", "1h", "--expect", "failed"]);
    assert_eq!(expected.status.code(), Some(1), "not finished is not failed");
}

#[test]
fn verdicts_are_true_of_what_was_not_analysed() {
    let good = std::fs::read_to_string(examples().join("canary.yaml")).unwrap();
    for (setting, verdict) in [
        ("skipAnalysis: true", "serves all traffic; its analysis was skipped (spec.skipAnalysis)"),
        ("suspend: true", "podinfo.test never initialized: the canary is suspended (spec.suspend)"),
    ] {
        let changed = good.replacen("  analysis:\n", &format!("  {setting}\n  analysis:\n"), 1);
        let output = simulate_text(&setting[..4], &changed);
        assert!(text(&output.stdout).contains(verdict), "{}", text(&output.stdout));
    }
}

#[test]
fn a_field_that_no_canary_has_is_told_with_its_line() {
    let good = std::fs::read_to_string(examples().join("canary.yaml")).unwrap();
    let output = simulate_text("typo", &good.replace("stepWeight: 10", "stepWeight: 10\n    stepweight: 5"));
    let line = good.lines().position(|l| l.contains("stepWeight: 10")).unwrap() + 2;
    let told = format!("typo.yaml, document 1, line {line}: a Canary has no field spec.analysis.stepweight");
    assert!(text(&output.stdout).contains(&told), "{}", text(&output.stdout));
}

#[test]
fn the_readme_shows_what_is_printed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("../../README.md")).unwrap();
    let printed = std::fs::read_to_string(root.join("tests/timelines/healthy.txt")).unwrap();
    assert!(readme.contains(&printed), "paste tests/timelines/healthy.txt into the README");
}

#[test]
fn the_exit_code_says_whether_it_ended_as_expected() {
    let podinfo = examples();
    let podinfo = podinfo.to_str().unwrap();
    for (arguments, code) in [
        (vec![podinfo, "--expect", "succeeded"], 0),
        (vec![podinfo, "--expect", "failed"], 1),
        (vec![podinfo, "--scenario", "errors", "--expect", "failed"], 0),
        (vec![podinfo, "--scenario", "no-traffic", "--expect", "succeeded"], 1),
        (vec!["no/such/file.yaml"], 2),
        (vec![podinfo, "--scenario", "eror"], 2),
        (vec![podinfo, "--image", "nobody=1.0"], 2),
    ] {
        assert_eq!(simulate(&arguments).status.code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn what_is_missing_is_made_up_and_said_so() {
    let canary = examples().join("canary.yaml");
    let played = text(&simulate(&[canary.to_str().unwrap(), "--expect", "succeeded"]).stdout);
    assert!(played.contains("Deployment podinfo is not in the files and was made up"), "{played}");
    assert!(
        played.contains("HorizontalPodAutoscaler podinfo is not in the files and was made up"),
        "{played}"
    );
}

#[test]
fn a_wrong_field_is_named_with_its_line() {
    let good = std::fs::read_to_string(examples().join("canary.yaml")).unwrap();
    for (right, wrong, told) in [
        ("stepWeight: 10", "stepWeight: 2.5", "spec.analysis.stepWeight is 2.5"),
        ("kind: Deployment", "kind: Toy", "spec.targetRef.kind is \"Toy\""),
        ("type: pre-rollout", "type: prerollout", "spec.analysis.webhooks[0].type is \"prerollout\""),
        ("port: 80", "port: http", "spec.service.port is \"http\""),
        ("interval: 30s", "interval: often", "spec.analysis.metrics[1].interval: Invalid value: \"often\""),
    ] {
        let output = simulate_text("wrong", &good.replacen(right, wrong, 1));
        let error = text(&output.stderr);
        let line = good.lines().position(|l| l.contains(right)).unwrap() + 1;
        assert!(error.contains(&format!("wrong.yaml, document 1, line {line}: ")), "{error}");
        assert!(error.contains(told), "{error}");
        assert_eq!(output.status.code(), Some(2));
    }
}

#[test]
fn a_wrong_scenario_is_named_with_its_line() {
    let file = temporary("scenario", "about: x\nmetrics:\n  a:\n  - {valu: 1}\n");
    let output = simulate(&[examples().to_str().unwrap(), "--scenario", file.to_str().unwrap()]);
    let error = text(&output.stderr);
    assert!(error.contains("scenario.yaml, line 4: unknown field `valu`"), "{error}");
}

#[test]
fn json_tells_the_same() {
    let output = simulate(&[examples().to_str().unwrap(), "--scenario", "errors", "--output", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let canary = &json["canaries"][0];
    assert_eq!((&canary["verdict"], &canary["phase"]), (&"rolled-back".into(), &"Failed".into()));
    let checks = canary["timeline"].as_array().unwrap().iter().filter(|e| e["kind"] == "check");
    assert!(checks.clone().any(|c| c["passed"] == false && c["value"] == 91.5), "{canary}");
}

#[test]
fn the_definitions_are_printed() {
    let output = Command::new(env!("CARGO_BIN_EXE_canaryctl")).arg("crds").output().unwrap();
    let printed = text(&output.stdout);
    assert_eq!(printed.matches("kind: CustomResourceDefinition").count(), 3);
}

/// What the meshes and ingresses need beside the tutorial's canary.
const USERS: &str = r#"
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: test}
spec:
  rules:
  - host: app.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: podinfo, port: {number: 80}}}}]}
---
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata: {name: web, namespace: test}
spec:
  http:
  - name: web
    match: {hosts: [app.example.com], paths: ["/*"]}
    backends: [{serviceName: podinfo, servicePort: 80}]
"#;

/// The fields by which a canary names those.
const REFERENCES: &str = "ingressRef: {apiVersion: networking.k8s.io/v1, kind: Ingress, name: web}
  routeRef: {apiVersion: apisix.apache.org/v2, kind: ApisixRoute, name: web}";

#[test]
fn a_rollout_succeeds_on_every_mesh_and_ingress() {
    let good = std::fs::read_to_string(examples().join("canary.yaml")).unwrap();
    let providers = "apisix appmesh appmesh:v1beta2 contour gatewayapi:v1 gatewayapi:v1beta1 gloo istio kubernetes kuma \
                     linkerd nginx osm skipper smi:v1alpha3 traefik";
    for provider in providers.split_whitespace() {
        let canary =
            good.replacen("provider: istio", &format!("provider: {provider}\n  {REFERENCES}"), 1).replacen(
                "    port: 80\n",
                "    port: 80\n    meshName: global\n    gatewayRefs: [{name: gateway}]\n",
                1,
            );
        // The sandbox serves the kinds of the canary's own mesh.
        let users =
            if provider == "apisix" { USERS } else { USERS.split("---\napiVersion: apisix").next().unwrap() };
        let file = temporary(&provider.replace(':', "-"), &format!("{canary}{users}"));
        let output = simulate(&[file.to_str().unwrap(), "--expect", "succeeded"]);
        let told = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{provider}: {told}");
    }
}
