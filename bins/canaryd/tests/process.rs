//! The program as a process: what it says and how it exits when it cannot start.

use std::process::{Command, Output};

fn canaryd(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_canaryd"));
    // Neither a pod's service account nor somebody's chat may leak into the test.
    command.env_clear().args(arguments).output().expect("the program can be started")
}

#[test]
fn the_version_goes_to_standard_output_with_success() {
    let output = canaryd(&["-version"]);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        text.split(' ').take(3).collect::<Vec<_>>(),
        ["canaryd", "version:", env!("CARGO_PKG_VERSION")]
    );
}

#[test]
fn what_cannot_work_exits_with_1_and_says_why_on_standard_error() {
    for (arguments, expected) in [
        (&["-log-level", "loud"][..], "debug, info, warn, error, fatal or panic"),
        (&["-no-such-flag"], "--no-such-flag"),
        (&["-mesh-provider", "istoi"], "-mesh-provider: unknown mesh provider"),
        (&["-metrics-server", "prometheus:9090"], "-metrics-server is not an HTTP address"),
        (&["-egress-allow", "10.0.0.0/33"], "such as 10.0.0.0/8 or 10.1.2.3"),
        (&["-event-webhook", "hooks"], "-event-webhook is malformed"),
        (&["-kubeconfig", "/does/not/exist"], "-kubeconfig: /does/not/exist cannot be read"),
        (&["-master", "10.0.0.1"], "-master is"),
        (&[], "no -kubeconfig is given"),
    ] {
        let output = canaryd(arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
        assert!(text.contains(expected), "{arguments:?}: {text}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn log_lines_are_json_unless_text_is_asked_for() {
    let line = |arguments: &[&str]| {
        let output = canaryd(arguments);
        String::from_utf8(output.stderr).unwrap().lines().last().unwrap().to_owned()
    };
    let json = line(&[]);
    assert!(
        json.starts_with(r#"{"ts":""#) && json.contains(r#""level":"error","msg":"no -kubeconfig"#),
        "{json}"
    );
    let console = line(&["-zap-encoding=console"]);
    assert!(console.contains("\terror\tno -kubeconfig"), "{console}");
}
