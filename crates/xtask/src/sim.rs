//! The simulator of faults, built for speed.

use anyhow::Result;

use crate::workspace::{Workspace, cargo, run};

/// Plays what the options say.
pub(crate) fn run_all(workspace: &Workspace, options: &[&str]) -> Result<()> {
    let mut command = cargo();
    command.args(["run", "--quiet", "--release", "--package", "canary-simulation", "--"]).args(options);
    run(&workspace.root, &mut command)
}
