//! Commands of the program that try to leave what holds them, or to see what is not theirs.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, missing_docs)] // helpers of tests are no tests to clippy

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Of a variable that the program is given and a command is not.
const SECRET: &str = "Zx81-not-theirs";

struct Tester {
    child: Child,
    port: u16,
}

impl Tester {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_canary-loadtester"))
            .args(["-port=0", "-log-level=info", "-auth=none", "-commands=shell"])
            .env("KUBECONFIG", "/nowhere")
            .env("SOME_TOKEN", SECRET)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let port = lines.by_ref().map_while(Result::ok).find_map(|line| port(&line)).expect("it started");
        // It must not wait for somebody who reads its log.
        thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Self { child, port }
    }

    /// Status and output of a command of bash.
    fn bash(&self, command: &str) -> (u16, String) {
        let metadata = json!({"type": "bash", "cmd": command, "returnCmdOutput": "true"});
        let body =
            json!({"name": "podinfo", "namespace": "test", "phase": "Progressing", "metadata": metadata});
        let body = body.to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        write!(
            stream,
            "POST / HTTP/1.1\r\nhost: tester.test\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }
}

impl Drop for Tester {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn port(line: &str) -> Option<u16> {
    let line: Value = serde_json::from_str(line).ok()?;
    line.to_string().contains("starting load tester").then(|| find(&line, "port"))??.as_u64()?.try_into().ok()
}

fn find<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    let object = value.as_object()?;
    object.get(key).or_else(|| object.values().find_map(|value| find(value, key)))
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
    let tester = Tester::start();
    let line = format!("sleep {}.0625", 100_000 + std::process::id());
    let hidden = format!("(setsid env -i {line} </dev/null >/dev/null 2>&1 &) ; echo started");
    assert_eq!(tester.bash(&hidden), (200, "started\n".into()));
    until_gone(&line);
    // Who has only lost his parent may work for as long as the command does.
    let helper = format!("({line} >/dev/null 2>&1 &) ; sleep 0.5; ps -eo args | grep -cx '{line}'");
    assert_eq!(tester.bash(&helper), (200, "1\n".into()));
    until_gone(&line);
}

#[test]
fn a_command_does_not_see_the_environment_of_the_program() {
    let tester = Tester::start();
    let (status, seen) = tester.bash("env; tr '\\0' '\\n' </proc/$PPID/environ; echo end");
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
