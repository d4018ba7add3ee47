//! The process's own numbers, under the names that every Prometheus client library uses. They come from `/proc`; where there is
//! none, there are no series.

use std::fmt::Write;
use std::fs;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

use crate::query::as_number;

/// What `/proc/self/stat` says, in seconds and bytes.
#[derive(Debug, PartialEq)]
struct Stat {
    cpu: f64,
    /// Since the machine started.
    started: f64,
    virtual_memory: u64,
    resident_memory: u64,
}

impl Stat {
    /// Reads it. Its second field is the program's name in brackets, which may hold anything.
    fn parse(text: &str, ticks: u64, page: u64) -> Option<Self> {
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        // The first field after the name is number 3 of proc(5).
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let seconds = |field: u64| as_number(field) / as_number(ticks);
        Some(Self {
            cpu: seconds(field(14)? + field(15)?),
            started: seconds(field(22)?),
            virtual_memory: field(23)?,
            resident_memory: field(24)? * page,
        })
    }
}

/// The series of this process.
pub(crate) fn page() -> String {
    let read = |path: &str| fs::read_to_string(path).ok();
    let stat = read("/proc/self/stat")
        .and_then(|text| Stat::parse(&text, clock_ticks_per_second(), u64::try_from(page_size()).ok()?));
    let Some(stat) = stat else { return String::new() };
    let open = fs::read_dir("/proc/self/fd").ok().and_then(|files| u64::try_from(files.count()).ok());
    let most = getrlimit(Resource::Nofile).current;
    let boot = read("/proc/stat").as_deref().and_then(boot_time);
    let series = [
        ("cpu_seconds_total", "Time on a processor, of the program and of the kernel for it", Some(stat.cpu)),
        ("max_fds", "Open file descriptors at the most", most.map(as_number)),
        ("open_fds", "Open file descriptors", open.map(as_number)),
        ("resident_memory_bytes", "Resident memory", Some(as_number(stat.resident_memory))),
        ("start_time_seconds", "Start of the process since 1970", boot.map(|boot| boot + stat.started)),
        ("virtual_memory_bytes", "Virtual memory", Some(as_number(stat.virtual_memory))),
    ];
    let mut page = String::new();
    for (name, help, value) in series {
        let Some(value) = value else { continue };
        let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
        // Writing to a String does not fail.
        let _ = write!(
            page,
            "# HELP process_{name} {help}\n# TYPE process_{name} {kind}\nprocess_{name} {value}\n"
        );
    }
    page
}

/// Seconds since 1970 at which the machine started, from `/proc/stat`.
fn boot_time(stat: &str) -> Option<f64> {
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_past_a_name_with_brackets_and_spaces() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 3 0 1000 8192 3 2";
        let expected = Stat { cpu: 3.0, started: 10.0, virtual_memory: 8192, resident_memory: 12_288 };
        assert_eq!(Stat::parse(stat, 100, 4096), Some(expected));
        assert_eq!(Stat::parse("7 (a) S 1", 100, 4096), None);
        assert_eq!(boot_time("cpu 1 2\nbtime 1700000000\nprocesses 5\n"), Some(1_700_000_000.0));
    }

    #[test]
    fn each_series_has_its_help_its_type_and_a_number() {
        let page = page();
        let names: Vec<_> = page.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(names.len() >= 5, "no limit of files is no number: {page}");
        for line in names {
            let (name, value) = line.split_once(' ').unwrap();
            assert!(value.parse::<f64>().unwrap() > 0.0, "{line}");
            assert!(page.contains(&format!("# TYPE {name} ")) && page.contains(&format!("# HELP {name} ")));
        }
    }
}
