//! Files that mutations begin with.

use std::path::{Path, PathBuf};

/// The folder of all corpora.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// The top of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The contents of all files below a folder in the order of their paths; of those with the extensions if there are any.
pub(crate) fn folder(folder: &Path, extensions: &[&str]) -> Vec<Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let mut contents = Vec::new();
    for path in paths {
        if path.is_dir() {
            contents.extend(self::folder(&path, extensions));
        } else if extensions.is_empty()
            || path.extension().is_some_and(|e| extensions.iter().any(|wanted| e == *wanted))
        {
            contents.extend(std::fs::read(&path).ok());
        }
    }
    contents
}
