//! The timeline for people.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;

use crate::play::{Played, Request};
use crate::timeline::{Position, Story, What};
use crate::verdict::{Ending, round, span};
use crate::world::{Subject, World};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const WARN: Style = AnsiColor::Yellow.on_default();
const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();

/// Cells of the bar.
const BAR: usize = 10;
/// Moments that are alike are shown in full up to this number.
const ALIKE: usize = 5;
/// Width of what stands before the text: time, bar, share and phase.
const MARGIN: usize = 9 + 2 + BAR + 6 + 2 + 16 + 1;

/// Writes the timeline of all canaries.
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
    let begin = rollout.story.begin();
    let moments = moments(&rollout.story);
    let mut rest = moments.as_slice();
    while let Some(first) = rest.first() {
        let alike = rest.iter().take_while(|m| m.is_like(first)).count();
        let shown = if alike > ALIKE { 2 } else { alike };
        for moment in rest.iter().take(shown) {
            moment.write(begin, out)?;
        }
        if let (true, Some(last)) = (alike > shown, rest.get(alike - 1)) {
            let until = clock(last.at, begin);
            writeln!(out, "{:MARGIN$}{DIM}… and {} times more until {until}{DIM:#}", "", alike - shown)?;
        }
        rest = rest.get(alike..).unwrap_or_default();
    }
    verdict(subject, rollout, begin, out)
}

/// What happened within one second.
struct Moment<'a> {
    at: Timestamp,
    position: Position,
    all: Vec<&'a What>,
}

fn moments(story: &Story) -> Vec<Moment<'_>> {
    let mut moments: Vec<Moment<'_>> = Vec::new();
    for entry in &story.entries {
        match moments.last_mut().filter(|m| m.at.as_second() == entry.at.as_second()) {
            Some(moment) => moment.all.push(&entry.what),
            None => moments.push(Moment {
                at: entry.at,
                position: story.position_at(entry.at),
                all: vec![&entry.what],
            }),
        }
    }
    moments
}

impl Moment<'_> {
    fn is_like(&self, other: &Self) -> bool {
        (self.position, &self.all) == (other.position, &other.all)
    }

    fn write(&self, begin: Timestamp, out: &mut dyn Write) -> io::Result<()> {
        let Position { phase, weight, mirrored, .. } = self.position;
        let bar = if mirrored { "≈".repeat(BAR) } else { bar(weight) };
        write!(out, "{:>9}  {bar} {weight:>3} %  {:<16} ", clock(self.at, begin), phase.as_str())?;
        for (n, what) in self.all.iter().enumerate() {
            if n > 0 {
                write!(out, "{:MARGIN$}", "")?;
            }
            line(what, out)?;
        }
        Ok(())
    }
}

fn line(what: &What, out: &mut dyn Write) -> io::Result<()> {
    match what {
        What::Event { warning: true, text } => writeln!(out, "{WARN}! {text}{WARN:#}"),
        What::Event { warning: false, text } => writeln!(out, "  {text}"),
        What::Alert { to, severity, text } => writeln!(out, "{DIM}@ {to} ({severity}): {text}{DIM:#}"),
        What::Applied { image, made_up } => {
            let hint = if *made_up { " (made up; --image chooses)" } else { "" };
            writeln!(out, "{BOLD}> new revision applied: {image}{BOLD:#}{DIM}{hint}{DIM:#}")
        }
        What::Load { target, real, own, state } => writeln!(
            out,
            "  load {} real + {} own of {} requests/s {DIM}({state}){DIM:#}",
            round(*real),
            round(*own),
            round(*target)
        ),
        What::Hook { name, hook, passed, text } => {
            let (mark, style) = mark(*passed);
            let text = if *passed || text.is_empty() { String::new() } else { format!(": {text}") };
            writeln!(out, "{style}{mark}{style:#} {} hook {name}{text}", hook.as_str())
        }
        What::Check { name, value, error, min, max, passed } => {
            let (mark, style) = mark(*passed);
            let value = match (value, error) {
                (Some(value), _) => round(*value),
                (None, Some(error)) => error.clone(),
                (None, None) => "no value".into(),
            };
            let bounds = [min.map(|m| format!("at least {m}")), max.map(|m| format!("at most {m}"))];
            let bounds: Vec<_> = bounds.into_iter().flatten().collect();
            let bounds = if bounds.is_empty() { "any value".into() } else { bounds.join(", ") };
            writeln!(out, "{style}{mark}{style:#} {name} {value} {DIM}({bounds}){DIM:#}")
        }
    }
}

fn mark(passed: bool) -> (&'static str, Style) {
    if passed { ("✓", GOOD) } else { ("✗", BAD) }
}

fn verdict(subject: &Subject, rollout: &Played, begin: Timestamp, out: &mut dyn Write) -> io::Result<()> {
    let end = rollout.story.entries.last().map_or(begin, |e| e.at);
    let took = clock(end, begin);
    let (name, reason) = (subject.label(), &rollout.verdict.reason);
    match rollout.verdict.ending {
        Ending::Promoted => writeln!(out, "{name} {GOOD}promoted{GOOD:#} after {took}: {reason}"),
        Ending::RolledBack => writeln!(out, "{name} {BAD}rolled back{BAD:#} after {took}: {reason}"),
        Ending::NotEnded => writeln!(out, "{name} {WARN}not finished{WARN:#}, {reason}"),
        Ending::NotInitialized => writeln!(out, "{name} {BAD}never initialized{BAD:#}: {reason}"),
    }
}

/// Time since the revision was applied.
fn clock(at: Timestamp, begin: Timestamp) -> String {
    span(at.as_second() - begin.as_second())
}

fn bar(weight: i64) -> String {
    let halves = usize::try_from(weight).unwrap_or(0).min(100) * 2 * BAR / 100;
    let (full, half) = (halves / 2, halves % 2);
    format!("{}{}{}", "█".repeat(full), "▌".repeat(half), "░".repeat(BAR - full - half))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_have_half_cells() {
        for (weight, expected) in
            [(0, "░░░░░░░░░░"), (15, "█▌░░░░░░░░"), (99, "█████████▌"), (100, "██████████")]
        {
            assert_eq!(bar(weight), expected);
        }
    }

    #[test]
    fn times_count_from_the_revision() {
        let at = |second| Timestamp::from_second(second).unwrap();
        for (second, expected) in [(100, "0:00"), (34, "-1:06"), (161, "1:01"), (7_300, "2:00:00")] {
            assert_eq!(clock(at(second), at(100)), expected);
        }
    }
}
