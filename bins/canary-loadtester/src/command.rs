//! Runs a command: a process group of its own, killed whole when its time is up, and only the end of its output kept.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

/// How much of the output is kept, in bytes.
const TAIL: usize = 64 * 1024;

/// A program with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invocation {
    pub(crate) program: &'static str,
    pub(crate) arguments: Vec<String>,
}

impl Invocation {
    /// The text run by a shell.
    pub(crate) fn shell(shell: &'static str, text: &str) -> Self {
        Self { program: shell, arguments: vec!["-c".into(), text.into()] }
    }

    /// The text split on whitespace as arguments of a program. Quotes mean nothing, as in Flagger.
    pub(crate) fn words(program: &'static str, text: &str) -> Self {
        Self { program, arguments: text.split_whitespace().map(str::to_owned).collect() }
    }
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// The end of what it wrote, both streams together.
    pub(crate) output: String,
    /// Why it failed, in the words of Go.
    pub(crate) failure: Option<String>,
}

/// Runs it to its end, for `limit` at the most, or until `stop`.
pub(crate) async fn run(invocation: &Invocation, limit: Duration, stop: &CancellationToken) -> Ended {
    let failed = |failure: String| Ended { output: String::new(), failure: Some(failure) };
    let (output, mut child) = match start(invocation) {
        Ok(started) => started,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return failed(format!("exec: {:?}: executable file not found in $PATH", invocation.program));
        }
        Err(error) => return failed(error.to_string()),
    };
    let _group = Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw));
    let mut tail = Tail::default();
    let ending = async {
        // Whoever still holds the output is part of the command, also when its shell has gone.
        tail.read(output).await;
        child.wait().await
    };
    let ended = tokio::select! {
        ended = ending => ended,
        () = tokio::time::sleep(limit) => return Ended { output: tail.text(), failure: Some("signal: killed".into()) },
        () = stop.cancelled() => return Ended { output: tail.text(), failure: Some("signal: killed".into()) },
    };
    let failure = match ended {
        Ok(status) => describe(status),
        Err(error) => Some(error.to_string()),
    };
    Ended { output: tail.text(), failure }
}

/// Starts it with both outputs in one pipe, so that what it writes stays in its order.
fn start(invocation: &Invocation) -> io::Result<(Receiver, Child)> {
    let (reader, writer) = io::pipe()?;
    let child = Command::new(invocation.program)
        .args(&invocation.arguments)
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .process_group(0)
        .spawn()?;
    Ok((Receiver::from_owned_fd(reader.into())?, child))
}

/// Kills what is left of a process group when it goes out of scope, also when the task that ran it is given up.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // There may be nobody left.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Go's words for an exit status; none for success.
fn describe(status: ExitStatus) -> Option<String> {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(0), _) => None,
        (Some(code), _) => Some(format!("exit status {code}")),
        (None, Some(9)) => Some("signal: killed".into()),
        (None, Some(15)) => Some("signal: terminated".into()),
        (None, signal) => Some(format!("signal: {}", signal.unwrap_or_default())),
    }
}

/// The end of an output of any length.
#[derive(Default)]
struct Tail(Vec<u8>);

impl Tail {
    async fn read(&mut self, mut output: Receiver) {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = output.read(&mut buffer).await {
            self.push(&buffer[..read]);
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        if self.0.len() > 2 * TAIL {
            self.0.drain(..self.0.len() - TAIL);
        }
    }

    fn text(&self) -> String {
        let start = self.0.len().saturating_sub(TAIL);
        String::from_utf8_lossy(&self.0[start..]).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    async fn shell(text: &str, limit: Duration) -> Ended {
        run(&Invocation::shell("sh", text), limit, &CancellationToken::new()).await
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn output_and_failure_are_told_as_go_tells_them() {
        let ended = shell("echo err >&2; echo out; echo err >&2; exit 3", LONG).await;
        assert_eq!(ended.output, "err\nout\nerr\n");
        assert_eq!(ended.failure.as_deref(), Some("exit status 3"));
        assert_eq!(shell("true", LONG).await, Ended { output: String::new(), failure: None });
        assert_eq!(shell("kill -9 $$", LONG).await.failure.as_deref(), Some("signal: killed"));
        let missing = run(&Invocation::words("no-such-program", ""), LONG, &CancellationToken::new()).await;
        assert_eq!(
            missing.failure.unwrap(),
            r#"exec: "no-such-program": executable file not found in $PATH"#
        );
    }

    #[tokio::test]
    async fn endless_output_is_cut_to_its_end() {
        let ended = shell("head -c 10000000 /dev/zero | tr '\\0' x; echo; echo last", LONG).await;
        assert_eq!(ended.output.len(), TAIL);
        assert!(ended.output.ends_with("\nlast\n"));
    }

    #[tokio::test]
    async fn when_time_is_up_everything_that_the_command_started_is_killed() {
        let mark = format!("{}.5", 100_000 + std::process::id());
        let began = Instant::now();
        let text = format!("for i in 1 2 3 4 5; do (sleep {mark} & sleep {mark}) & done; echo on; wait");
        let ended = shell(&text, Duration::from_millis(500)).await;
        assert_eq!((ended.output.as_str(), ended.failure.as_deref()), ("on\n", Some("signal: killed")));
        assert!(began.elapsed() < LONG);
        // The kernel takes a moment to end them all.
        let left = || {
            let list = std::process::Command::new("ps").args(["-eo", "args"]).output().unwrap();
            String::from_utf8_lossy(&list.stdout).lines().filter(|l| *l == format!("sleep {mark}")).count()
        };
        while left() > 0 {
            assert!(began.elapsed() < LONG, "still there: {}", left());
        }
    }

    #[tokio::test]
    async fn a_command_ends_when_it_is_stopped() {
        let stop = CancellationToken::new();
        stop.cancel();
        let ended = run(&Invocation::shell("sh", "sleep 100"), LONG, &stop).await;
        assert_eq!(ended.failure.as_deref(), Some("signal: killed"));
    }
}
