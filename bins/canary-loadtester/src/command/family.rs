//! Everything that a command has started: its process group, and what has left the group, known by a mark in the environment.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, kill_process_group, pidfd_open, pidfd_send_signal, waitpgid,
    waitpid,
};

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
    /// Processes that are others', by number and start.
    strangers: HashSet<(i32, u64)>,
    /// Ticks on a processor, by number and start. Who has ended is still in it.
    ticks: HashMap<(i32, u64), u64>,
}

/// A line of `/proc/PID/stat`, as far as it matters.
struct Process {
    pid: i32,
    group: i32,
    start: u64,
    tasks: u64,
    /// Its own ticks on a processor.
    ticks: u64,
}

impl Family {
    /// Those of a process group, and those with the mark.
    pub(super) fn new(group: Option<u32>, mark: &str) -> Self {
        let group = group.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let mark = format!("{MARK}={mark}").into_bytes();
        Self { group, mark, strangers: HashSet::new(), ticks: HashMap::new() }
    }

    /// What they take now.
    pub(super) fn taken(&mut self) -> Taken {
        let mut taken = Taken::default();
        for process in self.members() {
            taken.tasks += process.tasks;
            taken.memory += own_memory(process.pid);
            self.ticks.insert((process.pid, process.start), process.ticks);
        }
        let ticks: u64 = self.ticks.values().sum();
        taken.cpu = Duration::from_millis(ticks * 1000 / clock_ticks_per_second().max(1));
        taken
    }

    fn members(&mut self) -> Vec<Process> {
        let group = self.group.map_or(0, Pid::as_raw_pid);
        let mut strangers = HashSet::new();
        let mut members = Vec::new();
        for process in processes() {
            let key = (process.pid, process.start);
            if process.group == group && group != 0 {
                members.push(process);
            } else if self.strangers.contains(&key) || !self.is_marked(process.pid) {
                strangers.insert(key);
            } else {
                members.push(process);
            }
        }
        self.strangers = strangers;
        members
    }

    fn is_marked(&self, pid: i32) -> bool {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == self.mark)
    }

    /// Kills them all.
    pub(super) fn kill(&mut self) {
        for _ in 0..ROUNDS {
            if let Some(group) = self.group {
                // There may be nobody left.
                let _ = kill_process_group(group, Signal::KILL);
            }
            let left: Vec<Pid> = self.members().iter().filter_map(|m| Pid::from_raw(m.pid)).collect();
            for pid in &left {
                // The number may be another's by now; the descriptor is not.
                if let Ok(process) = pidfd_open(*pid, PidfdFlags::empty())
                    && (self.is_marked(pid.as_raw_pid()) || self.is_of_group(*pid))
                {
                    let _ = pidfd_send_signal(&process, Signal::KILL);
                }
            }
            self.bury(&left);
            if left.is_empty() {
                return;
            }
        }
    }

    fn is_of_group(&self, pid: Pid) -> bool {
        let process = stat(pid.as_raw_pid());
        process.is_some_and(|process| self.group.is_some_and(|group| process.group == group.as_raw_pid()))
    }

    /// The first process of a container inherits those whose parent has gone, and has to take their leave.
    fn bury(&self, dead: &[Pid]) {
        if let Some(group) = self.group {
            while let Ok(Some(_)) = waitpgid(group, WaitOptions::NOHANG) {}
        }
        for pid in dead {
            let _ = waitpid(Some(*pid), WaitOptions::NOHANG);
        }
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        self.kill();
    }
}

/// All processes that run; those that wait for their burial are left out.
fn processes() -> impl Iterator<Item = Process> {
    let folders = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    folders.filter_map(|folder| stat(folder.file_name().to_str()?.parse().ok()?))
}

fn stat(pid: i32) -> Option<Process> {
    let path: PathBuf = format!("/proc/{pid}/stat").into();
    let line = std::fs::read_to_string(path).ok()?;
    // The name may hold anything, also brackets and spaces.
    let (_, rest) = line.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let is_alive = !matches!(fields.first()?, &"Z" | &"X");
    is_alive.then_some(())?;
    let field = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Process {
        pid,
        group: fields.get(2)?.parse().ok()?,
        tasks: field(17)?,
        start: field(19)?,
        ticks: field(11)? + field(12)?,
    })
}

/// Memory that a process shares with nobody, in bytes.
fn own_memory(pid: i32) -> u64 {
    let sizes = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let mut pages = sizes.split_whitespace().skip(1).map(|pages| pages.parse::<u64>().unwrap_or(0));
    let (resident, shared) = (pages.next().unwrap_or(0), pages.next().unwrap_or(0));
    resident.saturating_sub(shared) * page_size() as u64
}
