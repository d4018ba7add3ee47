//! Findings for people, for programs, and for code scanning.

use std::collections::BTreeSet;
use std::io::Write;

use anstyle::{AnsiColor, Style};
use serde_json::json;

use super::{Finding, Form, Level};

const BAD: Style = AnsiColor::Red.on_default();
const WARN: Style = AnsiColor::Yellow.on_default();
const DIM: Style = Style::new().dimmed();

pub(super) fn print(
    findings: &[Finding],
    form: Form,
    objects: usize,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    match form {
        Form::Text => text(findings, objects, out)?,
        Form::Json => writeln!(out, "{}", serde_json::to_string_pretty(findings)?)?,
        Form::Sarif => writeln!(out, "{}", serde_json::to_string_pretty(&sarif(findings))?)?,
        Form::Github => {
            for f in findings {
                let level = word(f.level);
                // A message ends at a line break unless that is written so.
                let message =
                    format!("{}: {}. {}", f.object, f.text, f.mend).replace('%', "%25").replace('\n', "%0A");
                writeln!(out, "::{level} file={},line={},title={}::{message}", f.file, f.line, f.rule)?;
            }
        }
    }
    Ok(())
}

fn text(findings: &[Finding], objects: usize, out: &mut dyn Write) -> std::io::Result<()> {
    for f in findings {
        let style = if f.level == Level::Error { BAD } else { WARN };
        let level = word(f.level);
        writeln!(out, "{}:{}: {style}{level}{style:#} {} [{}]", f.file, f.line, f.text, f.rule)?;
        writeln!(out, "    {DIM}{}: {}{DIM:#}", f.object, f.mend)?;
    }
    let errors = findings.iter().filter(|f| f.level == Level::Error).count();
    writeln!(out, "{objects} objects, {errors} errors, {} warnings", findings.len() - errors)
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
    }
}

fn sarif(findings: &[Finding]) -> serde_json::Value {
    let rules: BTreeSet<&str> = findings.iter().map(|f| f.rule).collect();
    let rules: Vec<_> = rules.into_iter().map(|id| json!({"id": id})).collect();
    let results: Vec<_> = findings
        .iter()
        .map(|f| {
            json!({
                "ruleId": f.rule,
                "level": word(f.level),
                "message": {"text": format!("{}: {}. To mend it: {}", f.object, f.text, f.mend)},
                "locations": [{"physicalLocation": {
                    "artifactLocation": {"uri": f.file},
                    "region": {"startLine": f.line},
                }}],
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "canaryctl lint", "version": env!("CARGO_PKG_VERSION"), "rules": rules}},
            "results": results,
        }],
    })
}
