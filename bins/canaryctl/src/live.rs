//! What the commands about canaries in a cluster have in common: which cluster, which canaries, what they look like.

mod cluster;
mod facts;
mod picked;
mod table;

pub(crate) use cluster::{Cluster, ClusterArgs};
pub(crate) use facts::{Facts, Receiver, Side, Told};
pub(crate) use picked::{Picked, PickedArgs, nearest, pick};
pub(crate) use table::Table;

use jiff::Timestamp;

/// Age as people say it: `45s`, `12m`, `3h`, `5d`.
pub(crate) fn age(since: Timestamp, now: Timestamp) -> String {
    span(now.duration_since(since).as_secs().max(0))
}

/// A length of time in its largest unit, or two of them below ten.
pub(crate) fn span(seconds: i64) -> String {
    let two = |large: i64, unit: char, small: i64, next: char| match (large, small) {
        (10.., _) | (_, 0) => format!("{large}{unit}"),
        _ => format!("{large}{unit}{small}{next}"),
    };
    match seconds {
        ..60 => format!("{seconds}s"),
        60..3600 => two(seconds / 60, 'm', seconds % 60, 's'),
        3600..86_400 => two(seconds / 3600, 'h', seconds % 3600 / 60, 'm'),
        _ => two(seconds / 86_400, 'd', seconds % 86_400 / 3600, 'h'),
    }
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn spans_are_said_in_at_most_two_units() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (90, "1m30s"),
            (725, "12m"),
            (7_260, "2h1m"),
            (180_000, "2d2h"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }
}
