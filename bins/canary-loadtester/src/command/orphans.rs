//! Processes that belong to nobody any more: they have left the group of their command, have dropped the variable that marks
//! them, and have lost their parent. The load tester adopts them, and then knows that they are its commands', for nobody else
//! starts processes here.

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::process::{getpid, set_child_subreaper};
use tokio::process::Child;

use super::family::MARK;
use super::processes::{Process, processes, variables};

/// Whether orphans come to this process, and all of its children are commands.
static ADOPTS: AtomicBool = AtomicBool::new(false);
/// The commands that run, by the number of their first process, which is that of their group.
static COMMANDS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// From now on, whoever loses his parent becomes a child of this process, and is ended unless a command still claims him. Only for
/// a process that starts nothing but commands.
pub(crate) fn adopt() {
    // The first process of a container adopts anyway; elsewhere a refusal leaves orphans to the system.
    if getpid().is_init() || set_child_subreaper(Some(getpid())).is_ok() {
        ADOPTS.store(true, Ordering::Relaxed);
    }
}

/// A command runs for as long as this is there.
pub(super) struct Running(Option<i32>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            COMMANDS.lock().unwrap_or_else(PoisonError::into_inner).remove(&pid);
        }
    }
}

/// Starts a command, whose first process is no orphan even before it is known.
pub(super) fn start(spawn: impl FnOnce() -> io::Result<Child>) -> io::Result<(Child, Running)> {
    let mut commands = COMMANDS.lock().unwrap_or_else(PoisonError::into_inner);
    let child = spawn()?;
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
    commands.extend(pid);
    Ok((child, Running(pid)))
}

/// Ends those whom no command claims, and takes leave of those that have ended.
pub(super) fn end_strays() {
    if !ADOPTS.load(Ordering::Relaxed) {
        return;
    }
    let commands = COMMANDS.lock().unwrap_or_else(PoisonError::into_inner);
    let me = getpid().as_raw_pid();
    for process in processes().filter(|process| is_stray(process, me, &commands, is_marked)) {
        process.kill();
        process.bury();
    }
}

fn is_marked(pid: i32) -> bool {
    let mark = format!("{MARK}=").into_bytes();
    variables(pid).any(|variable| variable.starts_with(&mark))
}

fn is_stray(process: &Process, me: i32, commands: &BTreeSet<i32>, is_marked: impl Fn(i32) -> bool) -> bool {
    let is_claimed = commands.contains(&process.pid)
        || commands.contains(&process.group)
        || (process.is_alive && is_marked(process.pid));
    process.parent == me && !is_claimed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strays_are_adopted_ones_without_group_and_mark() {
        let process = Process { pid: 7, parent: 1, group: 7, start: 0, tasks: 1, ticks: 0, is_alive: true };
        let commands = BTreeSet::from([5, 6]);
        let is_stray = |process: &Process, is_marked: bool| is_stray(process, 1, &commands, |_| is_marked);
        assert!(is_stray(&process, false));
        assert!(!is_stray(&process, true));
        for other in [
            Process { parent: 5, ..process.clone() },
            Process { group: 5, ..process.clone() },
            Process { pid: 6, ..process.clone() },
        ] {
            assert!(!is_stray(&other, false), "{other:?}");
        }
        // Nobody can ask the dead for their variables.
        assert!(is_stray(&Process { is_alive: false, ..process }, true));
    }
}
