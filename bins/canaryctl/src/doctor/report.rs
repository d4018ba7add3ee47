//! The rows for people, and for programs.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::{Row, State};

const GOOD: Style = AnsiColor::Green.on_default();
const DOUBTFUL: Style = AnsiColor::Yellow.on_default();
const BAD: Style = AnsiColor::Red.on_default();

/// A table for each canary, and the sum.
pub(crate) fn text(rows: &[Row], out: &mut dyn Write) -> io::Result<()> {
    let width = rows.iter().map(|row| row.what.chars().count()).max().unwrap_or_default();
    let mut canary = "";
    for row in rows {
        if row.canary != canary {
            writeln!(out, "{}", row.canary)?;
            canary = &row.canary;
        }
        let (mark, style) = match row.state {
            State::Good => ("✓", GOOD),
            State::Doubtful => ("?", DOUBTFUL),
            State::Bad => ("✗", BAD),
        };
        writeln!(out, "  {style}{mark}{style:#} {:<width$}  {}", row.what, row.text)?;
    }
    let count = |state| rows.iter().filter(|row| row.state == state).count();
    writeln!(
        out,
        "{} good, {} doubtful, {} bad",
        count(State::Good),
        count(State::Doubtful),
        count(State::Bad)
    )
}

/// One object with all rows.
pub(crate) fn json(rows: &[Row], out: &mut dyn Write) -> anyhow::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &serde_json::json!({ "checks": rows }))?;
    writeln!(out)?;
    Ok(())
}
