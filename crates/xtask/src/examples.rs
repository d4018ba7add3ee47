//! Examples that are not run rot.

use anyhow::{Context, Result, ensure};

use crate::workspace::{Workspace, cargo, run};

const EXAMPLES: &str = "canary-examples";

/// Build all examples at once, then run each; they end by themselves.
pub(crate) fn run_all(workspace: &Workspace) -> Result<()> {
    let member = workspace
        .members
        .iter()
        .find(|m| m.name == EXAMPLES)
        .with_context(|| format!("the workspace has no {EXAMPLES}"))?;
    ensure!(!member.programs.is_empty(), "{EXAMPLES} has no examples");
    run(&workspace.root, cargo().args(["build", "--package", EXAMPLES, "--bins", "--examples"]))?;
    for (name, is_example) in &member.programs {
        let kind = if *is_example { "--example" } else { "--bin" };
        run(&workspace.root, cargo().args(["run", "--quiet", "--package", EXAMPLES, kind, name]))?;
    }
    Ok(())
}
