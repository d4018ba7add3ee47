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

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn every_shipped_scenario_is_played_as_written_down() {
    let listed = text(&simulate(&["--list-scenarios"]).stdout);
    let names: Vec<_> =
        listed.lines().map(|line| line.split_whitespace().next().unwrap().to_owned()).collect();
    assert_eq!(names.len(), 9);
    for name in names {
        let played = text(&simulate(&[examples().to_str().unwrap(), "--scenario", &name]).stdout);
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/timelines/{name}.txt"));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&file, played).unwrap();
        } else {
            assert_eq!(std::fs::read_to_string(&file).unwrap(), played, "{name}");
        }
    }
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
    let folder = std::env::temp_dir().join(format!("canaryctl-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("canary.yaml");
    let good = std::fs::read_to_string(examples().join("canary.yaml")).unwrap();
    std::fs::write(&file, good.replace("stepWeight: 10", "stepWeight: 2.5")).unwrap();
    let output = simulate(&[file.to_str().unwrap()]);
    let error = text(&output.stderr);
    let line = good.lines().position(|l| l.contains("stepWeight: 10")).unwrap() + 1;
    assert!(error.contains(&format!("canary.yaml, document 1, line {line}: ")), "{error}");
    assert!(error.contains("spec.analysis.stepWeight is 2.5"), "{error}");
    std::fs::remove_dir_all(&folder).unwrap();
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
