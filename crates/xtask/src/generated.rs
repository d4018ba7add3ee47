//! Files that are made from code and kept in the repository, so that people can read and diff them.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

/// What to do about files that are not as the code would make them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Write them.
    Write,
    /// Fail and name them.
    Check,
}

/// Brings every file (path and content) up to date, or says which are not.
pub(crate) fn settle(files: &[(PathBuf, String)], mode: Mode) -> Result<()> {
    let mut stale = Vec::new();
    for (path, content) in files {
        if fs::read_to_string(path).is_ok_and(|found| found == *content) {
            continue;
        }
        match mode {
            Mode::Check => stale.push(path.display().to_string()),
            Mode::Write => {
                let folder = path.parent().context("a generated file is in a folder")?;
                fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
                fs::write(path, content).with_context(|| format!("{} cannot be written", path.display()))?;
                eprintln!("wrote {}", path.display());
            }
        }
    }
    if !stale.is_empty() {
        bail!("not up to date, the same command without --check writes them: {}", stale.join(", "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_file_is_named_and_a_written_one_is_up_to_date() {
        let folder = std::env::temp_dir().join(format!("xtask-generated-{}", std::process::id()));
        let files = [(folder.join("new/page.md"), "text\n".to_owned())];
        assert!(settle(&files, Mode::Check).unwrap_err().to_string().contains("page.md"));
        settle(&files, Mode::Write).unwrap();
        settle(&files, Mode::Check).unwrap();
        fs::remove_dir_all(folder).unwrap();
    }
}
