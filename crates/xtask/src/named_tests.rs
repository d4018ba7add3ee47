//! Tests that the documentation names exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::sources::rust_files;
use crate::workspace::Workspace;

/// Where the pages stand that name tests, and those of them in folders.
const PAGES: [&str; 3] = ["docs/safety.md", "docs/security.md", "docs/differences.md"];
const FOLDER: &str = "docs/differences";
/// Where scripts of `canary-core` lie, named by their files.
const SCRIPTS: &str = "crates/canary-core/tests/scenarios";

/// Names that stand for nothing, as sentences.
pub(crate) fn problems(workspace: &Workspace) -> Result<Vec<String>> {
    let mut known = BTreeSet::new();
    for member in &workspace.members {
        for path in rust_files(&member.folder)? {
            let text =
                fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
            known.extend(functions(&text).map(str::to_owned));
        }
    }
    let mut pages: Vec<_> = PAGES.iter().map(|page| workspace.root.join(page)).collect();
    let folder = workspace.root.join(FOLDER);
    let entries = fs::read_dir(&folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    for entry in entries {
        pages.push(entry?.path());
    }
    pages.sort();
    let mut problems = Vec::new();
    for page in pages {
        let text = fs::read_to_string(&page).with_context(|| format!("{} cannot be read", page.display()))?;
        let missing = named(&text).filter(|name| !exists(name, &known, &workspace.root));
        let shown = page.strip_prefix(&workspace.root).unwrap_or(&page).display().to_string();
        problems.extend(missing.map(|name| format!("{shown}: there is no test {name}")));
    }
    Ok(problems)
}

fn exists(name: &str, known: &BTreeSet<String>, root: &Path) -> bool {
    match name.strip_suffix(".txt") {
        Some(_) => root.join(SCRIPTS).join(name).exists(),
        None => known.contains(name),
    }
}

/// Names of functions, and of rules that a macro makes tests of: one alone on its line.
fn functions(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let line = line.trim();
        let after = line.split_once("fn ").map_or(line, |(_, after)| after);
        let name = after.split(['(', '<']).next()?;
        (is_name(name) && (after.len() < line.len() || name == line)).then_some(name)
    })
}

/// What stands in code and can only be a test: a sentence of words, a target of the fuzzer, a rule of a contract, a script.
fn named(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2).filter_map(|code| {
        let name = code.strip_prefix("contract: ").unwrap_or(code);
        let is_script = name.strip_suffix(".txt").is_some_and(is_name);
        let is_sentence = name.matches('_').count() >= 3 || name.starts_with("fuzz_");
        (is_script || is_name(name) && (is_sentence || name.len() < code.len())).then_some(name)
    })
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_rules_and_scripts_are_names_of_tests_and_fields_are_not() {
        let page = "fixed, `a_b_c_d`, `x.txt`, `contract: null_is`; `min_ready_seconds` of `spec.a_b_c_d_e` and `a b_c_d_e`, `fuzz_hooks`";
        assert_eq!(named(page).collect::<Vec<_>>(), ["a_b_c_d", "x.txt", "null_is", "fuzz_hooks"]);
    }

    #[test]
    fn functions_and_rules_of_macros_are_found() {
        let text =
            "    async fn a_b() {\npub(crate) fn c<T>(x: T) {\n    null_is\nlet d = 5;\n// fn here, no\n";
        assert_eq!(functions(text).collect::<Vec<_>>(), ["a_b", "c", "null_is"]);
    }
}
