//! Ends the process when an input takes too long or too much memory; keeps inputs that failed.

use std::any::Any;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::{LIMIT, MEMORY};

type Current = Mutex<Option<(Instant, Vec<u8>)>>;

/// Looks at the input under way a few times a second, until it is dropped.
pub(crate) struct Guard(Arc<Current>);

/// An input under way.
pub(crate) struct Watched<'a>(&'a Current);

impl Guard {
    pub(crate) fn start(name: &'static str) -> Self {
        let current = Arc::<Current>::default();
        let seen = Arc::downgrade(&current);
        std::thread::spawn(move || look(name, &seen));
        Self(current)
    }

    pub(crate) fn watch(&self, input: &[u8]) -> Watched<'_> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), input.to_owned()));
        Watched(&self.0)
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[expect(clippy::disallowed_methods, reason = "this thread does nothing but wait")]
fn look(name: &str, seen: &Weak<Current>) {
    while let Some(current) = seen.upgrade() {
        let under_way = current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        drop(current);
        if let Some((begin, input)) = under_way {
            let slow = begin.elapsed() > LIMIT;
            if slow || resident() > MEMORY {
                let path = keep(name, &input);
                let what = if slow { "takes longer than it may" } else { "takes more memory than it may" };
                eprintln!("fuzz {name}: an input {what}; it is kept in {}", path.display());
                std::process::exit(101);
            }
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Writes an input where it can be found again.
pub(crate) fn keep(name: &str, input: &[u8]) -> PathBuf {
    let folder = crate::corpus::repository().join("target/fuzz").join(name);
    // FNV-1a: enough of a name.
    let hash = input.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let path = folder.join(format!("{hash:016x}"));
    if let Err(error) = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, input)) {
        eprintln!("the input cannot be kept: {error}; it is {:?}", String::from_utf8_lossy(input));
    }
    path
}

/// What a panic said.
pub(crate) fn text_of(cause: &(dyn Any + Send)) -> String {
    let text = cause.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| cause.downcast_ref::<&str>().copied()).unwrap_or("a panic without words").to_owned()
}

/// Bytes that the process has in memory now; 0 where that cannot be told.
fn resident() -> u64 {
    status("VmRSS:")
}

/// Bytes that the process had in memory at most; 0 where that cannot be told.
pub(crate) fn peak() -> u64 {
    status("VmHWM:")
}

fn status(field: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}
