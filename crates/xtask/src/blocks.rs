//! Parts of pages that are made from code: a marker says from what, and all up to the end marker is replaced.
//!
//! ```text
//! <!-- generated: file examples/deployment/canary.yaml -->     a file; a second word names an ANCHOR in it
//! <!-- generated: simulate examples/meshes/istio -->           routing objects of a simulated rollout
//! <!-- generated: providers -->                                the table of routers
//! <!-- end -->
//! ```

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fmt::Write, fs};

use anyhow::{Context, Result, bail, ensure};

use crate::workspace::{Workspace, cargo, run};

const BEGIN: &str = "<!-- generated: ";
const END: &str = "<!-- end -->";

/// Makes the content of blocks.
pub(crate) struct Blocks<'a> {
    workspace: &'a Workspace,
    canaryctl: OnceCell<PathBuf>,
}

impl<'a> Blocks<'a> {
    pub(crate) fn new(workspace: &'a Workspace) -> Self {
        Self { workspace, canaryctl: OnceCell::new() }
    }

    /// The page with all its blocks made anew; `None` when it has none.
    pub(crate) fn fill(&self, page: &Path, text: &str) -> Result<Option<String>> {
        if !text.contains(BEGIN) {
            return Ok(None);
        }
        let filled = fill(text, |source| self.content(source));
        filled.map(Some).with_context(|| page.display().to_string())
    }

    fn content(&self, source: &str) -> Result<String> {
        let words: Vec<&str> = source.split_whitespace().collect();
        match words.as_slice() {
            ["file", path] => file(&self.workspace.root, path, None),
            ["file", path, anchor] => file(&self.workspace.root, path, Some(anchor)),
            ["simulate", folder] => Ok(scenes(&self.canaryctl(&["simulate", folder, "--show-objects"])?)),
            ["providers"] => self.canaryctl(&["providers"]),
            _ => bail!("nothing is known of how to make {source:?}"),
        }
    }

    /// What the program prints, which is built first.
    fn canaryctl(&self, arguments: &[&str]) -> Result<String> {
        let program = if let Some(program) = self.canaryctl.get() {
            program
        } else {
            // As part of the workspace, dependencies have the features that tests have built them with.
            run(
                &self.workspace.root,
                cargo().args(["build", "--quiet", "--workspace", "--bin", "canaryctl"]),
            )?;
            self.canaryctl.get_or_init(|| self.workspace.target.join("debug/canaryctl"))
        };
        let output = Command::new(program).args(arguments).current_dir(&self.workspace.root).output()?;
        let problem = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "canaryctl {}: {}", arguments.join(" "), problem.trim());
        Ok(String::from_utf8(output.stdout)?)
    }
}

/// Replaces what is between markers.
fn fill(text: &str, mut content: impl FnMut(&str) -> Result<String>) -> Result<String> {
    let mut filled = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let _ = writeln!(filled, "{line}");
        let source = line.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix("-->"));
        let Some(source) = source.map(str::trim) else { continue };
        ensure!(lines.any(|line| line == END), "{source}: {END} is missing");
        let _ = writeln!(filled, "{}\n{END}", content(source)?.trim_end());
    }
    Ok(filled)
}

/// A file, or the part of it between `ANCHOR: name` and `ANCHOR_END: name`, as code.
fn file(root: &Path, path: &str, anchor: Option<&str>) -> Result<String> {
    let text = fs::read_to_string(root.join(path)).with_context(|| format!("{path} cannot be read"))?;
    let part = match anchor {
        None => text,
        Some(name) => {
            let (begin, end) = (format!("// ANCHOR: {name}"), format!("// ANCHOR_END: {name}"));
            let inside = text.lines().skip_while(|line| *line != begin).skip(1);
            let lines: Vec<&str> = inside.take_while(|line| *line != end).collect();
            ensure!(!lines.is_empty(), "{path} has no part {begin:?}");
            lines.join("\n")
        }
    };
    let language = match Path::new(path).extension().and_then(|extension| extension.to_str()) {
        Some("rs") => "rust",
        Some(other) => other,
        None => "text",
    };
    Ok(format!("```{language}\n{}\n```", part.trim_end()))
}

/// Scenes as `canaryctl` prints them, each with its heading as a sentence and its objects as code.
fn scenes(printed: &str) -> String {
    let mut page = String::new();
    let mut open = false;
    for line in printed.lines() {
        if let Some(titles) = line.strip_prefix("# unchanged: ") {
            let _ = write!(page, "{}Unchanged: {titles}.\n\n", if open { "```\n\n" } else { "" });
            open = false;
        } else if let Some(heading) = line.strip_prefix("# ") {
            let when = heading.split_once(' ').map_or(heading, |(_, when)| when);
            let mut letters = when.chars();
            let first = letters.next().map(char::to_uppercase).into_iter().flatten();
            let sentence: String = first.chain(letters).collect();
            let end = if sentence.ends_with(": as before it") { "." } else { ":" };
            let _ = write!(page, "{}{sentence}{end}\n\n", if open { "```\n\n" } else { "" });
            open = false;
        } else if line == "---" {
            page.push_str(if open { "---\n" } else { "```yaml\n" });
            open = true;
        } else {
            let _ = writeln!(page, "{line}");
        }
    }
    if open {
        page.push_str("```\n");
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_between_markers_is_made_anew_and_the_rest_stays() {
        let page = "a\n<!-- generated: x y -->\nold\n<!-- end -->\nb\n";
        let filled = fill(page, |source| Ok(format!("new {source}\n"))).unwrap();
        assert_eq!(filled, "a\n<!-- generated: x y -->\nnew x y\n<!-- end -->\nb\n");
        assert_eq!(fill(&filled, |source| Ok(format!("new {source}"))).unwrap(), filled);
        let error = fill("<!-- generated: x -->\n", |_| Ok(String::new())).unwrap_err();
        assert_eq!(error.to_string(), "x: <!-- end --> is missing");
    }

    #[test]
    fn scenes_become_sentences_and_code() {
        let printed = "# a.b before the rollout\n---\nkind: A\n---\nkind: B\n# a.b at 10 %\n---\nkind: A\n\
                       # unchanged: B b\n# a.b after the rollout: as before it\n";
        let expected = "Before the rollout:\n\n```yaml\nkind: A\n---\nkind: B\n```\n\nAt 10 %:\n\n```yaml\nkind: A\n```\n\n\
                        Unchanged: B b.\n\nAfter the rollout: as before it.\n\n";
        assert_eq!(scenes(printed), expected);
    }

    #[test]
    fn an_unknown_file_or_part_is_an_error_that_names_it() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert!(file(root, "none.yaml", None).unwrap_err().to_string().contains("none.yaml"));
        let error = file(root, "Cargo.toml", Some("router")).unwrap_err();
        assert!(error.to_string().contains("ANCHOR: router"), "{error}");
    }
}
