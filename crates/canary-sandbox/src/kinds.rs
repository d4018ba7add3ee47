//! Which kinds are served: the built-in ones, and those that a `CustomResourceDefinition` adds.

mod builtin;
mod definition;

use std::collections::HashMap;
use std::sync::Arc;

pub(crate) use builtin::{BuiltIn, Traits};

use crate::errors::About;
use crate::schema::Schema;

/// Position of a kind, and of its table in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct KindId(usize);

impl KindId {
    pub(crate) fn index(self) -> usize {
        self.0
    }
}

/// A kind of objects.
#[derive(Clone, Debug)]
#[allow(clippy::struct_field_names)] // Kubernetes' own names
pub(crate) struct Kind {
    pub(crate) group: String,
    pub(crate) plural: String,
    pub(crate) singular: String,
    pub(crate) kind: String,
    pub(crate) list_kind: String,
    pub(crate) short_names: Vec<String>,
    pub(crate) namespaced: bool,
    pub(crate) versions: Vec<Version>,
    pub(crate) builtin: Option<BuiltIn>,
    /// A deleted definition leaves its kind here, unserved, because tables are found by position.
    pub(crate) served: bool,
}

/// One version of a kind.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) name: String,
    pub(crate) storage: bool,
    pub(crate) schema: Option<Arc<Schema>>,
    pub(crate) traits: Traits,
}

impl Kind {
    pub(crate) fn about(&self) -> About<'_> {
        About { group: &self.group, plural: &self.plural, kind: &self.kind }
    }

    pub(crate) fn version(&self, name: &str) -> Option<&Version> {
        self.versions.iter().find(|v| v.name == name)
    }

    /// The version that direct readers see.
    pub(crate) fn storage_version(&self) -> &Version {
        self.versions.iter().find(|v| v.storage).unwrap_or(&self.versions[0])
    }
}

/// All kinds.
#[derive(Clone, Debug)]
pub(crate) struct Kinds {
    all: Vec<Arc<Kind>>,
    by_plural: HashMap<String, HashMap<String, KindId>>,
}

impl Kinds {
    pub(crate) fn built_in() -> Self {
        let mut kinds = Self { all: Vec::new(), by_plural: HashMap::new() };
        for kind in builtin::all() {
            kinds.serve(kind);
        }
        // The two groups of events share their objects.
        let events = kinds.of(BuiltIn::Event);
        kinds.by_plural.entry("events.k8s.io".into()).or_default().insert("events".into(), events);
        kinds
    }

    /// Serves a kind, in the place of one with the same group and plural.
    pub(crate) fn serve(&mut self, kind: Kind) -> KindId {
        let kind = Arc::new(kind);
        let plurals = self.by_plural.entry(kind.group.clone()).or_default();
        if let Some(id) = plurals.get(&kind.plural) {
            self.all[id.0] = kind;
            return *id;
        }
        let id = KindId(self.all.len());
        plurals.insert(kind.plural.clone(), id);
        self.all.push(kind);
        id
    }

    /// Serves a kind no longer.
    pub(crate) fn retire(&mut self, id: KindId) {
        Arc::make_mut(&mut self.all[id.0]).served = false;
    }

    pub(crate) fn get(&self, id: KindId) -> &Arc<Kind> {
        &self.all[id.0]
    }

    pub(crate) fn find(&self, group: &str, plural: &str) -> Option<KindId> {
        let id = *self.by_plural.get(group)?.get(plural)?;
        self.all[id.0].served.then_some(id)
    }

    /// By `plural.group`, as kubectl names resources.
    pub(crate) fn find_resource(&self, resource: &str) -> Option<KindId> {
        let (plural, group) = resource.split_once('.').unwrap_or((resource, ""));
        self.find(group, plural)
    }

    /// By the type that an object states.
    pub(crate) fn find_kind(&self, group: &str, kind: &str) -> Option<KindId> {
        let plurals = self.by_plural.get(group)?;
        plurals.values().copied().find(|id| self.all[id.0].served && self.all[id.0].kind == kind)
    }

    #[allow(clippy::unused_self)] // which kinds there are is this value's business
    pub(crate) fn of(&self, builtin: BuiltIn) -> KindId {
        // The built-in kinds come first, in the order of the enum.
        KindId(builtin as usize)
    }

    pub(crate) fn has_group(&self, group: &str) -> bool {
        self.by_plural.get(group).is_some_and(|p| p.values().any(|id| self.all[id.0].served))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (KindId, &Arc<Kind>)> {
        self.all.iter().enumerate().filter(|(_, k)| k.served).map(|(at, k)| (KindId(at), k))
    }
}
