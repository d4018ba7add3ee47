//! A scenario as it is written, in one file or in several, and where in them a field stands.

use std::collections::BTreeSet;
use std::sync::Arc;

use canary_yaml::Lines;

use crate::mistake::{Mistake, Mistakes};
use crate::overlay::Merged;

/// The text of a scenario.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    name: String,
    text: String,
    lines: Lines,
    /// When it lies in several files.
    merged: Option<Arc<Merged>>,
}

impl Written {
    /// One file.
    pub(crate) fn of(name: &str, text: &str) -> Self {
        Self { name: name.to_owned(), lines: Lines::of(text), text: text.to_owned(), merged: None }
    }

    /// A base with overlays.
    ///
    /// # Errors
    /// They cannot be merged.
    pub(crate) fn layered(files: &[(String, String)]) -> Result<Self, Mistakes> {
        let merged = Merged::of(files)?;
        let text = merged.yaml();
        let name = merged.files().join(" + ");
        Ok(Self { name, lines: Lines::of(&text), text, merged: Some(Arc::new(merged)) })
    }

    /// Its name, or those of all files.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// As one file.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// What a parser found wrong at a line and a column of the text.
    pub(crate) fn fault(&self, (line, column): (usize, usize), why: String) -> Mistakes {
        let mut field = self.lines.field(line, column);
        let mut line = line;
        if why.starts_with("missing field") {
            // It is missing in what has the field that was read last.
            field.truncate(field.rfind(['.', '[']).unwrap_or_default());
            line = self.lines.line(&field);
        }
        if self.merged.is_some() {
            return self.mistakes(vec![(field, why)]);
        }
        Mistakes(vec![Mistake { file: self.name.clone(), line, field, why }])
    }

    /// What is wrong with fields, in the order of the files and their lines.
    pub(crate) fn mistakes(&self, found: Vec<(String, String)>) -> Mistakes {
        let placed = found.into_iter().map(|(field, why)| match &self.merged {
            None => (0, self.name.clone(), self.lines.line(&field), field, why),
            Some(merged) => {
                let (number, file, line, field) = merged.place(&field);
                (number, file, line, field, why)
            }
        });
        let placed: BTreeSet<(usize, String, usize, String, String)> = placed.collect();
        Mistakes(
            placed
                .into_iter()
                .map(|(_, file, line, field, why)| Mistake { file, line, field, why })
                .collect(),
        )
    }
}
