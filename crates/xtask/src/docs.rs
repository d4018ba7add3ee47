//! The documentation: pages that are made from code, and links that lead somewhere.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::blocks::Blocks;
use crate::generated::{Mode, settle};
use crate::workspace::Workspace;

/// Makes or checks the generated pages, then follows every local link of `docs` and the README.
pub(crate) fn run(workspace: &Workspace, mode: Mode) -> Result<()> {
    let folder = workspace.root.join("docs");
    let mut generated = vec![(folder.join("fields.md"), fields())];
    let pages = pages(&folder)?;
    let blocks = Blocks::new(workspace);
    for page in &pages {
        generated.extend(blocks.fill(page, &read(page)?)?.map(|text| (page.clone(), text)));
    }
    settle(&generated, mode)?;
    let mut problems = unlisted(&folder, &pages)?;
    for page in pages.iter().chain([&workspace.root.join("README.md")]) {
        let found = broken_links(&read(page)?, page.parent().unwrap_or(&folder));
        problems.extend(found.into_iter().map(|link| format!("{}: nothing at {link}", page.display())));
    }
    if !problems.is_empty() {
        bail!("{}", problems.join("\n"));
    }
    eprintln!("{} pages", pages.len());
    Ok(())
}

fn fields() -> String {
    format!(
        "# Field reference\n\n\
         All fields of the three custom resources, made from their types by `cargo xtask docs`. The short way to read \
         them in a cluster is `kubectl explain canary.spec`.\n\n{}\n",
        canary_api::field_reference().trim_end()
    )
}

/// Pages that the table of contents does not name.
fn unlisted(folder: &Path, pages: &[PathBuf]) -> Result<Vec<String>> {
    let contents = read(&folder.join("SUMMARY.md"))?;
    Ok(pages
        .iter()
        .filter_map(|page| page.strip_prefix(folder).ok())
        .filter(|page| {
            *page != Path::new("SUMMARY.md") && !contents.contains(&format!("({})", page.display()))
        })
        .map(|page| format!("docs/SUMMARY.md: it does not name {}", page.display()))
        .collect())
}

fn pages(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "book") {
            found.extend(pages(&path)?);
        } else if path.extension().is_some_and(|e| e == "md") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// Links of a page to files that do not exist, seen from `folder`.
fn broken_links(page: &str, folder: &Path) -> Vec<String> {
    links(page).filter(|link| !folder.join(link).exists()).map(str::to_owned).collect()
}

/// Paths that a page links to, without anchors. Links within the page and to other sites are left out, and so is code.
fn links(page: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    page.lines()
        .filter(move |line| {
            let fence = line.trim_start().starts_with("```");
            in_code ^= fence;
            !fence && !in_code
        })
        .flat_map(|line| line.split("](").skip(1))
        .filter_map(|rest| rest.split(')').next())
        .filter(|link| !link.contains("://"))
        .filter_map(|link| link.split('#').next())
        .filter(|path| !path.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_links_to_files_count() {
        let page = "[a](a.md#part) and [b](https://b.example/c)\n```text\n[no](no.md)\n```\n[here](#part) [d](d/e.md)";
        assert_eq!(links(page).collect::<Vec<_>>(), ["a.md", "d/e.md"]);
    }

    #[test]
    fn a_link_to_nothing_is_broken() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert_eq!(broken_links("[m](Cargo.toml) [n](nothing.md)", folder), ["nothing.md"]);
    }
}
