//! Chores of this workspace, so that nothing but cargo has to be installed for them.
//! `cargo xtask` without arguments lists them.

mod alone;
mod blocks;
mod core_tree;
mod definitions;
mod docs;
mod examples;
mod fuzz;
mod generated;
mod manifests;
mod named_tests;
mod package;
mod picture;
mod rbac;
mod sim;
mod sources;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};

use generated::Mode;
use workspace::Workspace;

const USAGE: &str = "\
usage: cargo xtask <chore>
  ci              check what the compiler does not: dependency edges, the core's tree, manifests, file sizes,
                  tests that docs name
  crds [--check]  write the custom resource definitions below bins/canaryd/deploy, or check that they are up to date
  rbac [--check]  write the rules of the chart and of the kustomize base, or check that they are up to date
  docs [--check]  write the generated pages and parts of pages of docs, or check them; check all links
  alone           check every library crate by itself, with each of its features
  examples        build and run every example
  package         check that every library crate can be packaged
  sim [OPTIONS]   play rollouts under faults: --runs N, --seed N (one, and the fewest faults), --hours H
  fuzz [OPTIONS]  try hostile inputs: --seconds N (all targets together, 60), --target T (one), --seed N (others)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<()> {
    match arguments {
        ["ci"] => ci(&Workspace::read()?),
        ["crds"] => definitions::run(&Workspace::read()?, Mode::Write),
        ["crds", "--check"] => definitions::run(&Workspace::read()?, Mode::Check),
        ["rbac"] => rbac::run(&Workspace::read()?, Mode::Write),
        ["rbac", "--check"] => rbac::run(&Workspace::read()?, Mode::Check),
        ["docs"] => docs::run(&Workspace::read()?, Mode::Write),
        ["docs", "--check"] => docs::run(&Workspace::read()?, Mode::Check),
        ["alone"] => alone::run_all(&Workspace::read()?),
        ["examples"] => examples::run_all(&Workspace::read()?),
        ["package"] => package::run_all(&Workspace::read()?),
        ["fuzz", options @ ..] => fuzz::run_all(&Workspace::read()?, options),
        ["sim", options @ ..] => sim::run_all(&Workspace::read()?, options),
        [] | ["help" | "--help" | "-h"] => {
            eprintln!("{USAGE}");
            Ok(())
        }
        _ => bail!("no such chore: {}\n{USAGE}", arguments.join(" ")),
    }
}

fn ci(workspace: &Workspace) -> Result<()> {
    let checks = [
        ("dependency edges", picture::problems(workspace)),
        ("the core's tree", core_tree::problems(workspace)?),
        ("manifests", manifests::problems(workspace)?),
        ("source files", sources::problems(workspace)?),
        ("named tests", named_tests::problems(workspace)?),
    ];
    let mut found = 0;
    for (name, problems) in &checks {
        eprintln!("{name}: {}", if problems.is_empty() { "ok" } else { "not as agreed" });
        for problem in problems {
            eprintln!("  {problem}");
        }
        found += problems.len();
    }
    if found > 0 {
        bail!("{found} problems");
    }
    Ok(())
}
