//! What is known of the cluster's objects, by kind: the watches' view, made newer by our own writes.
//!
//! Objects are kept as compact JSON, which costs a fifth of a decoded tree. Not for starting watches or asking the API.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

/// Deletions are remembered only for as long as an answer may be under way.
const REMEMBERED_DELETIONS: usize = 1000;

/// Namespace and name.
pub(crate) type Key = (String, String);

/// One object as it was last seen.
#[derive(Clone, Debug)]
struct Stored {
    version: u64,
    /// What a reconcile would be needed for: generation, labels, annotations, owners, deletion, a new Knative revision.
    matter: u64,
    json: Box<[u8]>,
    /// Written by us while the list that is under way was running.
    fresh: bool,
}

/// All that is known of one kind.
#[derive(Debug, Default)]
pub(crate) struct Store {
    objects: HashMap<Key, Stored>,
    /// Objects that a GET confirmed to be absent.
    absent: HashSet<Key>,
    /// Deletions that were seen, by the version they happened at: an answer to our own write may come after them.
    gone: HashMap<Key, u64>,
    /// Names seen by the list that is under way.
    listing: Option<HashSet<Key>>,
}

/// What an event of a watch meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// Nothing that was not known.
    None,
    /// Only what nobody waits for between ticks, such as a status.
    Minor,
    /// Something to act on.
    Major,
}

impl Store {
    /// The object, decoded.
    pub(crate) fn get(&self, key: &Key) -> Option<Value> {
        // What is stored was encoded by us.
        self.objects.get(key).and_then(|s| serde_json::from_slice(&s.json).ok())
    }

    /// Whether a GET said that the object does not exist, and nothing was heard of it since.
    pub(crate) fn is_absent(&self, key: &Key) -> bool {
        self.absent.contains(key)
    }

    /// Remembers what a GET said.
    pub(crate) fn confirm_absent(&mut self, key: Key) {
        if !self.objects.contains_key(&key) {
            self.absent.insert(key);
        }
    }

    /// All names.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.objects.keys()
    }

    /// An object as a watch, a GET or an answer to our own write shows it. Older versions than the known one are ignored.
    pub(crate) fn apply(&mut self, key: Key, mut object: Value, own_write: bool) -> News {
        if let Some(seen) = &mut self.listing {
            seen.insert(key.clone());
        }
        strip(&mut object);
        let version = version(&object);
        if self.gone.get(&key).is_some_and(|gone| version <= *gone && version != 0) {
            return News::None;
        }
        let matter = matter(&object);
        let news = match self.objects.get(&key) {
            Some(known) if version <= known.version && version != 0 => return News::None,
            Some(known) if known.matter == matter => News::Minor,
            Some(_) | None => News::Major,
        };
        let Ok(json) = serde_json::to_vec(&object) else { return News::None };
        self.absent.remove(&key);
        self.gone.remove(&key);
        let fresh = own_write && self.listing.is_some();
        self.objects.insert(key, Stored { version, matter, json: json.into_boxed_slice(), fresh });
        news
    }

    /// An object is gone, as of `version`.
    pub(crate) fn delete(&mut self, key: &Key, version: u64) -> News {
        if self.gone.len() >= REMEMBERED_DELETIONS {
            self.gone.clear();
        }
        self.gone.insert(key.clone(), version);
        match self.objects.get(key) {
            // Re-created since.
            Some(known) if known.version > version && version != 0 => News::None,
            Some(_) => {
                self.objects.remove(key);
                News::Major
            }
            None => News::None,
        }
    }

    /// A list begins; what it does not name is gone when it ends.
    pub(crate) fn begin_list(&mut self) {
        self.listing = Some(HashSet::new());
        self.absent.clear();
        for stored in self.objects.values_mut() {
            stored.fresh = false;
        }
    }

    /// The list is complete; the names that are gone.
    pub(crate) fn end_list(&mut self) -> Vec<Key> {
        let Some(seen) = self.listing.take() else { return Vec::new() };
        let gone: Vec<Key> = self
            .objects
            .iter()
            .filter(|(k, s)| !s.fresh && !seen.contains(*k))
            .map(|(k, _)| k.clone())
            .collect();
        for key in &gone {
            self.objects.remove(key);
        }
        gone
    }

    /// Forgets an object that nobody reads any more.
    pub(crate) fn forget(&mut self, key: &Key) {
        self.objects.remove(key);
        self.absent.remove(key);
    }
}

/// Takes off what nobody here reads and what must not be sent back.
fn strip(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
}

/// `metadata.resourceVersion` as a number; 0 where it is none.
pub(crate) fn version(object: &Value) -> u64 {
    object
        .pointer("/metadata/resourceVersion")
        .and_then(Value::as_str)
        .and_then(|v| v.parse().ok())
        .unwrap_or(0)
}

/// A digest of what a reconcile is needed for. Kinds without generations count whole.
fn matter(object: &Value) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    let mut part = |value: Option<&Value>| value.map(ToString::to_string).hash(&mut hasher);
    part(object.pointer("/metadata/uid"));
    part(object.pointer("/metadata/labels"));
    part(object.pointer("/metadata/annotations"));
    part(object.pointer("/metadata/ownerReferences"));
    part(object.pointer("/metadata/deletionTimestamp"));
    // The revision that a Knative Service came to; its generation says that one was asked for.
    part(object.pointer("/status/latestCreatedRevisionName"));
    match object.pointer("/metadata/generation") {
        Some(generation) => part(Some(generation)),
        None => {
            for (key, value) in object.as_object().into_iter().flatten() {
                if !matches!(key.as_str(), "metadata" | "status") {
                    part(Some(value));
                }
            }
        }
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key() -> Key {
        ("test".into(), "podinfo".into())
    }

    fn object(version: u64, generation: u64, replicas: u64) -> Value {
        json!({"metadata": {"name": "podinfo", "resourceVersion": version.to_string(), "generation": generation},
               "status": {"replicas": replicas}})
    }

    #[test]
    fn older_versions_do_not_replace_newer_ones() {
        let mut store = Store::default();
        assert_eq!(store.apply(key(), object(5, 1, 1), true), News::Major);
        assert_eq!(store.apply(key(), object(4, 1, 0), false), News::None);
        assert_eq!(store.apply(key(), object(5, 1, 1), false), News::None, "our own write comes back");
        assert_eq!(version(&store.get(&key()).unwrap()), 5);
    }

    #[test]
    fn a_status_is_minor_and_a_generation_is_major() {
        let mut store = Store::default();
        store.apply(key(), object(1, 1, 0), false);
        assert_eq!(store.apply(key(), object(2, 1, 1), false), News::Minor);
        assert_eq!(store.apply(key(), object(3, 2, 1), false), News::Major);
    }

    #[test]
    fn a_new_revision_of_a_knative_service_is_major() {
        let mut store = Store::default();
        let service = |version: u64, revision: &str| {
            let mut service = object(version, 1, 0);
            service["status"]["latestCreatedRevisionName"] = revision.into();
            service
        };
        store.apply(key(), service(1, "podinfo-00001"), false);
        assert_eq!(store.apply(key(), service(2, "podinfo-00001"), false), News::Minor);
        assert_eq!(store.apply(key(), service(3, "podinfo-00002"), false), News::Major);
    }

    #[test]
    fn a_late_deletion_of_an_earlier_object_is_ignored() {
        let mut store = Store::default();
        store.apply(key(), object(9, 1, 0), true);
        assert_eq!(store.delete(&key(), 7), News::None);
        assert_eq!(store.delete(&key(), 10), News::Major);
    }

    #[test]
    fn an_answer_that_comes_after_the_deletion_does_not_bring_the_object_back() {
        let mut store = Store::default();
        store.apply(key(), object(5, 1, 0), false);
        assert_eq!(store.delete(&key(), 7), News::Major);
        assert_eq!(store.apply(key(), object(6, 2, 0), true), News::None);
        assert!(store.get(&key()).is_none());
        assert_eq!(store.apply(key(), object(8, 1, 0), false), News::Major, "another object of that name");
    }

    #[test]
    fn what_a_list_does_not_name_is_gone_unless_we_wrote_it_meanwhile() {
        let mut store = Store::default();
        store.apply(("test".into(), "old".into()), object(1, 1, 0), false);
        store.begin_list();
        store.apply(("test".into(), "ours".into()), object(3, 1, 0), true);
        store.listing.as_mut().unwrap().clear();
        store.apply(key(), object(2, 1, 0), false);
        assert_eq!(store.end_list(), [("test".to_owned(), "old".to_owned())]);
        assert_eq!(store.keys().count(), 2);
    }

    #[test]
    fn an_absence_is_remembered_until_something_is_heard() {
        let mut store = Store::default();
        store.confirm_absent(key());
        assert!(store.is_absent(&key()));
        store.apply(key(), object(1, 1, 0), false);
        assert!(!store.is_absent(&key()));
    }
}
