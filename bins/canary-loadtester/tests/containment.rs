//! Commands of the program that try to leave what holds them, or to see what is not theirs.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, missing_docs)] // helpers of tests are no tests to clippy

#[path = "program/server.rs"]
mod program;

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use program::Tester;
use serde_json::json;

/// Of a variable that the program is given and a command is not.
const SECRET: &str = "Zx81-not-theirs";

fn start() -> Tester {
    let flags = ["-auth=none", "-commands=shell"];
    Tester::start(|command| command.args(flags).env("KUBECONFIG", "/nowhere").env("SOME_TOKEN", SECRET))
}

/// Status and output of a command of bash.
fn bash(tester: &Tester, command: &str) -> (u16, String) {
    let metadata = json!({"type": "bash", "cmd": command, "returnCmdOutput": "true"});
    let body = json!({"name": "podinfo", "namespace": "test", "phase": "Progressing", "metadata": metadata});
    tester.ask("POST", "/", &body.to_string())
}

/// How many processes have that command line.
fn left(line: &str) -> usize {
    let list = Command::new("ps").args(["-eo", "args"]).output().unwrap();
    String::from_utf8_lossy(&list.stdout).lines().filter(|l| *l == line).count()
}

fn until_gone(line: &str) {
    let began = Instant::now();
    while left(line) > 0 {
        assert!(began.elapsed() < Duration::from_secs(60), "still there: {}", left(line));
        thread::park_timeout(Duration::from_millis(50));
    }
}

#[test]
fn a_process_that_hides_everything_and_loses_its_parent_is_ended_too() {
    let tester = start();
    let line = format!("sleep {}.0625", 100_000 + std::process::id());
    let hidden = format!("(setsid env -i {line} </dev/null >/dev/null 2>&1 &) ; echo started");
    assert_eq!(bash(&tester, &hidden), (200, "started\n".into()), "{}", tester.said());
    until_gone(&line);
    // Who has only lost his parent may work for as long as the command does.
    let helper = format!("({line} >/dev/null 2>&1 &) ; sleep 0.5; ps -eo args | grep -cx '{line}'");
    assert_eq!(bash(&tester, &helper), (200, "1\n".into()));
    until_gone(&line);
}

#[test]
fn a_command_does_not_see_the_environment_of_the_program() {
    let tester = start();
    let (status, seen) = bash(&tester, "env; tr '\\0' '\\n' </proc/$PPID/environ; echo end");
    assert_eq!(status, 200, "{seen}");
    assert!(seen.ends_with("end\n"), "{seen}");
    // The system shows everything to a root that may trace.
    let may_trace = std::fs::read_to_string("/proc/self/status")
        .unwrap()
        .lines()
        .filter_map(|line| u64::from_str_radix(line.strip_prefix("CapEff:")?.trim(), 16).ok())
        .any(|capabilities| capabilities & (1 << 19) != 0);
    assert_eq!(seen.contains(SECRET), may_trace, "{seen}");
}
