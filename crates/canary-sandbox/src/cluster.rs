//! The state behind a sandbox: objects, kinds, the clock and what is due.
//!
//! One value under one lock; nothing here waits for anything.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::agenda::{Agenda, Work};
use crate::errors::ApiError;
use crate::kinds::{BuiltIn, Kind, KindId, Kinds, Version};
use crate::ownership::Ownership;
use crate::paths::ResourcePath;
use crate::pods::{NodePods, PodRule, Rollout};
use crate::rendering::Form;
use crate::requests::RequestLog;
use crate::store::{Object, Store};

/// All state.
pub(crate) struct Cluster {
    pub(crate) now: Timestamp,
    pub(crate) kinds: Kinds,
    pub(crate) store: Store,
    pub(crate) agenda: Agenda,
    pub(crate) ownership: Ownership,
    pub(crate) rollouts: HashMap<String, Rollout>,
    pub(crate) node_pods: HashMap<String, NodePods>,
    pub(crate) pod_rule: PodRule,
    pub(crate) log: RequestLog,
    /// Counts names, uids and addresses that were made up.
    drawn: u64,
}

/// A kind in one version and namespace, as a request names it.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    pub(crate) id: KindId,
    pub(crate) kind: Arc<Kind>,
    /// Of the request; events have two.
    pub(crate) group: String,
    pub(crate) version: Version,
    pub(crate) namespace: String,
}

impl Resource {
    pub(crate) fn form(&self, partial: bool) -> Form {
        let new_events = self.group == "events.k8s.io";
        let group = if new_events { &self.group } else { &self.kind.group };
        let version = &self.version.name;
        Form {
            api_version: if group.is_empty() { version.clone() } else { format!("{group}/{version}") },
            kind: self.kind.kind.clone(),
            partial,
            new_events,
        }
    }
}

impl Cluster {
    pub(crate) fn new(now: Timestamp) -> Self {
        let kinds = Kinds::built_in();
        let mut store = Store::default();
        for (id, _) in kinds.iter() {
            store.add_table(id);
        }
        let mut cluster = Self {
            now,
            kinds,
            store,
            agenda: Agenda::default(),
            ownership: Ownership::default(),
            rollouts: HashMap::new(),
            node_pods: HashMap::new(),
            pod_rule: PodRule::default(),
            log: RequestLog::default(),
            drawn: 0,
        };
        for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
            cluster.make_namespace(name);
        }
        cluster.make_node();
        cluster
    }

    /// The same state without those who watch it and what they asked.
    pub(crate) fn fork(&self) -> Self {
        Self {
            now: self.now,
            kinds: self.kinds.clone(),
            store: self.store.fork(),
            agenda: self.agenda.clone(),
            ownership: self.ownership.clone(),
            rollouts: self.rollouts.clone(),
            node_pods: self.node_pods.clone(),
            pod_rule: self.pod_rule.clone(),
            log: RequestLog::default(),
            drawn: self.drawn,
        }
    }

    /// Creates a namespace unless it exists.
    pub(crate) fn make_namespace(&mut self, name: &str) {
        let namespaces = self.builtin(BuiltIn::Namespace, "");
        if self.store.table(namespaces.id).get("", name).is_none() {
            // Only an invalid name can fail, and then what is put into it fails with the same words.
            let _ = self.create(&namespaces, json!({ "metadata": { "name": name } }), false);
        }
    }

    fn make_node(&mut self) {
        let nodes = self.builtin(BuiltIn::Node, "");
        let labels =
            json!({ "kubernetes.io/hostname": "simulated", "kubernetes.io/os": "linux", "type": "kwok" });
        let node = json!({ "metadata": { "name": "simulated", "labels": labels }, "spec": {} });
        if self.create(&nodes, node, false).is_ok() {
            let room = json!({ "cpu": "10k", "memory": "100Ti", "pods": "1M" });
            let ready = json!([{ "type": "Ready", "status": "True", "reason": "KubeletReady" }]);
            let status = json!({ "allocatable": room, "capacity": room, "conditions": ready });
            self.set_status(nodes.id, "", "simulated", &status);
        }
    }

    /// A built-in kind in its version.
    pub(crate) fn builtin(&self, builtin: BuiltIn, namespace: &str) -> Resource {
        self.stored(self.kinds.of(builtin), namespace)
    }

    /// A kind in the version that direct readers see.
    pub(crate) fn stored(&self, id: KindId, namespace: &str) -> Resource {
        let kind = Arc::clone(self.kinds.get(id));
        let version = kind.storage_version().clone();
        Resource { id, group: kind.group.clone(), kind, version, namespace: namespace.to_owned() }
    }

    /// What a path names.
    pub(crate) fn resolve(&self, path: &ResourcePath) -> Result<Resource, ApiError> {
        let Some(id) = self.kinds.find(&path.group, &path.plural) else {
            let known = self.kinds.has_group(&path.group);
            return Err(if known { ApiError::no_such_resource() } else { ApiError::no_such_path() });
        };
        let kind = Arc::clone(self.kinds.get(id));
        let Some(version) = kind.version(&path.version).cloned() else {
            return Err(if kind.builtin.is_some() {
                ApiError::no_such_resource()
            } else {
                ApiError::no_such_path()
            });
        };
        if !kind.namespaced && !path.namespace.is_empty()
            || kind.namespaced && path.namespace.is_empty() && !path.name.is_empty()
        {
            return Err(ApiError::no_such_resource());
        }
        Ok(Resource { id, group: path.group.clone(), kind, version, namespace: path.namespace.clone() })
    }

    pub(crate) fn get(&self, resource: &Resource, name: &str) -> Result<&Object, ApiError> {
        let found = self.store.table(resource.id).get(&resource.namespace, name);
        found.ok_or_else(|| ApiError::not_found(resource.kind.about(), name))
    }

    pub(crate) fn find(&self, builtin: BuiltIn, namespace: &str, name: &str) -> Option<Object> {
        self.store.table(self.kinds.of(builtin)).get(namespace, name).cloned()
    }

    /// A number that was not drawn before.
    pub(crate) fn draw(&mut self) -> u64 {
        self.drawn += 1;
        self.drawn
    }

    /// Puts an object into the store and sets in motion what follows from it.
    pub(crate) fn commit(&mut self, id: KindId, object: Value) -> Object {
        let (namespace, name) = crate::store::position(&object);
        let before = self.store.table(id).get(&namespace, &name).cloned();
        let after = self.store.put(id, object);
        self.follow(id, before.as_ref(), Some(&after));
        after
    }

    /// Takes an object out of the store and sets in motion what follows from it.
    pub(crate) fn expel(&mut self, id: KindId, namespace: &str, name: &str) -> Option<Object> {
        let before = self.store.table(id).get(namespace, name).cloned();
        let last = self.store.remove(id, namespace, name)?;
        self.follow(id, before.as_ref(), None);
        Some(last)
    }

    /// Writes a status, as a controller of the cluster does; one that changes nothing is not written.
    pub(crate) fn set_status(
        &mut self,
        id: KindId,
        namespace: &str,
        name: &str,
        status: &Value,
    ) -> Option<Object> {
        let current = self.store.table(id).get(namespace, name)?;
        if &current["status"] == status {
            return Some(Arc::clone(current));
        }
        let mut object = (**current).clone();
        object["status"] = status.clone();
        Some(self.commit(id, object))
    }

    /// Moves the clock to `now`, doing in time order what falls due. A time in the past does what is due already.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        let now = now.max(self.now);
        while let Some((due, work)) = self.agenda.take_due(now) {
            self.now = self.now.max(due);
            self.perform(&work);
        }
        self.now = now;
    }

    fn perform(&mut self, work: &Work) {
        match work {
            Work::Deployment(namespace, name) => self.sync_deployment(namespace, name),
            Work::DaemonSet(namespace, name) => self.sync_daemon_set(namespace, name),
            Work::Autoscaler(namespace, name) => self.sync_autoscaler(namespace, name),
            Work::Orphans(uid) => self.collect_dependents(uid),
            Work::Owners(id, namespace, name) => self.check_owners(*id, namespace, name),
            Work::Namespace(name) => self.finish_namespace(name),
            Work::EndWatch(id, watch) => self.end_watch(*id, *watch),
            Work::Bookmark(id, watch) => self.send_bookmark(*id, *watch),
            Work::ReleaseWatches(id) => self.release_watches(*id),
        }
    }
}

/// A time as objects show it, in whole seconds.
pub(crate) fn stamp(time: Timestamp) -> Value {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into()
}
