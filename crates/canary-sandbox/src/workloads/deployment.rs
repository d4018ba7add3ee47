//! The Deployment controller.

use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::conditions::{Counts, conditions, deadline};
use super::rolling::{Bounds, step};
use super::settle;
use crate::agenda::Work;
use crate::cluster::Cluster;
use crate::kinds::BuiltIn;
use crate::pods::{Pod, PodFacts, ReplicaSet, Rollout};

impl Cluster {
    /// Looks at a Deployment: its pods, its status, and when to look again.
    pub(crate) fn sync_deployment(&mut self, namespace: &str, name: &str) {
        let Some(deployment) = self.find(BuiltIn::Deployment, namespace, name) else { return };
        if deployment["metadata"]["deletionTimestamp"].is_string() {
            return;
        }
        let uid = deployment["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let mut rollout = self.rollouts.remove(&uid).unwrap_or_default();
        namespace.clone_into(&mut rollout.namespace);
        let paused = deployment["spec"]["paused"] == true;
        let template = &deployment["spec"]["template"];
        let created = !paused && rollout.choose(name, template);

        if created {
            // A controller says that it saw the new template before the first pod of it exists.
            let counts = count(&rollout, &deployment, self.now);
            let set = rollout.sets.last().map(|s| s.name.clone());
            self.write_deployment_status(&deployment, &counts, set.as_deref(), Some(rollout.revision));
        }
        let bounds = Bounds::of(&deployment);
        let mut scaling = rollout.wanted.is_some_and(|wanted| wanted != bounds.replicas);
        rollout.wanted = Some(bounds.replicas);
        let (now, rule) = (self.now, self.pod_rule.clone());
        let mut bear = |set: &ReplicaSet| -> Pod {
            let facts = PodFacts {
                namespace,
                kind: "Deployment",
                workload: name,
                template: &set.template,
                born: now,
            };
            rule.bear(&facts)
        };
        // Each pass brings the pods closer to what is wanted; few are needed, and the bound is never met.
        for _ in 0..100 {
            let moved = step(&mut rollout.sets, scaling, &bounds, now, &mut bear);
            if !moved && !std::mem::take(&mut scaling) {
                break;
            }
            scaling = false;
        }
        rollout.forget_old(deployment["spec"]["revisionHistoryLimit"].as_u64().unwrap_or(10));

        self.write_replica_sets(&deployment, &rollout);
        let counts = count(&rollout, &deployment, now);
        let current = self.find(BuiltIn::Deployment, namespace, name).unwrap_or(deployment);
        let set = rollout.sets.last().map(|s| s.name.clone());
        let written = self.write_deployment_status(&current, &counts, set.as_deref(), None);

        let settle = settle(&current);
        let pods = rollout.sets.iter().flat_map(|s| &s.pods);
        let change = pods.filter_map(|pod| pod.next_change(now, settle)).min();
        let deadline = deadline(&written, &counts).filter(|at| *at > now);
        if let Some(due) = change.into_iter().chain(deadline).min() {
            self.agenda.plan(due, Work::Deployment(namespace.to_owned(), name.to_owned()));
        }
        self.rollouts.insert(uid, rollout);
    }

    fn write_deployment_status(
        &mut self,
        deployment: &Value,
        counts: &Counts,
        set: Option<&str>,
        new_revision: Option<u64>,
    ) -> Value {
        let generation = deployment["metadata"]["generation"].clone();
        let conditions = conditions(deployment, counts, set, new_revision.is_some(), self.now);
        let mut status =
            json!({ "observedGeneration": generation, "conditions": conditions, "terminatingReplicas": 0 });
        for (key, number) in [
            ("replicas", counts.replicas),
            ("updatedReplicas", counts.updated),
            ("readyReplicas", counts.ready),
            ("availableReplicas", counts.available),
            ("unavailableReplicas", counts.replicas.saturating_sub(counts.available)),
        ] {
            if number > 0 {
                status[key] = number.into();
            }
        }
        let mut object = deployment.clone();
        object["status"] = status;
        if let Some(revision) = new_revision {
            if !object["metadata"]["annotations"].is_object() {
                object["metadata"]["annotations"] = json!({});
            }
            object["metadata"]["annotations"]["deployment.kubernetes.io/revision"] =
                revision.to_string().into();
        }
        if object != *deployment {
            self.commit(self.kinds.of(BuiltIn::Deployment), object.clone());
        }
        object
    }
}

impl Rollout {
    /// Makes the set of `template` the newest; says whether it had to be created.
    fn choose(&mut self, deployment: &str, template: &Value) -> bool {
        if self.sets.last().is_some_and(|newest| &newest.template == template) {
            return false;
        }
        self.revision += 1;
        if let Some(at) = self.sets.iter().position(|set| &set.template == template) {
            let set = self.sets.remove(at);
            self.sets.push(set);
            return true;
        }
        let mut hasher = DefaultHasher::new();
        template.to_string().hash(&mut hasher);
        let name = format!("{deployment}-{:010x}", hasher.finish() & 0xff_ffff_ffff);
        self.sets.push(ReplicaSet { name, template: template.clone(), pods: Vec::new() });
        true
    }

    fn forget_old(&mut self, limit: u64) {
        let empty = |set: &ReplicaSet| set.pods.is_empty();
        let newest = self.sets.len().saturating_sub(1);
        let mut surplus = self.sets[..newest]
            .iter()
            .filter(|s| empty(s))
            .count()
            .saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
        let mut at = 0;
        self.sets.retain(|set| {
            at += 1;
            let goes = surplus > 0 && at <= newest && empty(set);
            surplus -= usize::from(goes);
            !goes
        });
    }
}

fn count(rollout: &Rollout, deployment: &Value, now: Timestamp) -> Counts {
    let bounds = Bounds::of(deployment);
    let settle = settle(deployment);
    let all = || rollout.sets.iter().flat_map(|s| &s.pods);
    let current = rollout.sets.last().filter(|s| s.template == deployment["spec"]["template"]);
    Counts {
        wanted: bounds.replicas,
        least_available: bounds.least_available(),
        replicas: all().count(),
        updated: current.map_or(0, |s| s.pods.len()),
        ready: all().filter(|p| p.is_ready(now)).count(),
        available: all().filter(|p| p.is_available(now, settle)).count(),
    }
}
