//! The command line, as a program: a killed one leaves nothing behind that the next does not remove or list.
#![allow(clippy::unwrap_used, missing_docs)] // helpers of tests are no tests to clippy

#[path = "../../../crates/canary-scenario/tests/run/shop.rs"]
mod shop;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal};
use shop::Shop;

/// `STEP` is what creates an order, `ID` how the clean-up names it.
const ORDERS: &str = r#"
name: orders
load: {target: 300/s, arrivals: even}
base: http://unused
cleanup: {rate: 5000/s, time: 20s}
flows:
- name: order
  writes: true
  steps:
  - STEP
    json: {sku: a}
    capture: {order: "json $.id"}
    check: ["status 201"]
  cleanup: [{delete: "/orders/{{ ID }}", check: ["status 200..204, 404"]}]
  cleanup-at: end
judge: ["errors < 1%"]
"#;

struct Place(PathBuf);

impl Place {
    fn new(text: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("canary-file-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("orders.yaml"), text).unwrap();
        Self(folder)
    }

    fn file(&self) -> PathBuf {
        self.0.join("orders.yaml")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn tester(arguments: &[&str], file: &Path, shop: &Shop) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_canary-loadtester"));
    command.arg("run").arg(file).args(["--base", &shop.address]).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Kills a run in the middle, then runs again for a moment. What the second one says.
fn killed_and_run_again(step: &str, id: &str) -> (Shop, Output) {
    let shop = Shop::open();
    // Without a rule: a machine that is busy breaks it.
    let text = ORDERS.replace("STEP", step).replace("ID", id).replace("judge: [\"errors < 1%\"]", "");
    let place = Place::new(&text);
    let mut first = tester(&["--duration", "60s"], &place.file(), &shop).spawn().unwrap();
    shop.wait_until_made(50);
    // Without a chance to do anything.
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(shop.orders() >= 50);
    let output = tester(&["--duration", "100ms"], &place.file(), &shop).output().unwrap();
    (shop, output)
}

#[test]
fn a_killed_run_with_ids_of_its_own_leaves_nothing_once_it_is_run_again() {
    let (shop, output) = killed_and_run_again("put: \"/orders/{{ visit.id }}\"", "visit.id");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("an earlier run has left something behind"), "{said}");
    assert_eq!((shop.orders(), output.status.code()), (0, Some(0)), "{said}");
}

#[test]
fn a_killed_run_with_ids_of_the_server_leaves_only_what_is_listed() {
    let (shop, output) = killed_and_run_again("post: /orders", "order");
    let said = String::from_utf8(output.stderr).unwrap();
    let listed = said.lines().filter(|line| line.starts_with("left over of")).count();
    assert!(shop.orders() <= listed, "{} are there\n{said}", shop.orders());
    assert_eq!(output.status.code(), Some(i32::from(listed > 0)), "{said}");
    // Those alone whose answer had not been there yet.
    assert!(listed <= 50, "{said}");
}

/// Without a rule: a machine that is busy breaks it.
fn orders() -> String {
    let text = ORDERS.replace("STEP", "put: \"/orders/{{ visit.id }}\"").replace("ID", "visit.id");
    text.replace("judge: [\"errors < 1%\"]", "")
}

fn ended(child: &Child, signal: Signal) {
    rustix::process::kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn a_second_run_with_the_journal_of_the_first_is_refused_and_takes_nothing_from_it() {
    let (shop, place) = (Shop::open(), Place::new(&orders()));
    let first = tester(&["--duration", "60s"], &place.file(), &shop).spawn().unwrap();
    shop.wait_until_made(20);
    let second = tester(&["--duration", "100ms"], &place.file(), &shop).output().unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(2), "{said}");
    assert!(
        said.contains(
            "orders.journal.lock; wait for its end, or give this run a journal of its own with --journal"
        ),
        "{said}"
    );
    let other = place.0.join("other");
    let arguments = ["--duration", "100ms", "--journal", other.to_str().unwrap()];
    let third = tester(&arguments, &place.file(), &shop).output().unwrap();
    assert_eq!(third.status.code(), Some(0), "{}", String::from_utf8_lossy(&third.stderr));
    assert!(shop.orders() >= 20, "the orders of the first are gone");
    ended(&first, Signal::INT);
    let first = first.wait_with_output().unwrap();
    assert_eq!((first.status.code(), shop.orders()), (Some(0), 0), "{first:?}");
}

#[test]
fn a_run_that_is_terminated_cleans_up_and_reports() {
    let (shop, place) = (Shop::open(), Place::new(&orders()));
    let run = tester(&["--duration", "60s"], &place.file(), &shop).spawn().unwrap();
    shop.wait_until_made(20);
    ended(&run, Signal::TERM);
    let output = run.wait_with_output().unwrap();
    assert_eq!((output.status.code(), shop.orders()), (Some(0), 0), "{output:?}");
    assert!(String::from_utf8(output.stdout).unwrap().contains("writes removed, 0 left"));
}

#[test]
fn a_second_signal_ends_the_clean_up() {
    let shop = Shop::open();
    let place = Place::new(&orders().replace("rate: 5000/s", "rate: 1/s"));
    let mut run = tester(&["--duration", "60s"], &place.file(), &shop).spawn().unwrap();
    shop.wait_until_made(20);
    ended(&run, Signal::TERM);
    let mut said = BufReader::new(run.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(said.any(|line| line.starts_with("cleaning up for 1 s, 20 s at the most: ")));
    ended(&run, Signal::TERM);
    assert!(said.any(|line| line.contains("the journal has the rest")));
    assert_eq!(run.wait().unwrap().code(), Some(1));
    assert!(shop.orders() > 0);
    // So long takes what the next run does first: it shows how far it is.
    let mut next = tester(&["--duration", "100ms"], &place.file(), &shop).spawn().unwrap();
    let mut said = BufReader::new(next.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(said.any(|line| line.starts_with("cleaning up for 1 s: ")));
    next.kill().unwrap();
    next.wait().unwrap();
}

#[test]
fn what_is_left_is_a_failure_until_it_is_given_up() {
    let (shop, other) = (Shop::open(), Shop::open());
    let place = Place::new(&orders().replace("arrivals: even", "arrivals: even, requests: 2"));
    shop.refuse_to_delete();
    let again = |shop: &Shop| {
        let output = tester(&[], &place.file(), shop).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(again(&shop).0, Some(1));
    // All that it wrote itself is removed, but not all that an earlier run wrote.
    let (code, report) = again(&other);
    assert_eq!((code, other.orders(), shop.orders()), (Some(1), 0, 2), "{report}");
    assert!(report.contains("2 writes removed, 2 left"), "{report}");
    let leftovers = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_canary-loadtester"));
        let output = command.arg("leftovers").arg(place.file()).args(more).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, said) = leftovers(&[]);
    assert!(code == Some(1) && said.lines().count() == 2 && said.starts_with("left over of "), "{said}");
    let (code, said) = leftovers(&["--forget", "other"]);
    assert!(code == Some(2) && said.contains("the run \"other\" has left nothing"), "{said}");
    let (code, said) = leftovers(&["--forget-all"]);
    assert!(code == Some(0) && said.ends_with("nothing is left over\n"), "{said}");
    assert_eq!(leftovers(&[]).0, Some(0));
    assert_eq!(again(&other).0, Some(0));
}

#[test]
fn what_is_wrong_on_the_command_line_is_said_of_it_before_anything_is_sent() {
    let (shop, place) = (Shop::open(), Place::new(&orders()));
    for (arguments, said) in [
        (["--target", "fast"].as_slice(), "'fast' for '--target <RATE>': \"fast\" is no rate"),
        (&["--target", "0/s"], "'0/s' for '--target <RATE>': it takes a rate above 0"),
        (&["--duration", "soon"], "'soon' for '--duration <DURATION>': \"soon\" is no length of time"),
        (&["--duration", "1s", "-o", "/nonexist/x"], "--output: /nonexist/x cannot be written"),
        (&[], "orders.yaml:3: load.duration: it is missing"),
    ] {
        let output = tester(arguments, &place.file(), &shop).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains(said) && output.status.code() == Some(2), "{text}");
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_canary-loadtester"));
    let output = command.arg("run").arg(place.file()).args(["--base", "foo"]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("'foo' for '--base <ADDRESS>'"), "{text}");
    assert_eq!(shop.made(), 0);
}

#[test]
fn rules_decide_the_exit_code_and_mistakes_are_another() {
    let shop = Shop::open();
    let text = ORDERS.replace("STEP", "post: /orders").replace("ID", "order");
    let place = Place::new(&text.replace("errors < 1%", "p50 < 1us"));
    let report = place.0.join("report.html");
    let arguments = ["--duration", "100ms", "--report", "html", "-o", report.to_str().unwrap()];
    let output = tester(&arguments, &place.file(), &shop).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8(output.stderr).unwrap().contains("failed: p50 < 1us: it was"));
    assert!(std::fs::read_to_string(report).unwrap().contains("<svg"));

    let place = Place::new(&text.replace("status 201", "statsu 201"));
    let output = tester(&["--duration", "1s"], &place.file(), &shop).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("orders.yaml:13: flows[0].steps[0].check[0]"), "{said}");
}

#[test]
fn overlays_are_laid_over_a_file_and_shown_and_blamed() {
    let shop = Shop::open();
    let place = Place::new(&ORDERS.replace("STEP", "post: /orders").replace("ID", "order"));
    let overlay = |name: &str, text: &str| {
        let path = place.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let fast = overlay("fast.yaml", "name: staging\nload: {target: 100/s}\n");
    let wrong = overlay("wrong.yaml", "judge: []\nflows:\n- name: order\n  weight: -1\n");
    let arguments = ["--overlay", &fast, "--duration", "300ms", "--report", "json"];
    let output = tester(&arguments, &place.file(), &shop).output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["scenario"], "staging", "{report}");
    assert!(report["load"]["sent"].as_u64().is_some_and(|sent| sent > 0 && sent <= 40), "{report}");
    assert_eq!(shop.orders(), 0);

    let check = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_canary-loadtester"));
        command.arg("check").arg(place.file()).args(more).output().unwrap()
    };
    let merged = check(&["--merged", "--overlay", &fast]);
    let merged = String::from_utf8(merged.stdout).unwrap();
    assert!(merged.contains("name: staging\n") && merged.contains("  target: \"100/s\"\n"), "{merged}");
    let output = check(&["--overlay", &fast, "--overlay", &wrong]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("wrong.yaml:4: flows[0].weight: it is -1"), "{said}");
}

#[test]
fn the_schema_is_printed_and_the_documented_one_is_the_same() {
    let output = Command::new(env!("CARGO_BIN_EXE_canary-loadtester")).arg("schema").output().unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/scenario.schema.json");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &output.stdout).unwrap();
    }
    let documented = std::fs::read(path).unwrap();
    assert!(output.stdout == documented, "docs/scenario.schema.json is old; run this test with UPDATE=1");
}

#[test]
fn the_overlay_of_the_page_is_laid_over_its_first_example() {
    let page = include_str!("../../../docs/load-scenarios.md");
    let examples: Vec<&str> =
        page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let place = Place::new(examples[0]);
    let overlay = place.0.join("staging.yaml");
    let text = examples.iter().find(|example| example.starts_with("# staging.yaml")).unwrap();
    std::fs::write(&overlay, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_canary-loadtester"));
    let output = command.arg("check").arg(place.file()).arg("--overlay").arg(overlay).output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert!(String::from_utf8(output.stdout).unwrap().ends_with("checkout with 1 flows, fine\n"));
}

/// Each example of the page is run as it stands there, at another address and for a moment.
#[test]
fn the_examples_of_the_page_run_without_an_error() {
    let page = include_str!("../../../docs/load-scenarios.md");
    let examples: Vec<&str> = page
        .split("```yaml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .filter(|example| example.starts_with("name:") && !example.contains("grpc:"))
        .collect();
    assert!(examples.len() >= 3, "the page has lost its examples");
    for example in examples {
        let shop = Shop::open();
        let place = Place::new(&example.replace("1s..3s", "1ms..3ms"));
        let arguments = ["--duration", "500ms", "--report", "json"];
        let output = tester(&arguments, &place.file(), &shop).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let report: serde_json::Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {said}\n{example}"));
        assert_eq!(report["load"]["errors"], serde_json::json!({}), "{example}\n{report}");
        assert!(report["load"]["sent"].as_u64() > Some(0), "{example}\n{report}");
        assert_eq!(report["cleanup"]["leftovers"], serde_json::json!([]), "{example}");
        assert_eq!(shop.orders(), 0, "{example}");
    }
}
