//! What a run does, second by second: redrawn in a terminal, a line each second elsewhere.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::pin::pin;
use std::time::Duration;

use canary_scenario::Second;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

/// Seconds that the picture shows, where the terminal is wide enough.
const WIDTH: usize = 60;
/// What stands before them.
const BEFORE: usize = 19;
/// Columns of a terminal that does not say how many it has.
const COLUMNS: usize = 80;
/// Between two looks at a clean-up.
const LOOK: Duration = Duration::from_secs(1);
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
        let text =
            if self.is_terminal { self.picture(second, waiting, columns()) } else { line(second, waiting) };
        self.draw(&text);
    }

    /// Shows how far a clean-up is, below what was shown of the load.
    fn cleaning(&mut self, left: usize, since: Duration, most: Option<Duration>) {
        let most = most.map(|most| format!(", {} s at the most", most.as_secs())).unwrap_or_default();
        self.draw(&format!("cleaning up for {} s{most}: {left} writes left\n", since.as_secs()));
    }

    /// Shows how far a clean-up is, second by second, until it is done.
    pub(crate) async fn until_clean<T>(
        &mut self,
        cleaning: impl Future<Output = T>,
        left: impl Fn() -> usize,
        most: Option<Duration>,
    ) -> T {
        let (mut cleaning, began) = (pin!(cleaning), Instant::now());
        let mut looks = interval_at(began + LOOK, LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let done = loop {
            tokio::select! {
                done = &mut cleaning => break done,
                _ = looks.tick() => self.cleaning(left(), began.elapsed(), most),
            }
        };
        self.end();
        done
    }

    fn draw(&mut self, text: &str) {
        if !self.is_terminal {
            anstream::eprint!("{text}");
            return;
        }
        let mut out = std::io::stderr().lock();
        if self.drawn > 0 {
            // Up to the beginning of what was drawn, and away with it.
            let _ = write!(out, "\x1b[{}A\x1b[J", self.drawn);
        }
        // A line that is too long is cut, not wrapped: it would not be found again.
        let _ = write!(out, "\x1b[?7l{text}\x1b[?7h");
        let _ = out.flush();
        self.drawn = text.lines().count();
    }

    /// The picture stays as it is.
    pub(crate) fn end(&mut self) {
        self.drawn = 0;
    }

    fn picture(&self, second: &Second, waiting: u64, columns: usize) -> String {
        // A character in the last column may wrap.
        let width = WIDTH.min(columns.saturating_sub(BEFORE + 1));
        let mut text = String::new();
        let _ = writeln!(
            text,
            "{}  {} s  {} sent  {} failed  {waiting} waiting  p50 {:.1} ms",
            self.name,
            second.second + 1,
            self.total,
            self.failed,
            second.p50
        );
        let _ = writeln!(text, "sent/s  {:>9}  {}", second.sent, bars(&self.sent, width));
        let _ = writeln!(text, "p99 ms  {:>9.1}  {}", second.p99, bars(&self.latency, width));
        text.lines().fold(String::new(), |mut all, line| {
            all.extend(line.chars().take(columns.saturating_sub(1)));
            all.push('\n');
            all
        })
    }
}

/// Columns of the terminal.
fn columns() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stderr());
    size.ok().map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0).unwrap_or(COLUMNS)
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

/// The last values as the height of a character each, the highest as the whole one.
fn bars(row: &VecDeque<u64>, width: usize) -> String {
    let row = row.iter().skip(row.len().saturating_sub(width));
    let highest = row.clone().copied().max().unwrap_or_default().max(1);
    row.map(|value| {
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
        assert_eq!(bars(&VecDeque::from([0, 50, 100]), 60), "▁▄█");
        assert_eq!(bars(&VecDeque::from([100, 0, 0]), 2), "▁▁");
    }

    #[test]
    fn only_the_last_minute_is_kept() {
        let mut row = VecDeque::new();
        (0..100).for_each(|value| push(&mut row, value));
        assert_eq!((row.len(), row[0]), (WIDTH, 40));
    }

    #[test]
    fn the_picture_is_as_wide_as_the_terminal() {
        let second = Second {
            second: 99_999,
            rate: 1e6,
            sent: 1_000_000,
            errors: 999_999,
            not_sent: 999_999,
            p50: 12_345.6,
            p99: 98_765.4,
        };
        let mut live = Live { is_terminal: false, ..Live::new("a scenario with quite a long name") };
        (0..100).for_each(|_| live.show(&second, 1_000_000));
        for (columns, bars) in [(200, 60), (80, 60), (79, 59), (40, 20), (1, 0)] {
            let picture = live.picture(&second, 1_000_000, columns);
            assert_eq!(picture.lines().count(), 3);
            assert!(picture.lines().all(|line| line.chars().count() < columns), "{columns}: {picture}");
            assert_eq!(picture.lines().nth(2).unwrap().matches('█').count(), bars, "{columns}: {picture}");
        }
    }
}
