//! One process at a time: a lock beside the journal, which is a new file after each rewriting.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

/// Locks the journal until the file is closed, which the end of the process does, however it ends.
///
/// # Errors
/// Another one has it ([`io::ErrorKind::ResourceBusy`]), or the file system has no locks.
pub(super) fn lock(journal: &Path) -> io::Result<File> {
    let mut path = journal.as_os_str().to_owned();
    path.push(".lock");
    let mut options = OpenOptions::new();
    options.create(true).write(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&path)?;
    // It is never removed: whoever waits for the old one would not see the new.
    let path = Path::new(&path).display();
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(io::Error::new(
            io::ErrorKind::ResourceBusy,
            format!("it is in use by another process, which has locked {path}"),
        )),
        Err(TryLockError::Error(error)) => {
            Err(io::Error::new(error.kind(), format!("{path} cannot be locked: {error}")))
        }
    }
}
