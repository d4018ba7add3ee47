//! Reading objects from files. A mistake names the file, the document, the line and the field.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use canary_yaml::fault;
use serde_json::Value;

use crate::place::Place;

/// An object and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    pub(crate) object: Value,
    pub(crate) place: Place,
}

impl Manifest {
    /// A text of the object; empty when there is none.
    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether this is that object.
    pub(crate) fn is(&self, kind: &str, namespace: &str, name: &str) -> bool {
        self.text("/kind") == kind
            && self.text("/metadata/namespace") == namespace
            && self.text("/metadata/name") == name
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
pub(crate) fn parse(file: &str, text: &str, manifests: &mut Vec<Manifest>) -> anyhow::Result<()> {
    for (n, (first_line, document)) in documents(text).into_iter().enumerate() {
        let value: Value = serde_saphyr::from_str(&document).map_err(|error| {
            let (line, what) = fault(&error);
            anyhow!("{file}, document {}, line {}: {what}", n + 1, first_line + line - 1)
        })?;
        if !value.is_null() {
            add(value, &Place::new(file, n + 1, first_line, &document), manifests)?;
        }
    }
    Ok(())
}

fn add(object: Value, place: &Place, manifests: &mut Vec<Manifest>) -> anyhow::Result<()> {
    let manifest = Manifest { object, place: place.clone() };
    let kind = manifest.text("/kind");
    for field in ["kind", "apiVersion"] {
        if manifest.text(&format!("/{field}")).is_empty() {
            bail!("{}: {field} is missing, expected a Kubernetes object", place.of(field));
        }
    }
    if let (true, Some(items)) = (kind.ends_with("List"), manifest.object["items"].as_array()) {
        let mut items = items.iter().enumerate();
        return items.try_for_each(|(n, item)| add(item.clone(), &place.item(n), manifests));
    }
    if manifest.text("/metadata/name").is_empty() {
        bail!("{}: metadata.name is missing, expected the name of the {kind}", place.of("metadata.name"));
    }
    manifests.push(manifest);
    Ok(())
}

/// The documents of a file, each with the line at which it begins.
fn documents(text: &str) -> Vec<(usize, String)> {
    let mut all = Vec::new();
    let (mut first_line, mut lines) = (1, Vec::new());
    for (n, line) in text.lines().enumerate() {
        match line.strip_prefix("---") {
            Some(rest) if rest.is_empty() || rest.starts_with([' ', '\t']) => {
                all.push((first_line, std::mem::take(&mut lines).join("\n")));
                first_line = n + 1;
                // What stands behind the marker belongs to the document, at its column.
                lines.push(format!("   {rest}"));
            }
            _ => lines.push(line.to_owned()),
        }
    }
    all.push((first_line, lines.join("\n")));
    let says_something = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    all.retain(|(_, text)| text.lines().any(says_something));
    all
}

/// The objects of a text, for tests.
#[cfg(test)]
pub(crate) fn parse_text(text: &str) -> Vec<Manifest> {
    let mut manifests = Vec::new();
    parse("test.yaml", text, &mut manifests).unwrap();
    manifests
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "kind: A\napiVersion: v1\nmetadata:\n  name: a\n";

    #[test]
    fn a_mistake_names_file_document_line_and_field() {
        for (text, error) in [
            (format!("{GOOD}---\nkind: [\n"), "a.yaml, document 2, line 6: unclosed bracket '['"),
            (
                format!("{GOOD}---\n# x\napiVersion: v1\nmetadata: {{name: b}}\n"),
                "a.yaml, document 2, line 5: kind is missing, expected a Kubernetes object",
            ),
            (
                "kind: A\napiVersion: v1\nmetadata: {}\n".into(),
                "a.yaml, document 1, line 3: metadata.name is missing, expected the name of the A",
            ),
            (
                "# x\n--- {kind: A, apiVersion: v1}".into(),
                "a.yaml, document 1, line 2: metadata.name is missing, expected the name of the A",
            ),
            (
                "kind: List\napiVersion: v1\nitems:\n- {kind: A, apiVersion: v1, metadata: {name: a}}\n- apiVersion: v1\n".into(),
                "a.yaml, document 1, line 5: kind is missing, expected a Kubernetes object",
            ),
            (
                "{\"apiVersion\": \"v1\",\n\"kind\": \"A\",\n\"metadata\": {\"name\": 1}}".into(),
                "a.yaml, document 1, line 3: metadata.name is missing, expected the name of the A",
            ),
            ("just words".into(), "a.yaml, document 1, line 1: kind is missing, expected a Kubernetes object"),
        ] {
            let found = parse("a.yaml", &text, &mut Vec::new()).unwrap_err().to_string();
            assert_eq!(found, error, "{text}");
        }
    }

    #[test]
    fn lists_give_their_items_and_comments_give_nothing() {
        let item = "{kind: A, apiVersion: v1, metadata: {name: a}}";
        for (text, objects) in [
            (format!("# only\n---\nkind: List\napiVersion: v1\nitems: [{item}, {item}]\n"), 2),
            (format!("--- {item}\n---\t# a comment\n{item}\n---\n"), 2),
            ("# nothing\n---\n\n".into(), 0),
        ] {
            let mut found = Vec::new();
            parse("a.yaml", &text, &mut found).unwrap();
            assert_eq!(found.len(), objects, "{text}");
        }
    }
}
