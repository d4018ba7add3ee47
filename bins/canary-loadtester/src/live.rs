//! What a run does, second by second: redrawn in a terminal, a line each second elsewhere.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};

use canary_scenario::Second;

/// Seconds that the picture shows.
const WIDTH: usize = 60;
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

pub(crate) struct Live {
    name: String,
    is_terminal: bool,
    drawn: usize,
    sent: VecDeque<u64>,
    latency: VecDeque<u64>,
    total: u64,
    failed: u64,
}

impl Live {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            is_terminal: std::io::stderr().is_terminal(),
            drawn: 0,
            sent: VecDeque::new(),
            latency: VecDeque::new(),
            total: 0,
            failed: 0,
        }
    }

    /// Shows another second.
    pub(crate) fn show(&mut self, second: &Second, waiting: u64) {
        self.total += second.sent;
        self.failed += second.errors + second.not_sent;
        push(&mut self.sent, second.sent);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "milliseconds of one second's requests"
        )]
        push(&mut self.latency, (second.p99 * 1000.0) as u64);
        let text = if self.is_terminal { self.picture(second, waiting) } else { line(second, waiting) };
        let mut out = anstream::stderr().lock();
        if self.is_terminal && self.drawn > 0 {
            // Up to the beginning of what was drawn, and away with it.
            let _ = write!(out, "\x1b[{}A\x1b[J", self.drawn);
        }
        let _ = out.write_all(text.as_bytes());
        let _ = out.flush();
        self.drawn = text.lines().count();
    }

    /// The picture stays as it is.
    pub(crate) fn end(&mut self) {
        self.drawn = 0;
    }

    fn picture(&self, second: &Second, waiting: u64) -> String {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "{}  {} s  {} sent  {} failed  {waiting} waiting",
            self.name,
            second.second + 1,
            self.total,
            self.failed
        );
        let _ = writeln!(text, "sent/s  {:>9}  {}", second.sent, bars(&self.sent));
        let _ =
            writeln!(text, "p99 ms  {:>9.1}  {}   p50 {:.1}", second.p99, bars(&self.latency), second.p50);
        text
    }
}

fn line(second: &Second, waiting: u64) -> String {
    format!(
        "{:>5} s  {:>8} sent  {:>6} failed  {:>6} not sent  {waiting:>6} waiting  p50 {:.1} ms  p99 {:.1} ms\n",
        second.second + 1,
        second.sent,
        second.errors,
        second.not_sent,
        second.p50,
        second.p99
    )
}

fn push(row: &mut VecDeque<u64>, value: u64) {
    if row.len() == WIDTH {
        row.pop_front();
    }
    row.push_back(value);
}

/// A value as the height of a character, the highest as the whole one.
fn bars(row: &VecDeque<u64>) -> String {
    let highest = row.iter().copied().max().unwrap_or_default().max(1);
    row.iter()
        .map(|value| {
            let step = usize::try_from(value * 7 / highest).unwrap_or_default();
            BARS[step.min(7)]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_value_fills_the_height() {
        assert_eq!(bars(&VecDeque::from([0, 50, 100])), "▁▄█");
        assert_eq!(bars(&VecDeque::from([0, 0])), "▁▁");
    }

    #[test]
    fn only_the_last_minute_is_kept() {
        let mut row = VecDeque::new();
        (0..100).for_each(|value| push(&mut row, value));
        assert_eq!((row.len(), row[0]), (WIDTH, 40));
    }
}
