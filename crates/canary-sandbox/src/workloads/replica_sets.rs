//! `ReplicaSets` as objects: what a Deployment keeps of each template that it had, until its history is full.

use serde_json::{Value, json};

use crate::cluster::{Cluster, stamp};
use crate::kinds::BuiltIn;
use crate::pods::{ReplicaSet, Rollout};

/// The label that tells the pods of a Deployment's templates apart.
const TEMPLATE_HASH: &str = "pod-template-hash";

impl Cluster {
    /// Makes the objects what the controller of `deployment` knows.
    pub(crate) fn write_replica_sets(&mut self, deployment: &Value, rollout: &Rollout) {
        let id = self.kinds.of(BuiltIn::ReplicaSet);
        for set in &rollout.sets {
            let present = self.find(BuiltIn::ReplicaSet, &rollout.namespace, &set.name);
            let mut object = match &present {
                Some(present) => (**present).clone(),
                None => self.new_replica_set(deployment, &rollout.namespace, set),
            };
            object["spec"]["replicas"] = set.pods.len().into();
            let mut status = json!({"replicas": set.pods.len()});
            let ready = set.pods.iter().filter(|pod| pod.is_ready(self.now)).count();
            if ready > 0 {
                status["readyReplicas"] = ready.into();
            }
            object["status"] = status;
            if present.is_none_or(|present| *present != object) {
                self.commit(id, object);
            }
        }
        let uid = &deployment["metadata"]["uid"];
        let table = self.store.table(id).iter(&rollout.namespace);
        let own = table.filter(|object| &object["metadata"]["ownerReferences"][0]["uid"] == uid);
        let names = own.filter_map(|object| object["metadata"]["name"].as_str().map(str::to_owned));
        let forgotten: Vec<String> =
            names.filter(|name| rollout.sets.iter().all(|set| set.name != *name)).collect();
        for name in forgotten {
            self.expel(id, &rollout.namespace, &name);
        }
    }

    fn new_replica_set(&mut self, deployment: &Value, namespace: &str, set: &ReplicaSet) -> Value {
        let hash = set.name.rsplit('-').next().unwrap_or_default();
        let mut template = set.template.clone();
        template["metadata"]["labels"][TEMPLATE_HASH] = hash.into();
        let mut selector = deployment["spec"]["selector"].clone();
        selector["matchLabels"][TEMPLATE_HASH] = hash.into();
        let metadata = &deployment["metadata"];
        json!({
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": set.name, "namespace": namespace, "uid": self.make_uid(), "generation": 1,
                "creationTimestamp": stamp(self.now),
                "labels": template["metadata"]["labels"],
                "ownerReferences": [{
                    "apiVersion": "apps/v1", "kind": "Deployment", "name": metadata["name"], "uid": metadata["uid"],
                    "controller": true, "blockOwnerDeletion": true,
                }],
            },
            "spec": {"selector": selector, "template": template},
        })
    }
}
