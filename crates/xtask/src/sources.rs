//! Size and naming of source files.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::workspace::Workspace;

/// The longest that a source file may be, in lines. Tables of test cases are excepted.
const LIMIT: usize = 600;

/// Files that are too long, and modules in the old layout, as sentences.
pub(crate) fn problems(workspace: &Workspace) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for member in &workspace.members {
        for path in rust_files(&member.folder)? {
            let text =
                fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
            let inside = path.strip_prefix(&member.folder).unwrap_or(&path);
            let shown = path.strip_prefix(&workspace.root).unwrap_or(&path);
            problems
                .extend(judge(inside, text.lines().count()).map(|why| format!("{}: {why}", shown.display())));
        }
    }
    problems.sort();
    Ok(problems)
}

/// What is wrong with the file at that path inside its crate.
fn judge(path: &Path, lines: usize) -> Option<String> {
    if path.file_name().is_some_and(|name| name == "mod.rs") {
        return Some("a module's file is named after it and lies beside its folder".into());
    }
    let of_cases = path.starts_with("tests")
        || path.components().any(|c| c.as_os_str() == "tests")
        || path.file_name().is_some_and(|name| name == "tests.rs");
    (lines > LIMIT && !of_cases).then(|| format!("{lines} lines, {LIMIT} are allowed"))
}

pub(crate) fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("{} cannot be read", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                if path.file_name().is_some_and(|name| name != "target") {
                    open.push(path);
                }
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_files_are_refused_unless_they_hold_test_cases() {
        assert_eq!(judge(Path::new("src/promotion.rs"), 600), None);
        assert!(judge(Path::new("src/promotion.rs"), 601).is_some());
        assert_eq!(judge(Path::new("src/promotion/tests.rs"), 601), None);
        assert_eq!(judge(Path::new("tests/promotion.rs"), 601), None);
    }

    #[test]
    fn the_old_module_layout_is_refused() {
        assert!(judge(Path::new("src/promotion/mod.rs"), 3).is_some());
    }
}
