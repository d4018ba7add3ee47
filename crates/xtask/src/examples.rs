//! Examples that are not run rot.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::workspace::{Workspace, cargo, run};

const EXAMPLES: &str = "canary-examples";

/// Builds all examples, then runs each; they end by themselves.
pub(crate) fn run_all(workspace: &Workspace) -> Result<()> {
    let member = workspace
        .members
        .iter()
        .find(|m| m.name == EXAMPLES)
        .with_context(|| format!("the workspace has no {EXAMPLES}"))?;
    ensure!(!member.programs.is_empty(), "{EXAMPLES} has no examples");

    // Built as part of the workspace, dependencies have the features that the tests have built them with.
    let mut build = cargo();
    build.args(["build", "--workspace"]);
    for (name, is_example) in &member.programs {
        build.args([if *is_example { "--example" } else { "--bin" }, name]);
    }
    run(&workspace.root, &mut build)?;

    for (name, is_example) in &member.programs {
        let folder = workspace.target.join("debug").join(if *is_example { "examples" } else { "" });
        run(&workspace.root, &mut Command::new(folder.join(name)))?;
    }
    Ok(())
}
