//! The process's own numbers, under the names that every Prometheus client library uses.
//!
//! They come from `/proc`; where there is none, there are no series.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue};
use prometheus_client::metrics::MetricType;

/// Clock ticks a second in `/proc`: `USER_HZ`, part of the kernel's interface to programs on all common machines.
const USER_HZ: f64 = 100.0;

/// Reads `/proc` at each scrape.
#[derive(Debug)]
pub(super) struct ProcessMetrics;

impl Collector for ProcessMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let out = &mut encoder;
        if let Some(memory) = fs::read_to_string("/proc/self/status").ok().as_deref().map(Memory::parse) {
            gauge(out, "process_resident_memory_bytes", "Resident memory", memory.resident)?;
            gauge(out, "process_virtual_memory_bytes", "Virtual memory", memory.virtual_size)?;
        }
        if let Some(times) = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(Times::parse) {
            let help = "Time spent on a processor, by the program and by the kernel for it";
            sample(out, "process_cpu_seconds_total", help, MetricType::Counter, Some(times.cpu))?;
            let boot = fs::read_to_string("/proc/stat").ok().as_deref().and_then(boot_time);
            let started = boot.map(|boot| boot + times.started);
            gauge(out, "process_start_time_seconds", "Start of the process since 1970", started)?;
        }
        let open = fs::read_dir("/proc/self/fd").ok().map(Iterator::count);
        gauge(out, "process_open_fds", "Open file descriptors", open)
    }
}

fn gauge<V: EncodeGaugeValue>(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: Option<V>,
) -> fmt::Result {
    sample(out, name, help, MetricType::Gauge, value)
}

fn sample<V: EncodeGaugeValue>(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    kind: MetricType,
    value: Option<V>,
) -> fmt::Result {
    match value {
        Some(value) => out.encode_descriptor(name, help, None, kind)?.encode_gauge(&value),
        None => Ok(()),
    }
}

/// Sizes in bytes.
#[derive(Debug, PartialEq)]
struct Memory {
    resident: Option<u64>,
    virtual_size: Option<u64>,
}

impl Memory {
    /// Reads the lines `VmRSS:  1234 kB` of `/proc/self/status`.
    fn parse(status: &str) -> Self {
        let line = |name: &str| {
            let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
            rest.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
        };
        Self { resident: line("VmRSS:"), virtual_size: line("VmSize:") }
    }
}

/// Seconds.
#[derive(Debug, PartialEq)]
struct Times {
    cpu: f64,
    /// Since the machine started.
    started: f64,
}

impl Times {
    /// Reads `/proc/self/stat`. Its second field is the program's name in brackets, which may hold anything.
    fn parse(stat: &str) -> Option<Self> {
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        // The first field after the name is number 3 of proc(5): utime is 14, stime 15, starttime 22.
        let ticks = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        Some(Self { cpu: (ticks(14)? + ticks(15)?) / USER_HZ, started: ticks(22)? / USER_HZ })
    }
}

/// Seconds since 1970 at which the machine started, from `/proc/stat`.
fn boot_time(stat: &str) -> Option<f64> {
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_bytes() {
        let status = "Name:\tx\nVmSize:\t   2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(
            Memory::parse(status),
            Memory { resident: Some(1_048_576), virtual_size: Some(2_097_152) }
        );
        assert_eq!(Memory::parse("Name:\tx\n"), Memory { resident: None, virtual_size: None });
    }

    #[test]
    fn times_are_read_past_a_name_with_brackets_and_spaces() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 3 0 1000 1 2";
        assert_eq!(Times::parse(stat), Some(Times { cpu: 3.0, started: 10.0 }));
        assert_eq!(Times::parse("7 (a) S 1"), None);
    }

    #[test]
    fn the_start_of_the_machine_is_found_among_other_lines() {
        assert_eq!(boot_time("cpu 1 2\nbtime 1700000000\nprocesses 5\n"), Some(1_700_000_000.0));
    }
}
