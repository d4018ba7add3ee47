//! What the system tells of processes.

use std::path::PathBuf;

use rustix::param::page_size;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, pidfd_open, pidfd_send_signal, waitpid};

/// A line of `/proc/PID/stat`, as far as it matters.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) pid: i32,
    pub(super) parent: i32,
    pub(super) group: i32,
    /// When it began, in ticks since the system did.
    pub(super) start: u64,
    /// Its threads.
    pub(super) tasks: u64,
    /// Its own ticks on a processor.
    pub(super) ticks: u64,
    /// One that has ended waits for its burial.
    pub(super) is_alive: bool,
}

impl Process {
    /// Numbers are given again.
    pub(super) fn key(&self) -> (i32, u64) {
        (self.pid, self.start)
    }

    pub(super) fn kill(&self) {
        // The number may be another's by now; the descriptor is not, once the start is seen to be the same.
        if let Some(pid) = Pid::from_raw(self.pid)
            && let Ok(process) = pidfd_open(pid, PidfdFlags::empty())
            && stat(self.pid).is_some_and(|now| now.start == self.start)
        {
            let _ = pidfd_send_signal(&process, Signal::KILL);
        }
    }

    /// Takes leave of one that has ended, if that is up to this process.
    pub(super) fn bury(&self) {
        if let Some(pid) = Pid::from_raw(self.pid) {
            let _ = waitpid(Some(pid), WaitOptions::NOHANG);
        }
    }
}

/// All processes.
pub(super) fn processes() -> impl Iterator<Item = Process> {
    let folders = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    folders.filter_map(|folder| stat(folder.file_name().to_str()?.parse().ok()?))
}

fn stat(pid: i32) -> Option<Process> {
    let path: PathBuf = format!("/proc/{pid}/stat").into();
    let line = std::fs::read_to_string(path).ok()?;
    // The name may hold anything, also brackets and spaces.
    let (_, rest) = line.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let field = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Process {
        pid,
        is_alive: !matches!(*fields.first()?, "Z" | "X"),
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        tasks: field(17)?,
        start: field(19)?,
        ticks: field(11)? + field(12)?,
    })
}

/// The environment that a process was started with.
pub(super) fn variables(pid: i32) -> impl Iterator<Item = Vec<u8>> {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let variables: Vec<_> = environment.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
    variables.into_iter()
}

/// Memory that a process shares with nobody, in bytes.
pub(super) fn own_memory(pid: i32) -> u64 {
    let sizes = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let mut pages = sizes.split_whitespace().skip(1).map(|pages| pages.parse::<u64>().unwrap_or(0));
    let (resident, shared) = (pages.next().unwrap_or(0), pages.next().unwrap_or(0));
    resident.saturating_sub(shared) * page_size() as u64
}
