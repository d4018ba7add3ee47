//! What earlier runs of a scenario file have left: removed before the next one begins, listed, or given up.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{anyhow, bail};
use canary_load::{AnyAddress, trusting_tls};
use canary_scenario::{Cleanup, Journal, Leftover, leftovers, recover};
use clap::Parser;

use super::{FILE, files};
use crate::live::Live;

/// List what earlier runs of a scenario file have written and not removed, or give it up.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  canary-loadtester leftovers shop.yaml
  canary-loadtester leftovers shop.yaml --forget-all

Exit codes:
  0  nothing is left
  1  something is left
  2  the command line cannot be used, or a run is under way")]
pub(crate) struct Leftovers {
    #[arg(help = FILE)]
    file: String,
    /// The journal of its runs; beside the file when left out
    #[arg(long, value_name = "PATH")]
    journal: Option<PathBuf>,
    /// Give up what this run has left, since it was removed by hand; may be given several times
    #[arg(long, value_name = "RUN", conflicts_with = "forget_all")]
    forget: Vec<String>,
    /// Give up what all runs have left
    #[arg(long)]
    forget_all: bool,
}

impl Leftovers {
    /// Lists, after what is to be given up was.
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let path = path(&self.file, self.journal.as_ref());
        // Reading must not make one.
        let journal = if path.exists() { open(&path)? } else { Journal::in_memory() };
        let runs: BTreeSet<String> = leftovers(&journal).into_iter().map(|left| left.run).collect();
        if let Some(unknown) = self.forget.iter().find(|run| !runs.contains(*run)) {
            let known = Vec::from_iter(runs).join(", ");
            let known =
                if known.is_empty() { "none has".to_owned() } else { format!("those that have are {known}") };
            bail!("--forget: the run {unknown:?} has left nothing in {}; {known}", path.display());
        }
        for run in runs.iter().filter(|run| self.forget_all || self.forget.contains(run)) {
            anstream::println!("{} writes of {run} are forgotten", journal.forget(run));
        }
        let left = leftovers(&journal);
        if left.is_empty() {
            anstream::println!("nothing is left over");
            return Ok(ExitCode::SUCCESS);
        }
        for left in left {
            anstream::println!("{}", told(&left));
        }
        Ok(ExitCode::FAILURE)
    }
}

fn told(left: &Leftover) -> String {
    let values = serde_json::to_string(&left.values).unwrap_or_default();
    format!("left over of {}: {} {values}: {}", left.run, left.flow, left.why)
}

/// Where the journal of a scenario file is.
fn path(file: &str, given: Option<&PathBuf>) -> PathBuf {
    given.cloned().unwrap_or_else(|| files::beside(file, "journal"))
}

fn open(path: &Path) -> anyhow::Result<Journal> {
    Journal::open(path).map_err(|error| {
        let hint = if error.kind() == std::io::ErrorKind::ResourceBusy {
            "; wait for its end, or give this run a journal of its own with --journal"
        } else {
            ""
        };
        anyhow!("the journal {}: {error}{hint}", path.display())
    })
}

/// The journal, and what could not be removed of what earlier runs have left in it.
pub(super) async fn after_earlier_runs(
    file: &str,
    given: Option<&PathBuf>,
    insecure: bool,
) -> anyhow::Result<(Journal, Vec<Leftover>)> {
    let journal = open(&path(file, given))?;
    if journal.pending().is_empty() {
        return Ok((journal, Vec::new()));
    }
    anstream::eprintln!("an earlier run has left something behind; removing it first");
    let tls = if insecure { Some(trusting_tls()?) } else { None };
    let left = || journal.pending().into_iter().map(|(_, open)| open.len()).sum();
    let removing = recover(&journal, |_, _| Some(Arc::new(AnyAddress)), tls);
    let Cleanup { removed, leftovers } = Live::new("").until_clean(removing, left, None).await;
    anstream::eprintln!("{removed} writes of earlier runs removed, {} left", leftovers.len());
    for left in &leftovers {
        anstream::eprintln!("{}", told(left));
    }
    if !leftovers.is_empty() {
        let option = given.map(|path| format!(" --journal {}", path.display())).unwrap_or_default();
        anstream::eprintln!(
            "remove them by hand; `canary-loadtester leftovers {file}{option} --forget-all` says that they are gone"
        );
    }
    Ok((journal, leftovers))
}
