//! What follows from a change of an object: the controllers of a cluster that have to look at it.

use serde_json::Value;

use crate::agenda::Work;
use crate::cluster::Cluster;
use crate::kinds::{BuiltIn, Kind, KindId};
use crate::store::{Object, position};

impl Cluster {
    pub(crate) fn follow(&mut self, id: KindId, before: Option<&Object>, after: Option<&Object>) {
        self.follow_owners(id, before, after);
        let Some(object) = after.or(before) else { return };
        let (namespace, name) = position(object);
        let now = self.now;
        match self.kinds.get(id).builtin {
            Some(BuiltIn::Deployment) => {
                if after.is_none() {
                    self.rollouts.remove(uid(object));
                }
                // A controller's own status must not wake it again.
                if changed(before, after, &["metadata", "spec"]) {
                    self.agenda.plan(now, Work::Deployment(namespace.clone(), name.clone()));
                }
                self.plan_autoscalers_of(&namespace, &name, before, after);
            }
            Some(BuiltIn::DaemonSet) => {
                if after.is_none() {
                    self.node_pods.remove(uid(object));
                }
                if changed(before, after, &["metadata", "spec"]) {
                    self.agenda.plan(now, Work::DaemonSet(namespace.clone(), name.clone()));
                }
            }
            Some(BuiltIn::Node) => self.plan_daemon_sets(),
            Some(BuiltIn::Autoscaler) if changed(before, after, &["spec"]) => {
                self.agenda.plan(now, Work::Autoscaler(namespace.clone(), name.clone()));
            }
            Some(BuiltIn::Namespace) if is_terminating(after) => {
                self.agenda.plan(now, Work::Namespace(name.clone()));
            }
            Some(BuiltIn::Definition) => self.follow_definition(before, after),
            Some(_) | None => {}
        }
        if after.is_none() && !namespace.is_empty() {
            let home = self.find(BuiltIn::Namespace, "", &namespace);
            if is_terminating(home.as_ref()) {
                self.agenda.plan(now, Work::Namespace(namespace));
            }
        }
    }

    fn plan_autoscalers_of(
        &mut self,
        namespace: &str,
        target: &str,
        before: Option<&Object>,
        after: Option<&Object>,
    ) {
        if !changed(before, after, &["spec"]) {
            return;
        }
        let table = self.store.table(self.kinds.of(BuiltIn::Autoscaler));
        let names: Vec<String> = table
            .iter(namespace)
            .filter(|_| !namespace.is_empty())
            .filter(|h| h["spec"]["scaleTargetRef"]["name"] == target)
            .map(|h| position(h).1)
            .collect();
        for name in names {
            self.agenda.plan(self.now, Work::Autoscaler(namespace.to_owned(), name));
        }
    }

    fn plan_daemon_sets(&mut self) {
        let places: Vec<_> =
            self.store.table(self.kinds.of(BuiltIn::DaemonSet)).iter("").map(|d| position(d)).collect();
        for (namespace, name) in places {
            self.agenda.plan(self.now, Work::DaemonSet(namespace, name));
        }
    }

    fn follow_definition(&mut self, before: Option<&Object>, after: Option<&Object>) {
        let Some(definition) = after else {
            if let Some(kind) = before.map(|d| Kind::from_definition(d))
                && let Some(id) = self.kinds.find(&kind.group, &kind.plural)
            {
                let places: Vec<_> = self.store.table(id).iter("").map(|o| position(o)).collect();
                for (namespace, name) in places {
                    self.expel(id, &namespace, &name);
                }
                self.kinds.retire(id);
            }
            return;
        };
        if !changed(before, after, &["spec"]) {
            return;
        }
        let kind = Kind::from_definition(definition);
        if !kind.versions.is_empty() {
            let id = self.kinds.serve(kind);
            self.store.add_table(id);
        }
        let (_, name) = position(definition);
        let status = crate::definitions::accepted(definition, self.now);
        self.set_status(self.kinds.of(BuiltIn::Definition), "", &name, &status);
    }

    /// Deletes what lies in a namespace that is going, and then the namespace.
    pub(crate) fn finish_namespace(&mut self, namespace: &str) {
        let home = self.find(BuiltIn::Namespace, "", namespace);
        if !is_terminating(home.as_ref()) {
            return;
        }
        let kinds: Vec<KindId> = self.kinds.iter().filter(|(_, k)| k.namespaced).map(|(id, _)| id).collect();
        let mut left = false;
        for id in kinds {
            let names: Vec<String> = self.store.table(id).iter(namespace).map(|o| position(o).1).collect();
            for name in names {
                let resource = self.stored(id, namespace);
                // One that is gone already is fine.
                let _ = self.delete(&resource, &name, &Value::Null, false);
                left |= self.store.table(id).get(namespace, &name).is_some();
            }
        }
        if !left {
            self.expel(self.kinds.of(BuiltIn::Namespace), "", namespace);
        }
    }
}

fn uid(object: &Value) -> &str {
    object["metadata"]["uid"].as_str().unwrap_or_default()
}

fn is_terminating(namespace: Option<&Object>) -> bool {
    namespace.is_some_and(|n| n["metadata"]["deletionTimestamp"].is_string())
}

/// Whether one of the top-level fields differs; of metadata, only what a controller looks at.
fn changed(before: Option<&Object>, after: Option<&Object>, fields: &[&str]) -> bool {
    let (Some(before), Some(after)) = (before, after) else { return true };
    fields.iter().any(|field| {
        if *field == "metadata" {
            ["generation", "labels", "annotations", "deletionTimestamp"]
                .iter()
                .any(|key| before["metadata"][*key] != after["metadata"][*key])
        } else {
            before[*field] != after[*field]
        }
    })
}
