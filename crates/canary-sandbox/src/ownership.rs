//! Who owns whom, by uid: which objects go when an owner goes.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::agenda::Work;
use crate::cluster::Cluster;
use crate::kinds::KindId;
use crate::store::{Object, position};

/// Kind, namespace and name.
pub(crate) type Place = (KindId, String, String);

/// Index over the owner references of all objects.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ownership {
    alive: HashMap<String, Place>,
    dependents: HashMap<String, HashSet<Place>>,
}

impl Ownership {
    fn enter(&mut self, id: KindId, object: &Value) {
        let (namespace, name) = position(object);
        if let Some(uid) = uid(object) {
            self.alive.insert(uid.to_owned(), (id, namespace.clone(), name.clone()));
        }
        for owner in owners(object) {
            let place = (id, namespace.clone(), name.clone());
            self.dependents.entry(owner.to_owned()).or_default().insert(place);
        }
    }

    fn leave(&mut self, id: KindId, object: &Value) {
        let (namespace, name) = position(object);
        if let Some(uid) = uid(object) {
            self.alive.remove(uid);
        }
        for owner in owners(object) {
            if let Some(places) = self.dependents.get_mut(owner) {
                places.remove(&(id, namespace.clone(), name.clone()));
                if places.is_empty() {
                    self.dependents.remove(owner);
                }
            }
        }
    }
}

impl Ownership {
    /// Where the dependents of an owner lie, in a fixed order.
    pub(crate) fn dependents_of(&self, uid: &str) -> Vec<Place> {
        let mut places: Vec<Place> = self.dependents.get(uid).into_iter().flatten().cloned().collect();
        places.sort();
        places
    }
}

fn uid(object: &Value) -> Option<&str> {
    object["metadata"]["uid"].as_str()
}

fn owners(object: &Value) -> impl Iterator<Item = &str> {
    let references = object["metadata"]["ownerReferences"].as_array();
    references.into_iter().flatten().filter_map(|reference| reference["uid"].as_str())
}

impl Cluster {
    /// Keeps the index, and plans the deletions that follow from a change.
    pub(crate) fn follow_owners(&mut self, id: KindId, before: Option<&Object>, after: Option<&Object>) {
        if let Some(before) = before {
            self.ownership.leave(id, before);
        }
        if let Some(after) = after {
            self.ownership.enter(id, after);
            if owners(after).next().is_some() && before.is_none_or(|b| !owners(b).eq(owners(after))) {
                let (namespace, name) = position(after);
                self.agenda.plan(self.now, Work::Owners(id, namespace, name));
            }
        } else if let Some(uid) =
            before.and_then(|b| uid(b)).filter(|uid| self.ownership.dependents.contains_key(*uid))
        {
            self.agenda.plan(self.now, Work::Orphans(uid.to_owned()));
        }
        // An owner that waits for its dependents is looked at again whenever one of them goes.
        if after.is_none()
            && let Some(before) = before
        {
            for owner in owners(before) {
                if self.ownership.alive.contains_key(owner) {
                    self.agenda.plan(self.now, Work::Orphans(owner.to_owned()));
                }
            }
        }
    }

    /// Deletes what has no owner left after the one with `uid` went, or waits for its own end.
    pub(crate) fn collect_dependents(&mut self, uid: &str) {
        let waiting = self.ownership.alive.get(uid).cloned();
        if let Some((id, namespace, name)) = &waiting {
            let owner = self.store.table(*id).get(namespace, name).cloned();
            let foreground = owner.as_ref().is_some_and(|o| has_finalizer(o, FOREGROUND));
            if !foreground {
                return;
            }
        }
        let places = self.ownership.dependents_of(uid);
        let none_left = places.is_empty();
        for (id, namespace, name) in places {
            if waiting.is_some() {
                self.delete_by_collector(id, &namespace, &name);
            } else {
                self.check_owners(id, &namespace, &name);
            }
        }
        if let Some((id, namespace, name)) = waiting.filter(|_| none_left) {
            self.drop_finalizer(id, &namespace, &name, FOREGROUND);
        }
    }

    /// Deletes the object if it has owners and none of them exists.
    pub(crate) fn check_owners(&mut self, id: KindId, namespace: &str, name: &str) {
        let Some(object) = self.store.table(id).get(namespace, name).cloned() else { return };
        let mut owners = owners(&object).peekable();
        if owners.peek().is_some() && owners.all(|uid| !self.ownership.alive.contains_key(uid)) {
            self.delete_by_collector(id, namespace, name);
        }
    }

    fn delete_by_collector(&mut self, id: KindId, namespace: &str, name: &str) {
        let resource = self.stored(id, namespace);
        // It may be gone already, which is what is wanted.
        let _ = self.delete(&resource, name, &Value::Null, false);
    }

    fn drop_finalizer(&mut self, id: KindId, namespace: &str, name: &str, finalizer: &str) {
        let Some(object) = self.store.table(id).get(namespace, name) else { return };
        let mut object = (**object).clone();
        if let Some(list) = object["metadata"]["finalizers"].as_array_mut() {
            list.retain(|f| f != finalizer);
            if list.is_empty() {
                self.expel(id, namespace, name);
            } else {
                self.commit(id, object);
            }
        }
    }
}

/// The finalizer of an object whose dependents go first.
pub(crate) const FOREGROUND: &str = "foregroundDeletion";

fn has_finalizer(object: &Value, finalizer: &str) -> bool {
    object["metadata"]["finalizers"].as_array().is_some_and(|list| list.iter().any(|f| f == finalizer))
}
