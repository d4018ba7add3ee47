//! Shares of traffic as a mesh holds them, turned into the percentages that a rollout counts in.

use canary_core::{Weight, Weights};

/// The percentages of a pair of shares; `None` when both are nothing. A pair that somebody set by hand and that does not add
/// up to 100 is what a mesh makes of it: shares of the sum. Below nothing counts as nothing.
pub(crate) fn percentages(primary: i64, canary: i64) -> Option<Weights> {
    let (primary, canary) = (i128::from(primary.max(0)), i128::from(canary.max(0)));
    let total = primary + canary;
    let percent = (canary * 100 + total / 2).checked_div(total)?;
    Some(Weights::canary(Weight::clamped(i64::try_from(percent).ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_their_sum() {
        let cases = [
            (100, 0, Some(0)),
            (0, 100, Some(100)),
            (99, 1, Some(1)),
            (50, 50, Some(50)),
            (3, 1, Some(25)),
            (200, 100, Some(33)),
            (0, 1, Some(100)),
            (-5, 1, Some(100)),
            (i64::MAX, i64::MAX, Some(50)),
            (0, 0, None),
            (-1, 0, None),
        ];
        for (primary, canary, percent) in cases {
            let expected = percent.map(|percent| Weights::canary(Weight::new(percent).unwrap()));
            assert_eq!(percentages(primary, canary), expected, "{primary}/{canary}");
        }
    }
}
