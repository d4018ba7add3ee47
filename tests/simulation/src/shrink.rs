//! The fewest faults that still show a problem.

use crate::fault::Fault;
use crate::stage::{Outcome, play};

/// Leaves out one fault after the other, as long as something stays wrong; the log is that of the last run.
pub(crate) fn shrink(seed: u64, outcome: Outcome, keep_log: bool) -> anyhow::Result<Outcome> {
    let mut best = outcome;
    let mut n = 0;
    while n < best.faults.len() {
        let mut fewer: Vec<Fault> = best.faults.clone();
        fewer.remove(n);
        let tried = play(seed, Some(fewer), keep_log)?;
        if tried.problems.is_empty() {
            n += 1;
        } else {
            best = tried;
            n = 0;
        }
    }
    Ok(best)
}
