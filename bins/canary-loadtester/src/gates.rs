//! Gates: closed until somebody opens them, kept over a restart where there is a file for that.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use anyhow::Context;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::store::Store;

/// The name under which they are kept.
const KEPT: &str = "gates.json";
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
    store: Store,
    /// By namespace/name/kind; those that are not here are closed.
    open: Mutex<BTreeMap<String, Opening>>,
    /// One change at a time.
    changing: tokio::sync::Mutex<()>,
}

impl Gates {
    /// With what was kept of them.
    ///
    /// # Errors
    /// It cannot be read, or is malformed.
    pub(crate) async fn load(store: Store) -> anyhow::Result<Self> {
        let texts = store.load().await.context("what outlived the last process")?;
        let open = match texts.get(KEPT) {
            Some(text) => serde_json::from_str(text).with_context(|| format!("{KEPT} has no gates"))?,
            None => BTreeMap::new(),
        };
        Ok(Self { store, open: Mutex::new(open), changing: tokio::sync::Mutex::default() })
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
    pub(crate) async fn open(
        &self,
        namespace: &str,
        name: &str,
        kind: &str,
        opening: Opening,
    ) -> anyhow::Result<()> {
        self.change(|open| drop(open.insert(key(namespace, name, kind), opening))).await
    }

    /// Closes a gate.
    ///
    /// # Errors
    /// It could not be written down; it is as it was then.
    pub(crate) async fn close(&self, namespace: &str, name: &str, kind: &str) -> anyhow::Result<()> {
        self.change(|open| drop(open.remove(&key(namespace, name, kind)))).await
    }

    async fn change(&self, change: impl FnOnce(&mut BTreeMap<String, Opening>)) -> anyhow::Result<()> {
        let _one_at_a_time = self.changing.lock().await;
        let mut changed = self.open.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let now = Timestamp::now();
        changed.retain(|_, opening| opening.until.is_none_or(|until| now < until));
        change(&mut changed);
        self.store.put(KEPT, Some(&serde_json::to_string(&changed)?)).await?;
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = changed;
        Ok(())
    }
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

    #[tokio::test]
    async fn a_gate_is_closed_until_it_is_opened_and_each_kind_is_its_own() {
        let gates = Gates::default();
        let is_open = |kind| gates.opening("test", "podinfo", kind, at(1)).is_some();
        assert!(!is_open(SHARED));
        gates.open("test", "podinfo", SHARED, opening(None)).await.unwrap();
        assert!(is_open(SHARED) && !is_open(ROLLBACK) && !is_open("confirm-promotion"));
        gates.close("test", "podinfo", SHARED).await.unwrap();
        assert!(!is_open(SHARED));
    }

    #[tokio::test]
    async fn a_gate_with_an_end_closes_by_itself() {
        let gates = Gates::default();
        gates.open("test", "podinfo", SHARED, opening(Some(10))).await.unwrap();
        assert!(gates.opening("test", "podinfo", SHARED, at(9)).is_some());
        assert!(gates.opening("test", "podinfo", SHARED, at(10)).is_none());
    }

    #[tokio::test]
    async fn gates_survive_a_restart() {
        let file = std::env::temp_dir().join(format!("gates-{}.json", uuid::Uuid::new_v4()));
        let gates = Gates::load(Store::file(file.clone())).await.unwrap();
        gates.open("test", "podinfo", SHARED, opening(None)).await.unwrap();
        let again = Gates::load(Store::file(file.clone())).await.unwrap();
        assert_eq!(again.opening("test", "podinfo", SHARED, at(1)).unwrap().by, "test");
        std::fs::remove_file(file).unwrap();
    }

    #[tokio::test]
    async fn a_gate_that_cannot_be_written_down_stays_as_it_is() {
        let gates = Gates::load(Store::file("/nowhere/at/all.json".into())).await.unwrap();
        assert!(gates.open("test", "podinfo", SHARED, opening(None)).await.is_err());
        assert!(gates.opening("test", "podinfo", SHARED, at(1)).is_none());
    }
}
