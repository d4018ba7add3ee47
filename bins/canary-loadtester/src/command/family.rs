//! Everything that a command has started: its process group, what has left the group, known by a mark in the environment, and
//! what these have started.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use rustix::param::clock_ticks_per_second;
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, waitpgid};

use super::orphans;
use super::processes::{Process, own_memory, processes, variables};

/// The variable with the mark.
pub(super) const MARK: &str = "CANARY_LOADTESTER_COMMAND";
/// Rounds of killing: whoever is killed may just have started somebody.
const ROUNDS: usize = 20;

/// What the processes of a command take together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// Processes and their threads.
    pub(super) tasks: u64,
    /// Memory of their own, in bytes.
    pub(super) memory: u64,
    /// Time on a processor, also of processes that have ended.
    pub(super) cpu: Duration,
}

/// The processes of one command. They are killed when this goes out of scope, also when whoever ran them is given up.
pub(super) struct Family {
    group: Option<Pid>,
    mark: Vec<u8>,
    /// Processes without the mark, by number and start.
    unmarked: HashSet<(i32, u64)>,
    /// Who was a member when last looked at, also without group and mark.
    known: HashSet<(i32, u64)>,
    /// Ticks on a processor, by number and start. Who has ended is still in it.
    ticks: HashMap<(i32, u64), u64>,
}

impl Family {
    /// Those of a process group, and those with the mark.
    pub(super) fn new(group: Option<u32>, mark: &str) -> Self {
        let group = group.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let mark = format!("{MARK}={mark}").into_bytes();
        Self { group, mark, unmarked: HashSet::new(), known: HashSet::new(), ticks: HashMap::new() }
    }

    /// What they take now.
    pub(super) fn taken(&mut self) -> Taken {
        orphans::end_strays();
        let mut taken = Taken::default();
        for process in self.members() {
            taken.tasks += process.tasks;
            taken.memory += own_memory(process.pid);
            self.ticks.insert(process.key(), process.ticks);
        }
        let ticks: u64 = self.ticks.values().sum();
        taken.cpu = Duration::from_millis(ticks * 1000 / clock_ticks_per_second().max(1));
        taken
    }

    fn members(&mut self) -> Vec<Process> {
        let (mut members, mut others): (Vec<_>, Vec<_>) = (Vec::new(), Vec::new());
        let mut unmarked = HashSet::new();
        for process in processes().filter(|process| process.is_alive) {
            if self.has_group(&process) || self.known.contains(&process.key()) {
                members.push(process);
            } else if self.unmarked.contains(&process.key()) || !self.is_marked(process.pid) {
                unmarked.insert(process.key());
                others.push(process);
            } else {
                members.push(process);
            }
        }
        // Children of members, and theirs.
        let mut at = 0;
        while at < members.len() {
            let parent = members[at].pid;
            members.extend(others.extract_if(.., |process| process.parent == parent));
            at += 1;
        }
        self.unmarked = unmarked;
        self.known = members.iter().map(Process::key).collect();
        members
    }

    fn has_group(&self, process: &Process) -> bool {
        self.group.is_some_and(|group| process.group == group.as_raw_pid())
    }

    fn is_marked(&self, pid: i32) -> bool {
        variables(pid).any(|variable| variable == self.mark)
    }

    /// Kills them all.
    pub(super) fn kill(&mut self) {
        for _ in 0..ROUNDS {
            if let Some(group) = self.group {
                // There may be nobody left.
                let _ = kill_process_group(group, Signal::KILL);
            }
            let left = self.members();
            for process in &left {
                process.kill();
            }
            self.bury(&left);
            if left.is_empty() {
                break;
            }
        }
        orphans::end_strays();
    }

    /// The first process of a container inherits those whose parent has gone, and has to take their leave.
    fn bury(&self, dead: &[Process]) {
        if let Some(group) = self.group {
            while let Ok(Some(_)) = waitpgid(group, WaitOptions::NOHANG) {}
        }
        for process in dead {
            process.bury();
        }
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        self.kill();
    }
}
