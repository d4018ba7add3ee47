//! The fewest faults that still show a problem.

use crate::fault::Fault;
use crate::stage::{Outcome, play};

/// Leaves out one fault after the other, as long as something stays wrong.
pub(crate) fn shrink(seed: u64, outcome: Outcome) -> anyhow::Result<Outcome> {
    let mut best = outcome;
    let mut n = 0;
    while n < best.faults.len() {
        let mut fewer: Vec<Fault> = best.faults.clone();
        fewer.remove(n);
        let tried = play(seed, Some(fewer), false)?;
        if tried.problems.is_empty() {
            n += 1;
        } else {
            best = tried;
            n = 0;
        }
    }
    Ok(best)
}
