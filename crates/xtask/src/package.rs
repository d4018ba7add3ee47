//! Whether the library crates can be packaged, so that a release does not fail half-way.

use anyhow::{Context, Result, ensure};

use crate::workspace::{Workspace, cargo, run};

/// What a package without these is not worth publishing.
const EXPECTED: [&str; 3] = ["Cargo.toml", "README.md", "src/lib.rs"];

/// List what each package would hold, then package all of them together.
pub(crate) fn run_all(workspace: &Workspace) -> Result<()> {
    for member in workspace.libraries() {
        let output = cargo()
            .args(["package", "--list", "--allow-dirty", "--package", &member.name])
            .current_dir(&workspace.root)
            .output()
            .context("cargo package cannot be started")?;
        ensure!(
            output.status.success(),
            "{}: {}",
            member.name,
            String::from_utf8_lossy(&output.stderr).trim()
        );
        let listing = String::from_utf8_lossy(&output.stdout);
        let files: Vec<&str> = listing.lines().collect();
        for expected in EXPECTED {
            ensure!(files.contains(&expected), "{}: its package lacks {expected}", member.name);
        }
        eprintln!("{}: {} files", member.name, files.len());
    }
    // Together, since they depend on each other and are not all published yet. Compiling them is the job of `alone`.
    let mut all = cargo();
    all.args(["package", "--no-verify", "--allow-dirty"]);
    for member in workspace.libraries() {
        all.args(["--package", &member.name]);
    }
    run(&workspace.root, &mut all)
}
