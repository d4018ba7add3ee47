//! What `canary-core` drags in: an embedder without Kubernetes has to be able to afford it.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};

use crate::workspace::{Workspace, cargo};

const CORE: &str = "canary-core";
/// The tree has to stay below this number of crates, the core included.
const LIMIT: usize = 40;
const FORBIDDEN: [&str; 4] = ["tokio", "kube", "k8s-openapi", "reqwest"];

/// Forbidden crates in the tree of the core, and a tree that is too large, as sentences.
pub(crate) fn problems(workspace: &Workspace) -> Result<Vec<String>> {
    let here = tree(workspace, &[])?;
    // A forbidden crate on some other platform is as bad as one on this.
    let everywhere = tree(workspace, &["--target", "all"])?;
    eprintln!("{CORE} has {} crates in its tree", here.len());
    Ok(judge(&here, &everywhere))
}

fn judge(here: &BTreeSet<String>, everywhere: &BTreeSet<String>) -> Vec<String> {
    let mut problems: Vec<String> = FORBIDDEN
        .iter()
        .filter(|name| everywhere.iter().any(|c| c.split(' ').next() == Some(name)))
        .map(|name| format!("{CORE} reaches {name}"))
        .collect();
    if here.len() >= LIMIT {
        problems
            .push(format!("{CORE} has {} crates in its tree, fewer than {LIMIT} are allowed", here.len()));
    }
    problems
}

/// Name and version of each crate that is built for the core.
fn tree(workspace: &Workspace, more: &[&str]) -> Result<BTreeSet<String>> {
    let output = cargo()
        .args(["tree", "--package", CORE, "--all-features", "--edges", "normal,build", "--prefix", "none"])
        .args(["--format", "{p}"])
        .args(more)
        .current_dir(&workspace.root)
        .output()
        .context("cargo tree cannot be started")?;
    ensure!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(crates(&String::from_utf8_lossy(&output.stdout)))
}

/// `name vX.Y.Z (proc-macro) (*)`, one a line; only the first two words tell crates apart.
fn crates(listing: &str) -> BTreeSet<String> {
    listing
        .lines()
        .map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
        .filter(|line| !line.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_that_is_listed_twice_counts_once() {
        let listing =
            "canary-core v0.1.0 (/w)\nserde v1.0.0\nserde_derive v1.0.0 (proc-macro)\nserde v1.0.0 (*)\n\n";
        assert_eq!(crates(listing).len(), 3);
    }

    #[test]
    fn forbidden_crates_are_found_by_their_whole_name() {
        let with =
            |names: &[&str]| judge(&BTreeSet::new(), &names.iter().map(|n| format!("{n} v1.0.0")).collect());
        assert_eq!(with(&["tokio", "serde"]), ["canary-core reaches tokio"]);
        assert_eq!(with(&["tokio-util", "kubernetes"]), [""; 0]);
    }

    #[test]
    fn a_tree_of_forty_crates_is_too_large() {
        let of = |n: usize| (0..n).map(|i| format!("c{i} v1.0.0")).collect::<BTreeSet<_>>();
        assert!(judge(&of(39), &BTreeSet::new()).is_empty());
        assert_eq!(judge(&of(40), &BTreeSet::new()).len(), 1);
    }
}
