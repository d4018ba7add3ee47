//! How a command failed, in the words of Go.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// Go's words for an exit status; none for success.
pub(super) fn describe(status: ExitStatus) -> Option<String> {
    match (status.code(), status.signal()) {
        (Some(0), _) => None,
        (Some(code), _) => Some(format!("exit status {code}")),
        (None, signal) => Some(format!("signal: {}", signal_name(signal.unwrap_or_default()))),
    }
}

/// Go's name of a signal, on Linux.
fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        4 => "illegal instruction",
        5 => "trace/breakpoint trap",
        6 => "aborted",
        7 => "bus error",
        8 => "floating point exception",
        9 => "killed",
        10 => "user defined signal 1",
        11 => "segmentation fault",
        12 => "user defined signal 2",
        13 => "broken pipe",
        14 => "alarm clock",
        15 => "terminated",
        16 => "stack fault",
        24 => "CPU time limit exceeded",
        25 => "file size limit exceeded",
        26 => "virtual timer expired",
        27 => "profiling timer expired",
        29 => "I/O possible",
        30 => "power failure",
        31 => "bad system call",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_statuses_and_signals_read_as_in_go() {
        let told = |raw: i32| describe(ExitStatus::from_raw(raw));
        assert_eq!(told(0), None);
        for (raw, expected) in [
            (3 << 8, "exit status 3"),
            (9, "signal: killed"),
            (11, "signal: segmentation fault"),
            (24, "signal: CPU time limit exceeded"),
            (34, "signal: signal 34"),
        ] {
            assert_eq!(told(raw).as_deref(), Some(expected));
        }
    }
}
