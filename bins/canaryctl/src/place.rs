//! Where a document's fields stand in its file, so that a mistake can be shown with its line.
//! Not what the fields mean.

use std::sync::Arc;

use canary_yaml::Lines;

/// An object's place: its file, its document, and the way to it within a list.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    file: String,
    /// Counted from 1.
    document: usize,
    /// Line of the file at which the document begins, counted from 1.
    first_line: usize,
    lines: Arc<Lines>,
    /// Path of the object in the document; empty when it is the document.
    base: String,
}

impl Place {
    /// Reads where the fields of a document stand.
    pub(crate) fn new(file: &str, document: usize, first_line: usize, text: &str) -> Self {
        let lines = Arc::new(Lines::of(text));
        Self { file: file.to_owned(), document, first_line, lines, base: String::new() }
    }

    /// The place of an item of a list.
    pub(crate) fn item(&self, n: usize) -> Self {
        Self { base: format!("{}items[{n}].", self.base), ..self.clone() }
    }

    /// The file, and the line of a field in it, as [`Place::of`] finds it.
    pub(crate) fn line(&self, field: &str) -> (&str, usize) {
        let within = self.lines.line(&format!("{}{field}", self.base));
        (&self.file, self.first_line + within - 1)
    }

    /// Where a field such as `spec.analysis.webhooks[0].type` stands; the nearest parent that exists, if it is missing.
    pub(crate) fn of(&self, field: &str) -> String {
        let (file, line) = self.line(field);
        format!("{file}, document {}, line {line}", self.document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: &str = "\
kind: Canary
metadata: {name: a}
spec:
  targetRef:
    kind: Deployment
    name: podinfo
  analysis:
    webhooks:
    - name: first
      type: rollout
    - {name: second,
       type: rolout}
";

    #[test]
    fn fields_stand_where_the_editor_shows_them() {
        let place = Place::new("a.yaml", 2, 10, CANARY);
        for (field, line) in [
            ("kind", 1),
            ("metadata.name", 2),
            ("spec.targetRef.kind", 5),
            ("spec.targetRef.name", 6),
            ("spec.analysis.webhooks[0].type", 10),
            ("spec.analysis.webhooks[1].type", 12),
            // Missing ones: the nearest parent.
            ("spec.analysis.webhooks[1].url", 11),
            ("spec.service.port", 3),
            ("apiVersion", 1),
        ] {
            assert_eq!(place.of(field), format!("a.yaml, document 2, line {}", line + 9), "{field}");
        }
    }

    #[test]
    fn items_of_lists_are_found_and_so_is_json() {
        let place = Place::new("a.json", 1, 1, "{\"items\": [\n{\"kind\": \"A\"},\n{\"kind\":\n\"B\"}]}");
        assert_eq!(place.item(1).of("kind"), "a.json, document 1, line 3");
        assert_eq!(place.item(0).of("metadata"), "a.json, document 1, line 2");
    }
}
