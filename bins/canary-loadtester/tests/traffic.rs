//! Arms and real traffic on the command line, as a program.
#![allow(clippy::unwrap_used, missing_docs)] // helpers of tests are no tests to clippy

#[path = "../../../crates/canary-scenario/tests/run/shop.rs"]
mod shop;

use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use shop::Shop;

const SCENARIO: &str = "
name: browse
load: {target: 100/s, arrivals: even, timeout: 1s, duration: 20s}
base: http://podinfo.invalid:9898
flows: [{name: look, steps: [{get: /}]}, {name: stay, steps: [{get: /b}]}]
";

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_canary-loadtester"));
    command.arg("run").args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn scenario() -> String {
    let file = std::env::temp_dir().join(format!("browse-{}.yaml", uuid::Uuid::new_v4()));
    std::fs::write(&file, SCENARIO).unwrap();
    file.display().to_string()
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// Nobody answers at either of the names, which is what a primary that degrades looks like.
#[test]
fn load_on_an_address_goes_to_both_arms_in_their_parts_and_ends_when_the_primary_degrades() {
    let both =
        ["http://podinfo.invalid/", "--rate", "200", "--timeout", "1s", "--output", "json", "--of", "each"];
    let share = ["--canary-share", "20%", "--duration", "1s"];
    let whole = report(&run(&[both.as_slice(), share.as_slice()].concat()));
    let planned = |arm: &str| {
        let of_arm = |step: &&Value| step["arm"] == arm;
        let steps = whole["report"]["steps"].as_array().unwrap().iter().filter(of_arm);
        steps.map(|step| step["planned"].as_u64().unwrap()).sum::<u64>()
    };
    let (canary, primary) = (planned("canary"), planned("primary"));
    assert!(primary > 2 * canary && canary > 0, "{canary} {primary}");

    let limits = ["--primary-limits", "errors < 5%", "--duration", "20s"];
    let output = run(&[both.as_slice(), limits.as_slice()].concat());
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(said.contains("failed: the load was aborted: the primary degraded: errors < 5%"), "{said}");
    assert!(report(&output)["report"]["seconds"].as_f64() < Some(15.0));
}

#[test]
fn a_scenario_is_aborted_and_its_report_says_so() {
    let file = scenario();
    let output =
        run(&[&file, "--of", "each", "--primary-limits", "errors < 5%; p99 < 1s", "--report", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let report = report(&output);
    let why = report["aborted"].as_str().unwrap();
    assert!(why.starts_with("the primary degraded: errors < 5%: it was 100 %"), "{why}");
    assert!(report["load"]["arms"]["canary"].is_object(), "{report}");
    let flows: Vec<&Value> =
        report["load"]["steps"].as_array().unwrap().iter().map(|step| &step["flow"]).collect();
    assert_eq!(flows, [&json!("look"), &json!("look"), &json!("stay"), &json!("stay")]);

    let output = run(&[&file, "--primary-limits", "errors < 5%"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("straight to the primary: of: each"), "{said}");
    let output = run(&[&file, "--of", "each", "--primary-limits", "requests > 5"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("the command line:1: load.primary-limits[0]: \"requests > 5\" is about"), "{said}");
    std::fs::remove_file(file).unwrap();
}

#[test]
fn real_traffic_is_asked_for_and_what_is_not_seen_is_no_success() {
    let (pods, shop, file) = (Shop::open(), Shop::open(), scenario());
    let page = format!("{}/metrics", pods.address);
    let real = ["--pods", &page, "--query", "http_requests_total", "--scrape", "200ms", "--duration", "1s"];
    for (of, more) in [(file.as_str(), ["--base", &shop.address]), (&shop.address, ["--rate", "100"])] {
        let asked = pods.requests().len();
        let output = run(&[&[of], more.as_slice(), real.as_slice()].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("failed: the real traffic that it fills up was not seen: "), "{said}");
        assert!(pods.requests().len() > asked, "{said}");
    }
    // It has not been told to send as much as it may before it sees anything.
    assert!(shop.requests().len() < 60, "{}", shop.requests().len());
    let output = run(&[&shop.address, "--of", "service"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("--rate is required"), "{said}");
    std::fs::remove_file(file).unwrap();
}
