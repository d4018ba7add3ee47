//! Gates: closed until somebody opens them, kept over a restart where there is a file for that.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Context;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The gate that all three confirm hooks of a canary share on Flagger's paths.
pub(crate) const SHARED: &str = "shared";
/// The gate of rollback hooks.
pub(crate) const ROLLBACK: &str = "rollback";
/// Gates of one kind of hook each, and the two above.
pub(crate) const KINDS: [&str; 5] =
    [SHARED, ROLLBACK, "confirm-rollout", "confirm-traffic-increase", "confirm-promotion"];

/// An open gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Opening {
    /// Who opened it, as far as is known.
    pub(crate) by: String,
    /// When.
    pub(crate) at: Timestamp,
    /// When it closes by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<Timestamp>,
}

/// All gates.
#[derive(Debug, Default)]
pub(crate) struct Gates {
    file: Option<PathBuf>,
    /// By namespace/name/kind; those that are not here are closed.
    open: Mutex<BTreeMap<String, Opening>>,
}

impl Gates {
    /// With what the file says, if there is one.
    ///
    /// # Errors
    /// The file cannot be read, or is no file of gates.
    pub(crate) fn load(file: Option<PathBuf>) -> anyhow::Result<Self> {
        let open = match &file {
            Some(path) if path.exists() => {
                let text =
                    std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
                serde_json::from_slice(&text)
                    .with_context(|| format!("{} is no file of gates", path.display()))?
            }
            Some(_) | None => BTreeMap::new(),
        };
        Ok(Self { file, open: Mutex::new(open) })
    }

    /// The opening of a gate that is open at `now`.
    pub(crate) fn opening(&self, namespace: &str, name: &str, kind: &str, now: Timestamp) -> Option<Opening> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.get(&key(namespace, name, kind)).filter(|o| o.until.is_none_or(|until| now < until)).cloned()
    }

    /// Opens a gate.
    ///
    /// # Errors
    /// It could not be written down; it is not open then.
    pub(crate) fn open(
        &self,
        namespace: &str,
        name: &str,
        kind: &str,
        opening: Opening,
    ) -> anyhow::Result<()> {
        self.change(|open| drop(open.insert(key(namespace, name, kind), opening)))
    }

    /// Closes a gate.
    ///
    /// # Errors
    /// It could not be written down; it is as it was then.
    pub(crate) fn close(&self, namespace: &str, name: &str, kind: &str) -> anyhow::Result<()> {
        self.change(|open| drop(open.remove(&key(namespace, name, kind))))
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, Opening>)) -> anyhow::Result<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = open.clone();
        change(&mut changed);
        if let Some(path) = &self.file {
            write(path, &serde_json::to_vec_pretty(&changed)?)
                .with_context(|| format!("{} cannot be written", path.display()))?;
        }
        *open = changed;
        Ok(())
    }
}

/// A reader sees the old file or the new one, never half of it.
fn write(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = std::fs::File::create(&fresh)?;
    file.write_all(text)?;
    file.sync_all()?;
    std::fs::rename(fresh, path)
}

fn key(namespace: &str, name: &str, kind: &str) -> String {
    format!("{namespace}/{name}/{kind}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn opening(until: Option<i64>) -> Opening {
        Opening { by: "test".into(), at: at(0), until: until.map(at) }
    }

    #[test]
    fn a_gate_is_closed_until_it_is_opened_and_each_kind_is_its_own() {
        let gates = Gates::default();
        let is_open = |kind| gates.opening("test", "podinfo", kind, at(1)).is_some();
        assert!(!is_open(SHARED));
        gates.open("test", "podinfo", SHARED, opening(None)).unwrap();
        assert!(is_open(SHARED) && !is_open(ROLLBACK) && !is_open("confirm-promotion"));
        gates.close("test", "podinfo", SHARED).unwrap();
        assert!(!is_open(SHARED));
    }

    #[test]
    fn a_gate_with_an_end_closes_by_itself() {
        let gates = Gates::default();
        gates.open("test", "podinfo", SHARED, opening(Some(10))).unwrap();
        assert!(gates.opening("test", "podinfo", SHARED, at(9)).is_some());
        assert!(gates.opening("test", "podinfo", SHARED, at(10)).is_none());
    }

    #[test]
    fn gates_survive_a_restart() {
        let file = std::env::temp_dir().join(format!("gates-{}.json", uuid::Uuid::new_v4()));
        Gates::load(Some(file.clone())).unwrap().open("test", "podinfo", SHARED, opening(None)).unwrap();
        let again = Gates::load(Some(file.clone())).unwrap();
        assert_eq!(again.opening("test", "podinfo", SHARED, at(1)).unwrap().by, "test");
        std::fs::write(&file, "no").unwrap();
        assert!(Gates::load(Some(file.clone())).is_err());
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn a_gate_that_cannot_be_written_down_stays_as_it_is() {
        let gates = Gates::load(Some("/nowhere/at/all.json".into())).unwrap();
        assert!(gates.open("test", "podinfo", SHARED, opening(None)).is_err());
        assert!(gates.opening("test", "podinfo", SHARED, at(1)).is_none());
    }
}
