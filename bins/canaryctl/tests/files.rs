//! What `lint` finds and `convert` makes of files, as people read it. `UPDATE=1` rewrites the expected texts.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// Runs it where the files are, so that their names are short.
fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_canaryctl")).current_dir(folder()).args(arguments).output().unwrap()
}

fn assert_printed(expected: &str, arguments: &[&str], code: i32) -> String {
    let output = run(arguments);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{arguments:?}");
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {printed}");
    let file = folder().join(expected);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, &printed).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), printed, "{arguments:?}");
    printed
}

#[test]
fn lint_names_line_fault_and_remedy() {
    assert_printed("lint/odd.txt", &["lint", "lint/odd.yaml"], 1);
    assert_printed("lint/odd.github.txt", &["lint", "lint/odd.yaml", "-o", "github"], 1);
    let sarif = assert_printed("lint/odd.sarif", &["lint", "lint/odd.yaml", "-o", "sarif"], 1);
    let sarif: serde_json::Value = serde_json::from_str(&sarif).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    let found: serde_json::Value =
        serde_json::from_slice(&run(&["lint", "lint/odd.yaml", "-o", "json"]).stdout).unwrap();
    assert_eq!(sarif["runs"][0]["results"].as_array().unwrap().len(), found.as_array().unwrap().len());
}

#[test]
fn lint_tells_what_the_router_lacks() {
    let printed = assert_printed("lint/router.txt", &["lint", "lint/router.yaml"], 1);
    assert!(printed.contains("[router-lacks]"), "{printed}");
}

#[test]
fn the_examples_have_no_errors() {
    let output = run(&["lint", "../../../examples"]);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}");
}

#[test]
fn a_rollout_is_converted_and_what_is_lost_is_told() {
    let printed = assert_printed("convert/rollout.txt", &["convert", "convert/rollout.yaml"], 0);
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("converted.yaml");
    std::fs::write(&file, &printed).unwrap();
    let file = file.to_str().unwrap();
    let linted = run(&["lint", file]);
    assert!(linted.status.success(), "{}", String::from_utf8(linted.stdout).unwrap());
    let strict = run(&["convert", "convert/rollout.yaml", "--strict"]);
    assert_eq!(strict.status.code(), Some(1));
}

#[test]
fn completion_and_manual_name_every_subcommand() {
    let script = String::from_utf8(run(&["completion", "bash"]).stdout).unwrap();
    let manual = String::from_utf8(run(&["man"]).stdout).unwrap();
    for name in ["list", "get", "status", "promote", "abort", "lint", "convert"] {
        assert!(script.contains(name) && manual.contains(name), "{name}");
    }
    let pages = Path::new(env!("CARGO_TARGET_TMPDIR")).join("man");
    assert!(run(&["man", "--folder", pages.to_str().unwrap()]).status.success());
    assert!(pages.join("canaryctl-abort.1").exists());
}
