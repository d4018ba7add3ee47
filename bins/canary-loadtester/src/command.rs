//! Runs a command: a process group of its own, killed whole when its time is up or when it takes too much, and only the end
//! of its output kept.

mod environment;
mod failure;
mod family;
mod orphans;
mod processes;

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

pub(crate) use environment::Environment;
use failure::describe;
use family::{Family, MARK, Taken};
use orphans::Running;
pub(crate) use orphans::adopt;

/// How much of the output is kept, in bytes.
const TAIL: usize = 64 * 1024;
/// How often it is looked at what a command takes.
const LOOK: Duration = Duration::from_millis(100);
/// Run before the command in the same process: the kernel ends commands before the load tester when memory runs out, one
/// process alone does not get far beyond the limit, and a crash writes no core.
const PREPARE: &str = r#"{ echo 1000 >/proc/self/oom_score_adj; } 2>/dev/null
ulimit -c 0; ulimit -d "$0" 2>/dev/null; ulimit -t "$1" 2>/dev/null; shift; exec "$@""#;

/// How much of the machine a command may take, with everything that it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// In bytes.
    pub(crate) memory: u64,
    /// Processes and threads.
    pub(crate) tasks: u64,
    /// Time on a processor.
    pub(crate) cpu: Duration,
    /// What it sees of the environment.
    pub(crate) environment: Environment,
}

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
pub(crate) async fn run(
    invocation: &Invocation,
    bounds: &Bounds,
    limit: Duration,
    stop: &CancellationToken,
) -> Ended {
    let failed = |failure: String| Ended { output: String::new(), failure: Some(failure) };
    if !is_installed(invocation.program) {
        return failed(format!("exec: {:?}: executable file not found in $PATH", invocation.program));
    }
    let mark = uuid::Uuid::new_v4().to_string();
    let (output, mut child, _running) = match start(invocation, bounds, &mark) {
        Ok(started) => started,
        Err(error) => return failed(error.to_string()),
    };
    let mut family = Family::new(child.id(), &mark);
    let mut tail = Tail::default();
    let ending = async {
        // Whoever still holds the output is part of the command, also when its shell has gone.
        tail.read(output).await;
        child.wait().await
    };
    let killed = || "signal: killed".to_owned();
    let failure = tokio::select! {
        ended = ending => match ended {
            Ok(status) => describe(status),
            Err(error) => Some(error.to_string()),
        },
        () = tokio::time::sleep(limit) => Some(killed()),
        () = stop.cancelled() => Some(killed()),
        why = excess(&mut family, bounds) => Some(format!("{}: {why}", killed())),
    };
    family.kill();
    Ended { output: tail.text(), failure }
}

/// Waits until the command takes more than it may; what it is.
async fn excess(family: &mut Family, bounds: &Bounds) -> String {
    let mut clock = tokio::time::interval(LOOK);
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        clock.tick().await;
        let Taken { tasks, memory, cpu } = family.taken();
        if tasks > bounds.tasks {
            return format!("more than {} processes and threads (-command-processes)", bounds.tasks);
        }
        if cpu > bounds.cpu {
            return format!("more than {} s of CPU time (-command-cpu)", bounds.cpu.as_secs());
        }
        if memory > bounds.memory {
            return format!("more than {} MiB of memory (-command-memory)", bounds.memory >> 20);
        }
    }
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| is_program(&folder.join(program)))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Starts it with both outputs in one pipe, so that what it writes stays in its order.
fn start(invocation: &Invocation, bounds: &Bounds, mark: &str) -> io::Result<(Receiver, Child, Running)> {
    let (reader, writer) = io::pipe()?;
    let mut command = if is_installed("sh") {
        let mut command = Command::new("sh");
        // Address space costs nothing, and programs of Go and Java take more of it than they need.
        let data = (bounds.memory >> 10).saturating_mul(2);
        command.args(["-c", PREPARE]).arg(data.to_string());
        // The kernel knows of one process at a time. It is the second to act, so that the reason is told.
        command.arg(bounds.cpu.as_secs().saturating_mul(2).max(1).to_string()).arg(invocation.program);
        command
    } else {
        Command::new(invocation.program)
    };
    command
        .args(&invocation.arguments)
        .env_clear()
        .envs(bounds.environment.kept())
        .env(MARK, mark)
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .process_group(0);
    let (child, running) = orphans::start(|| command.spawn())?;
    // It holds the writer's end, too.
    drop(command);
    Ok((Receiver::from_owned_fd(reader.into())?, child, running))
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

    fn bounds() -> Bounds {
        let (cpu, environment) = (Duration::from_secs(60), Environment::default());
        Bounds { memory: 256 << 20, tasks: 64, cpu, environment }
    }

    async fn shell(text: &str, limit: Duration) -> Ended {
        run(&Invocation::shell("sh", text), &bounds(), limit, &CancellationToken::new()).await
    }

    /// How many processes have that command line.
    fn left(line: &str) -> usize {
        let list = std::process::Command::new("ps").args(["-eo", "args"]).output().unwrap();
        String::from_utf8_lossy(&list.stdout).lines().filter(|l| *l == line).count()
    }

    async fn until_gone(line: &str) {
        // The kernel takes a moment to end them all.
        let began = Instant::now();
        while left(line) > 0 {
            assert!(began.elapsed() < LONG, "still there: {}", left(line));
            tokio::task::yield_now().await;
        }
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn output_and_failure_are_told_as_go_tells_them() {
        let ended = shell("echo err >&2; echo out; echo err >&2; exit 3", LONG).await;
        assert_eq!(ended.output, "err\nout\nerr\n");
        assert_eq!(ended.failure.as_deref(), Some("exit status 3"));
        assert_eq!(shell("true", LONG).await, Ended { output: String::new(), failure: None });
        assert_eq!(shell("kill -SEGV $$", LONG).await.failure.as_deref(), Some("signal: segmentation fault"));
        let missing = Invocation::words("no-such-program", "");
        let missing = run(&missing, &bounds(), LONG, &CancellationToken::new()).await;
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
        until_gone(&format!("sleep {mark}")).await;
    }

    #[tokio::test]
    async fn what_leaves_its_process_group_is_killed_with_the_rest() {
        let mark = format!("{}.25", 100_000 + std::process::id());
        let text = format!("setsid sleep {mark} >/dev/null 2>&1 & sleep 0.2; echo done");
        assert_eq!(shell(&text, LONG).await, Ended { output: "done\n".into(), failure: None });
        until_gone(&format!("sleep {mark}")).await;
    }

    #[tokio::test]
    async fn what_also_hides_its_mark_is_known_by_its_parent_and_afterwards() {
        let mark = format!("{}.125", 100_000 + std::process::id());
        // It loses its parent only after it was seen.
        let text =
            format!("setsid env -i sh -c 'sleep {mark} & sleep 0.6' >/dev/null 2>&1 & sleep 1; echo done");
        assert_eq!(shell(&text, LONG).await, Ended { output: "done\n".into(), failure: None });
        until_gone(&format!("sleep {mark}")).await;
    }

    #[tokio::test]
    async fn a_fork_bomb_is_killed_before_it_takes_the_machine() {
        let mark = format!("{}.75", 100_000 + std::process::id());
        // It doubles eight times at the most, should nobody stop it.
        let bomb = format!(
            "f() {{ if [ $1 -gt 0 ]; then f $(($1 - 1)) & f $(($1 - 1)) & fi; exec sleep {mark}; }}; f 8"
        );
        let failure = shell(&bomb, LONG).await.failure.unwrap();
        assert_eq!(failure, "signal: killed: more than 64 processes and threads (-command-processes)");
        until_gone(&format!("sleep {mark}")).await;
    }

    #[tokio::test]
    async fn a_command_that_eats_memory_is_killed() {
        // One process that keeps all it reads: it meets the limit of a process, or is seen before.
        let failure = shell("head -c 4000000000 /dev/zero | tail", LONG).await.failure;
        assert!(failure.is_some(), "it was let go on");
        let many =
            "for i in 1 2 3 4; do (head -c 100000000 /dev/zero | tail -c 100000000 | sleep 60) & done; wait";
        let failure = shell(many, LONG).await.failure.unwrap();
        assert_eq!(failure, "signal: killed: more than 256 MiB of memory (-command-memory)");
    }

    #[tokio::test]
    async fn commands_that_compute_for_too_long_are_killed_whether_one_or_many() {
        let bounds = Bounds { cpu: Duration::from_secs(1), ..bounds() };
        for text in ["while :; do :; done", "for i in 1 2 3 4; do (while :; do :; done) & done; wait"] {
            let command = Invocation::shell("sh", text);
            let ended = run(&command, &bounds, LONG, &CancellationToken::new()).await;
            let told = "signal: killed: more than 1 s of CPU time (-command-cpu)";
            assert_eq!(ended.failure.as_deref(), Some(told), "{text}");
        }
    }

    #[tokio::test]
    async fn commands_see_what_programs_need_and_nothing_else_of_the_environment() {
        // Variables of this process that nobody has named.
        assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
        let see = async |environment: Environment| {
            let bounds = Bounds { environment, ..bounds() };
            let seen = run(&Invocation::shell("sh", "env"), &bounds, LONG, &CancellationToken::new()).await;
            let names = seen.output.lines().filter_map(|line| Some(line.split_once('=')?.0.to_owned()));
            names.collect::<Vec<_>>()
        };
        let names = see(Environment::default()).await;
        let has = |names: &[String], name: &str| names.iter().any(|known| known == name);
        assert!(has(&names, "PATH") && has(&names, MARK), "{names:?}");
        assert!(!names.iter().any(|name| name.starts_with("CARGO")), "{names:?}");
        let names = see(Environment::with(vec!["CARGO_MANIFEST*".to_owned()])).await;
        assert!(has(&names, "CARGO_MANIFEST_DIR") && !has(&names, "CARGO_PKG_NAME"), "{names:?}");
    }

    #[tokio::test]
    async fn a_command_ends_when_it_is_stopped() {
        let stop = CancellationToken::new();
        stop.cancel();
        let ended = run(&Invocation::shell("sh", "sleep 100"), &bounds(), LONG, &stop).await;
        assert_eq!(ended.failure.as_deref(), Some("signal: killed"));
    }
}
