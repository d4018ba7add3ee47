//! What is killed, and when: drawn from a seed.

use std::fmt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use canary_fuzz::Dice;
use canary_tests::ApiServer;

/// So many milliseconds.
pub(crate) fn between(dice: &mut Dice, least: usize, most: usize) -> Duration {
    Duration::from_millis((least + dice.below(most - least)) as u64)
}

/// The controller as a process, started again whenever it does not run.
pub(crate) struct Program {
    path: PathBuf,
    arguments: Vec<String>,
    log: PathBuf,
    child: Option<Child>,
    /// How often it ended although nobody killed it.
    pub(crate) gave_up: usize,
}

impl Program {
    pub(crate) fn new(path: PathBuf, arguments: Vec<String>, log: PathBuf) -> Self {
        Self { path, arguments, log, child: None, gave_up: 0 }
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it if it does not run, as a kubelet does.
    pub(crate) fn revive(&mut self) -> anyhow::Result<()> {
        if let Some(child) = &mut self.child {
            if child.try_wait()?.is_none() {
                return Ok(());
            }
            self.gave_up += 1;
        }
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&self.log)?;
        let mut command = Command::new(&self.path);
        command.env_clear().args(&self.arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn()?);
        Ok(())
    }

    /// What it wrote that is worth reading after a failure: the lines about one canary.
    pub(crate) fn log_about(&self, name: &str) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        log.lines().filter(|line| line.contains(name)).collect::<Vec<_>>().join("\n")
    }

    /// The lines of panics.
    pub(crate) fn panics(&self) -> Vec<String> {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        log.lines().filter(|line| line.contains("panicked")).map(str::to_owned).collect()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

/// How often each was killed.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Kills {
    pub(crate) controller: usize,
    pub(crate) server: usize,
    pub(crate) store: usize,
}

impl fmt::Display for Kills {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "killed: the controller {} times, kube-apiserver {} times, etcd {} times",
            self.controller, self.server, self.store
        )
    }
}

impl Kills {
    /// Kills one or more of the three; says for how long they are to stay down.
    pub(crate) fn strike(
        &mut self,
        dice: &mut Dice,
        server: &mut ApiServer,
        program: &mut Program,
    ) -> Duration {
        // Of ten times: five the controller alone, two the server, one etcd, one both of these, one all.
        let drawn = dice.below(10);
        let (controller, api, store) =
            (drawn < 5 || drawn == 9, (5..7).contains(&drawn) || drawn >= 8, drawn >= 7);
        if controller {
            program.kill();
            self.controller += 1;
        }
        if api {
            server.kill_server();
            self.server += 1;
        }
        if store {
            server.kill_store();
            self.store += 1;
        }
        between(dice, 0, 2500)
    }
}
