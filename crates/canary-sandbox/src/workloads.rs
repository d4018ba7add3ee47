//! The controllers of a cluster, as far as a progressive delivery sees them at work.

mod autoscaler;
mod conditions;
mod daemon_set;
mod deployment;
mod replica_sets;
mod rolling;

use serde_json::Value;

use crate::cluster::Cluster;
use crate::pods::{Pod, PodCount, PodFacts};

impl Cluster {
    /// Counts the pods of a namespace that carry all these labels.
    pub(crate) fn count_pods(&self, namespace: &str, labels: &serde_json::Map<String, Value>) -> PodCount {
        let carries = |template: &Value| {
            labels.iter().all(|(key, value)| &template["metadata"]["labels"][key] == value)
        };
        let mut count = PodCount::default();
        let mut add = |pod: &Pod| {
            count.total += 1;
            count.ready += usize::from(pod.is_ready(self.now));
        };
        for rollout in self.rollouts.values().filter(|r| r.namespace == namespace) {
            rollout.sets.iter().filter(|s| carries(&s.template)).flat_map(|s| &s.pods).for_each(&mut add);
        }
        for nodes in self.node_pods.values().filter(|n| n.namespace == namespace) {
            nodes.pods.values().filter(|(template, _)| carries(template)).for_each(|(_, pod)| add(pod));
        }
        count
    }

    /// Asks the rule about every pod again and lets the controllers look.
    pub(crate) fn reconsider_pods(&mut self) {
        let rule = self.pod_rule.clone();
        let deployments = self.kinds.of(crate::kinds::BuiltIn::Deployment);
        let daemon_sets = self.kinds.of(crate::kinds::BuiltIn::DaemonSet);
        for (id, kind) in [(deployments, "Deployment"), (daemon_sets, "DaemonSet")] {
            let objects: Vec<_> = self.store.table(id).iter("").cloned().collect();
            for object in objects {
                let (namespace, name) = crate::store::position(&object);
                let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
                let ask = |pod: &mut Pod, template: &Value| {
                    let born = pod.born;
                    pod.reconsider(
                        &rule,
                        &PodFacts { namespace: &namespace, kind, workload: &name, template, born },
                    );
                };
                if let Some(rollout) = self.rollouts.get_mut(uid) {
                    for set in &mut rollout.sets {
                        set.pods.iter_mut().for_each(|pod| ask(pod, &set.template));
                    }
                }
                if let Some(nodes) = self.node_pods.get_mut(uid) {
                    nodes.pods.values_mut().for_each(|(template, pod)| ask(pod, template));
                }
                let work = if kind == "Deployment" {
                    crate::agenda::Work::Deployment(namespace, name)
                } else {
                    crate::agenda::Work::DaemonSet(namespace, name)
                };
                self.agenda.plan(self.now, work);
            }
        }
    }
}

/// `minReadySeconds` of a workload.
fn settle(object: &Value) -> jiff::SignedDuration {
    jiff::SignedDuration::from_secs(
        object.pointer("/spec/minReadySeconds").and_then(Value::as_i64).unwrap_or(0),
    )
}

/// An absolute number or a percentage of `total`.
fn share(value: &Value, total: usize, round_up: bool) -> usize {
    if let Some(number) = value.as_u64() {
        return usize::try_from(number).unwrap_or(usize::MAX);
    }
    let percent =
        value.as_str().and_then(|t| t.strip_suffix('%')).and_then(|t| t.parse::<usize>().ok()).unwrap_or(0);
    let hundredfold = total.saturating_mul(percent);
    if round_up { hundredfold.div_ceil(100) } else { hundredfold / 100 }
}

#[cfg(test)]
mod tests;
