//! The timeline on paper: for people, and for programs.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use serde_json::json;

use crate::play::{Played, Request};
use crate::timeline::{Entry, What};
use crate::verdict::{Ending, round};
use crate::world::{Subject, World};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const WARN: Style = AnsiColor::Yellow.on_default();
const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();

/// Cells of the bar.
const BAR: i64 = 20;

/// Writes the timeline that a person likes to read.
pub(crate) fn text(
    world: &World,
    request: &Request,
    played: &[Played],
    out: &mut dyn Write,
) -> io::Result<()> {
    for remark in &world.remarks {
        writeln!(out, "{DIM}note: {remark}{DIM:#}")?;
    }
    writeln!(out, "{DIM}scenario: {}{DIM:#}", request.scenario.about)?;
    for (subject, rollout) in world.canaries.iter().zip(played) {
        writeln!(out)?;
        one(subject, rollout, out)?;
    }
    Ok(())
}

fn one(subject: &Subject, rollout: &Played, out: &mut dyn Write) -> io::Result<()> {
    let plan = &subject.plan;
    writeln!(
        out,
        "{BOLD}{}{BOLD:#}  {}/{} on {}, a tick every {} s, rolled back at {} failed checks",
        subject.label(),
        plan.target_kind,
        plan.target,
        plan.provider,
        plan.interval.as_secs(),
        plan.threshold,
    )?;
    let begin =
        rollout.story.applied.or_else(|| rollout.story.entries.first().map(|e| e.at)).unwrap_or_default();
    let mut last: Option<Timestamp> = None;
    for (n, entry) in rollout.story.entries.iter().enumerate() {
        // The share that the moment ends with, at its first line.
        let weight = rollout
            .story
            .entries
            .iter()
            .skip(n)
            .take_while(|e| e.at.as_second() == entry.at.as_second())
            .last()
            .map_or(0, |e| e.weight);
        let fresh = last.is_none_or(|at| at.as_second() != entry.at.as_second());
        if fresh {
            write!(out, "{:>8}  {} {weight:>3} %  ", clock(entry.at, begin), bar(weight))?;
        } else {
            write!(out, "{:width$}", "", width = 8 + 2 + usize::try_from(BAR).unwrap_or(0) + 8)?;
        }
        last = Some(entry.at);
        line(entry, out)?;
    }
    verdict(rollout, begin, out)
}

fn line(entry: &Entry, out: &mut dyn Write) -> io::Result<()> {
    match &entry.what {
        What::Event { warning: true, text } => writeln!(out, "{WARN}! {text}{WARN:#}"),
        What::Event { warning: false, text } => writeln!(out, "  {text}"),
        What::Applied { image } => writeln!(out, "{BOLD}> the user applies {image}{BOLD:#}"),
        What::Hook { name, hook, passed, text } => {
            let (mark, style) = mark(*passed);
            let text = if *passed { String::new() } else { format!(": {text}") };
            writeln!(out, "{style}{mark}{style:#} {hook} hook {name}{text}")
        }
        What::Check { name, value, error, min, max, passed } => {
            let (mark, style) = mark(*passed);
            let value = match (value, error) {
                (Some(value), _) => round(*value),
                (None, Some(error)) => error.clone(),
                (None, None) => "no value".into(),
            };
            let bounds: Vec<_> = [min.map(|m| format!("at least {m}")), max.map(|m| format!("at most {m}"))]
                .into_iter()
                .flatten()
                .collect();
            let bounds = if bounds.is_empty() { "any value".into() } else { bounds.join(", ") };
            writeln!(out, "{style}{mark}{style:#} {name} {value} {DIM}({bounds}){DIM:#}")
        }
    }
}

fn mark(passed: bool) -> (&'static str, Style) {
    if passed { ("✓", GOOD) } else { ("✗", BAD) }
}

fn verdict(rollout: &Played, begin: Timestamp, out: &mut dyn Write) -> io::Result<()> {
    let end = rollout.story.entries.last().map_or(begin, |e| e.at);
    let took = clock(end, begin);
    let reason = &rollout.verdict.reason;
    match rollout.verdict.ending {
        Ending::Promoted => writeln!(out, "{GOOD}promoted{GOOD:#} after {took}: {reason}"),
        Ending::RolledBack => writeln!(out, "{BAD}rolled back{BAD:#} after {took}: {reason}"),
        Ending::NotEnded => writeln!(out, "{WARN}not ended{WARN:#}, the last news after {took}: {reason}"),
        Ending::NotInitialized => writeln!(out, "{BAD}never initialized{BAD:#}: {reason}"),
    }
}

/// Minutes and seconds since the revision was applied.
fn clock(at: Timestamp, begin: Timestamp) -> String {
    let seconds = at.as_second() - begin.as_second();
    let sign = if seconds < 0 { "-" } else { "" };
    let (minutes, rest) = (seconds.abs() / 60, seconds.abs() % 60);
    format!("{sign}{minutes}:{rest:02}")
}

fn bar(weight: i64) -> String {
    let full = usize::try_from((weight * BAR + 50) / 100).unwrap_or(0);
    let empty = usize::try_from(BAR).unwrap_or(0).saturating_sub(full);
    format!("{}{}", "█".repeat(full), "░".repeat(empty))
}

/// Writes everything as JSON: seconds count from the new revision.
pub(crate) fn json(
    world: &World,
    request: &Request,
    played: &[Played],
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let canaries: Vec<_> = world
        .canaries
        .iter()
        .zip(played)
        .map(|(subject, rollout)| {
            let begin = rollout
                .story
                .applied
                .or_else(|| rollout.story.entries.first().map(|e| e.at))
                .unwrap_or_default();
            let entries: Vec<_> = rollout
                .story
                .entries
                .iter()
                .map(|entry| {
                    let mut value = json!(entry);
                    value["seconds"] = (entry.at.as_second() - begin.as_second()).into();
                    value
                })
                .collect();
            json!({
                "name": subject.name,
                "namespace": subject.namespace,
                "phase": rollout.story.phase,
                "verdict": rollout.verdict.ending,
                "reason": rollout.verdict.reason,
                "timeline": entries,
            })
        })
        .collect();
    let all = json!({"scenario": request.scenario.about, "notes": world.remarks, "canaries": canaries});
    writeln!(out, "{}", serde_json::to_string_pretty(&all)?)?;
    Ok(())
}
