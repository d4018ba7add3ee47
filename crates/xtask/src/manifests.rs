//! What each member has to declare: the workspace's lints, and for crates that are published a description and a README.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::workspace::{Member, Workspace};

/// Everything that a member forgot, as sentences.
pub(crate) fn problems(workspace: &Workspace) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for member in &workspace.members {
        if !takes_workspace_lints(&read(&member.folder.join("Cargo.toml"))?) {
            problems.push(format!("{}: its manifest lacks [lints] workspace = true", member.name));
        }
        if member.published {
            problems.extend(presentation(member)?);
        }
    }
    Ok(problems)
}

fn presentation(member: &Member) -> Result<Vec<String>> {
    let mut missing = Vec::new();
    if member.description.as_deref().unwrap_or_default().trim().is_empty() {
        missing.push(format!("{}: its manifest lacks a description", member.name));
    }
    let readme = member.folder.join("README.md");
    if !readme.exists() {
        missing.push(format!("{}: it lacks a README.md", member.name));
    } else if !read(&readme)?.lines().any(|line| line.starts_with("```")) {
        missing.push(format!("{}: its README.md lacks an example", member.name));
    }
    if !read(&member.folder.join("src/lib.rs"))?.contains("include_str!(\"../README.md\")") {
        missing.push(format!(
            "{}: its README.md is not its documentation, so the examples are not compiled",
            member.name
        ));
    }
    Ok(missing)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// Lints of the workspace are not inherited by themselves.
fn takes_workspace_lints(manifest: &str) -> bool {
    let mut lines = manifest.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    while let Some(line) = lines.next() {
        let line = line.replace(' ', "");
        if line == "lints.workspace=true" {
            return true;
        }
        if line == "[lints]" {
            return lines.next().is_some_and(|next| next.replace(' ', "") == "workspace=true");
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workspace_lints_are_recognised_in_both_spellings() {
        assert!(takes_workspace_lints(
            "[package]\nname = \"a\"\n\n[lints]\n# all of them\nworkspace = true\n"
        ));
        assert!(takes_workspace_lints("lints.workspace = true\n"));
    }

    #[test]
    fn lints_of_its_own_are_not_those_of_the_workspace() {
        assert!(!takes_workspace_lints("[lints.rust]\nunsafe_code = \"allow\"\n"));
        assert!(!takes_workspace_lints("[package]\nname = \"a\"\n[dependencies]\nworkspace = true\n"));
    }
}
