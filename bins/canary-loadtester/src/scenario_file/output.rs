//! Where a report goes: opened before the run, so that it is not lost after it.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use anyhow::Context;

pub(super) struct Output<'a> {
    path: &'a Path,
    file: File,
}

impl<'a> Output<'a> {
    /// An older report stays there until there is a new one.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn open(path: &'a Path) -> anyhow::Result<Self> {
        let file = OpenOptions::new().create(true).write(true).truncate(false).open(path);
        let file = file.with_context(|| format!("--output: {} cannot be written", path.display()))?;
        Ok(Self { path, file })
    }

    pub(super) fn write(mut self, text: &str) -> anyhow::Result<()> {
        // Pipes and devices have no length.
        let emptied = if self.file.metadata().is_ok_and(|about| about.is_file()) {
            self.file.set_len(0)
        } else {
            Ok(())
        };
        let written = emptied.and_then(|()| self.file.write_all(text.as_bytes()));
        written.with_context(|| format!("--output: {} cannot be written", self.path.display()))
    }
}
