//! Objects by kind, namespace and name, the one counter of resource versions, and what changed lately.
//!
//! Stores whatever it is given; what may be written is decided elsewhere. Objects are kept without `kind` and
//! `apiVersion`, so that every served version of a kind shares them.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::task::Waker;

use serde_json::Value;

use crate::kinds::KindId;

/// How many changes of one kind can be watched from the past.
const HISTORY: usize = 2_000;

/// An object as stored.
pub(crate) type Object = Arc<Value>;

/// One change.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) revision: u64,
    pub(crate) before: Option<Object>,
    /// The object after the change; of a deletion, the last state with the version of the deletion.
    pub(crate) object: Object,
    pub(crate) deleted: bool,
}

/// What the server has to tell an open watch besides changes.
#[derive(Debug, Default)]
pub(crate) struct OpenWatch {
    pub(crate) waker: Option<Waker>,
    pub(crate) ending: Option<Ending>,
    pub(crate) bookmark_due: bool,
    /// How many of the last changes are told once more.
    pub(crate) repeat: usize,
}

/// How an open watch ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Its time is over.
    TimedOut,
    /// The history that it needs is gone: an ERROR event.
    Expired,
    /// The connection broke.
    Cut,
}

/// All objects of one kind.
#[derive(Debug, Default)]
pub(crate) struct Table {
    namespaces: BTreeMap<String, BTreeMap<String, Object>>,
    history: VecDeque<Change>,
    /// Every change after this revision is in `history`.
    floor: u64,
    /// In the order in which they are woken.
    pub(crate) watches: BTreeMap<u64, OpenWatch>,
    /// Watches are told nothing for the time being.
    pub(crate) held: bool,
}

impl Table {
    pub(crate) fn get(&self, namespace: &str, name: &str) -> Option<&Object> {
        self.namespaces.get(namespace)?.get(name)
    }

    /// The objects of one namespace, or of all (`""`), by namespace and name.
    pub(crate) fn iter<'a>(&'a self, namespace: &'a str) -> Box<dyn Iterator<Item = &'a Object> + Send + 'a> {
        if namespace.is_empty() {
            Box::new(self.namespaces.values().flat_map(BTreeMap::values))
        } else {
            Box::new(self.namespaces.get(namespace).into_iter().flat_map(BTreeMap::values))
        }
    }

    /// The objects as they were at `revision`, after the position `after`; `None` when that is forgotten.
    pub(crate) fn snapshot(
        &self,
        namespace: &str,
        revision: u64,
        after: Option<(&str, &str)>,
    ) -> Option<Vec<Object>> {
        if revision < self.floor {
            return None;
        }
        let mut overlay: BTreeMap<(String, String), Option<Object>> = BTreeMap::new();
        for change in self.history.iter().rev().take_while(|c| c.revision > revision) {
            overlay.insert(position(&change.object), change.before.clone());
        }
        let past = |ns: &str, name: &str| after.is_none_or(|a| (ns, name) > a);
        let mut objects: BTreeMap<(String, String), Object> = BTreeMap::new();
        let lower = after.map_or(Bound::Unbounded, |(ns, _)| Bound::Included(ns));
        for (ns, names) in self.namespaces.range::<str, _>((lower, Bound::Unbounded)) {
            if namespace.is_empty() || ns == namespace {
                for (name, object) in names.iter().filter(|(name, _)| past(ns, name)) {
                    objects.insert((ns.clone(), name.clone()), Arc::clone(object));
                }
            }
        }
        for ((ns, name), before) in overlay {
            if !past(&ns, &name) || !(namespace.is_empty() || ns == namespace) {
                continue;
            }
            match before {
                Some(object) => objects.insert((ns, name), object),
                None => objects.remove(&(ns, name)),
            };
        }
        Some(objects.into_values().collect())
    }

    /// The changes after `revision`; `None` when they are forgotten.
    pub(crate) fn changes_after(&self, revision: u64) -> Option<impl Iterator<Item = &Change>> {
        if revision < self.floor {
            return None;
        }
        let start = self.history.partition_point(|c| c.revision <= revision);
        Some(self.history.range(start..))
    }

    /// The last `count` changes up to `revision`, oldest first.
    pub(crate) fn last_changes(&self, revision: u64, count: usize) -> impl Iterator<Item = &Change> {
        let end = self.history.partition_point(|c| c.revision <= revision);
        self.history.range(end.saturating_sub(count)..end)
    }

    /// Forgets all changes up to `revision`.
    pub(crate) fn forget(&mut self, revision: u64) {
        self.history.clear();
        self.floor = revision;
    }

    pub(crate) fn wake(&mut self) {
        for watch in self.watches.values_mut() {
            if let Some(waker) = watch.waker.take() {
                waker.wake();
            }
        }
    }
}

/// Namespace and name of an object.
pub(crate) fn position(object: &Value) -> (String, String) {
    let metadata = &object["metadata"];
    let text = |key: &str| metadata[key].as_str().unwrap_or_default().to_owned();
    (text("namespace"), text("name"))
}

/// All tables.
#[derive(Debug, Default)]
pub(crate) struct Store {
    tables: Vec<Table>,
    revision: u64,
}

impl Store {
    /// The same objects and their past, without those who watch them.
    pub(crate) fn fork(&self) -> Self {
        let tables = self.tables.iter().map(|table| Table {
            namespaces: table.namespaces.clone(),
            history: table.history.clone(),
            floor: table.floor,
            ..Table::default()
        });
        Self { tables: tables.collect(), revision: self.revision }
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    pub(crate) fn table(&self, kind: KindId) -> &Table {
        &self.tables[kind.index()]
    }

    pub(crate) fn table_mut(&mut self, kind: KindId) -> &mut Table {
        &mut self.tables[kind.index()]
    }

    pub(crate) fn tables_mut(&mut self) -> impl Iterator<Item = &mut Table> {
        self.tables.iter_mut()
    }

    /// Makes room for kinds up to `kind`.
    pub(crate) fn add_table(&mut self, kind: KindId) {
        while self.tables.len() <= kind.index() {
            self.tables.push(Table { floor: 0, ..Table::default() });
        }
    }

    /// Puts `object` in the place of what has its namespace and name, under a new resource version.
    pub(crate) fn put(&mut self, kind: KindId, mut object: Value) -> Object {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = self.revision.to_string().into();
        let object = Arc::new(object);
        let (namespace, name) = position(&object);
        let revision = self.revision;
        let table = self.table_mut(kind);
        let before = table.namespaces.entry(namespace).or_default().insert(name, Arc::clone(&object));
        table.record(Change { revision, before, object: Arc::clone(&object), deleted: false });
        object
    }

    /// Takes an object away and returns its last state, under the version of the deletion.
    pub(crate) fn remove(&mut self, kind: KindId, namespace: &str, name: &str) -> Option<Object> {
        let revision = self.revision + 1;
        let table = self.table_mut(kind);
        let names = table.namespaces.get_mut(namespace)?;
        let before = names.remove(name)?;
        if names.is_empty() {
            table.namespaces.remove(namespace);
        }
        let mut last = (*before).clone();
        last["metadata"]["resourceVersion"] = revision.to_string().into();
        let object = Arc::new(last);
        table.record(Change { revision, before: Some(before), object: Arc::clone(&object), deleted: true });
        self.revision = revision;
        Some(object)
    }
}

impl Table {
    fn record(&mut self, change: Change) {
        if self.history.len() == HISTORY
            && let Some(oldest) = self.history.pop_front()
        {
            self.floor = oldest.revision;
        }
        self.history.push_back(change);
        self.wake();
    }
}
