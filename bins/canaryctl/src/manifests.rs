//! Reading objects from files. A mistake names the file, the document, the line and the field.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use serde_json::Value;

/// An object and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    pub(crate) object: Value,
    pub(crate) place: Place,
}

/// A document of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: String,
    /// Counted from 1.
    pub(crate) document: usize,
    /// Line at which the document begins, counted from 1.
    line: usize,
    text: String,
}

impl Place {
    /// The place of a field: the line that holds its last name, or the beginning of the document.
    pub(crate) fn of_field(&self, field: &str) -> String {
        let last = field.rsplit('.').next().unwrap_or_default();
        let last = last.split('[').next().unwrap_or_default();
        let within = self.text.lines().position(|line| {
            let key = line.trim_start().trim_start_matches("- ").trim_matches(['"', '{', ' ']);
            key.strip_prefix(last).is_some_and(|rest| rest.trim_start_matches('"').starts_with(':'))
        });
        format!("{}, document {}, line {}", self.file, self.document, self.line + within.unwrap_or(0))
    }
}

/// Reads all files and folders; folders give their `.yaml`, `.yml` and `.json` files, sorted, with those of their folders.
pub(crate) fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<Manifest>> {
    let mut files = Vec::new();
    for path in paths {
        collect(path, true, &mut files)?;
    }
    let mut manifests = Vec::new();
    for file in files {
        let text =
            std::fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display()))?;
        parse(&file.display().to_string(), &text, &mut manifests)?;
    }
    if manifests.is_empty() {
        bail!("there is no object in {}", list(paths));
    }
    Ok(manifests)
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn collect(path: &Path, named: bool, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if path.is_dir() {
        let entries =
            std::fs::read_dir(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let mut entries = entries.map(|e| e.map(|e| e.path())).collect::<Result<Vec<_>, _>>()?;
        entries.sort();
        return entries.iter().try_for_each(|entry| collect(entry, false, files));
    }
    let is_manifest = path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json");
    if named || is_manifest {
        if !path.exists() {
            bail!("there is no file or folder {}", path.display());
        }
        files.push(path.to_owned());
    }
    Ok(())
}

/// Reads the documents of one file; lists give their items.
fn parse(file: &str, text: &str, manifests: &mut Vec<Manifest>) -> anyhow::Result<()> {
    for (n, (line, document)) in documents(text).into_iter().enumerate() {
        let place = Place { file: file.to_owned(), document: n + 1, line, text: document.clone() };
        let value: Value = serde_saphyr::from_str(&document).map_err(|error| {
            let at = error.location().map_or(line, |l| line + usize::try_from(l.line()).unwrap_or(1) - 1);
            let what = error.to_string().lines().next().unwrap_or_default().to_owned();
            anyhow!("{file}, document {}, line {at}: {what}", n + 1)
        })?;
        if value.is_null() {
            continue; // only comments
        }
        add(value, place, manifests)?;
    }
    Ok(())
}

fn add(object: Value, place: Place, manifests: &mut Vec<Manifest>) -> anyhow::Result<()> {
    let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    let kind = text("/kind");
    if kind.is_empty() || text("/apiVersion").is_empty() {
        let field = if kind.is_empty() { "kind" } else { "apiVersion" };
        bail!("{}: {field} is missing, expected a Kubernetes object", place.of_field(field));
    }
    if let (true, Some(items)) = (kind.ends_with("List"), object.get("items").and_then(Value::as_array)) {
        return items.iter().try_for_each(|item| add(item.clone(), place.clone(), manifests));
    }
    if text("/metadata/name").is_empty() {
        bail!("{}: metadata.name is missing, expected the name of the {kind}", place.of_field("metadata"));
    }
    manifests.push(Manifest { object, place });
    Ok(())
}

/// The documents of a file, each with the line at which it begins.
fn documents(text: &str) -> Vec<(usize, String)> {
    let mut all = Vec::new();
    let (mut begin, mut lines) = (1, Vec::new());
    for (n, line) in text.lines().enumerate() {
        if line == "---" || line.starts_with("--- ") {
            all.push((begin, std::mem::take(&mut lines).join("\n")));
            begin = n + 2;
        } else {
            lines.push(line);
        }
    }
    all.push((begin, lines.join("\n")));
    all.retain(|(_, text)| text.lines().any(|l| !l.trim().is_empty() && !l.trim_start().starts_with('#')));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        parse("a.yaml", text, &mut Vec::new()).unwrap_err().to_string()
    }

    #[test]
    fn a_mistake_names_file_document_line_and_field() {
        let good = "kind: A\napiVersion: v1\nmetadata:\n  name: a\n";
        assert!(error(&format!("{good}---\nkind: [\n")).starts_with("a.yaml, document 2, line "));
        assert_eq!(
            error(&format!("{good}---\n# x\napiVersion: v1\nmetadata: {{name: b}}\n")),
            "a.yaml, document 2, line 6: kind is missing, expected a Kubernetes object"
        );
        assert_eq!(
            error("kind: A\napiVersion: v1\nmetadata: {}\n"),
            "a.yaml, document 1, line 3: metadata.name is missing, expected the name of the A"
        );
    }

    #[test]
    fn lists_give_their_items_and_comments_give_nothing() {
        let mut found = Vec::new();
        let item = "{kind: A, apiVersion: v1, metadata: {name: a}}";
        parse(
            "a.yaml",
            &format!("# only\n---\nkind: List\napiVersion: v1\nitems: [{item}, {item}]\n"),
            &mut found,
        )
        .unwrap();
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn a_field_is_found_by_its_name() {
        let mut found = Vec::new();
        let text = "kind: A\napiVersion: v1\nmetadata: {name: a}\nspec:\n  analysis:\n    stepWeight: 2.5\n";
        parse("a.yaml", text, &mut found).unwrap();
        assert_eq!(found[0].place.of_field("spec.analysis.stepWeight"), "a.yaml, document 1, line 6");
    }
}
