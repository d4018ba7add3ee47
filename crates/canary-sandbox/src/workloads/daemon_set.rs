//! The DaemonSet controller: one pod for each node that the template's node selector fits.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{settle, share};
use crate::agenda::Work;
use crate::cluster::Cluster;
use crate::kinds::BuiltIn;
use crate::pods::{NodePods, Pod, PodFacts};

impl Cluster {
    /// Looks at a DaemonSet: its pods, its status, and when to look again.
    pub(crate) fn sync_daemon_set(&mut self, namespace: &str, name: &str) {
        let Some(set) = self.find(BuiltIn::DaemonSet, namespace, name) else { return };
        if set["metadata"]["deletionTimestamp"].is_string() {
            return;
        }
        let uid = set["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let mut state = self.node_pods.remove(&uid).unwrap_or_default();
        namespace.clone_into(&mut state.namespace);
        let template = &set["spec"]["template"];
        let nodes = self.fitting_nodes(&template["spec"]["nodeSelector"]);
        state.pods.retain(|node, _| nodes.contains(node));
        let (now, settle) = (self.now, settle(&set));
        let bear = || {
            let facts = PodFacts { namespace, kind: "DaemonSet", workload: name, template, born: now };
            (template.clone(), self.pod_rule.bear(&facts))
        };
        for node in &nodes {
            state.pods.entry(node.clone()).or_insert_with(bear);
        }
        if set["spec"]["updateStrategy"]["type"] == "RollingUpdate" {
            let allowed = &set["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"];
            replace_old(&mut state, template, share(allowed, nodes.len(), true).max(1), now, settle, bear);
        }

        let counting =
            |wanted: &dyn Fn(&Value, &Pod) -> bool| state.pods.values().filter(|(t, p)| wanted(t, p)).count();
        let available = counting(&|_, pod| pod.is_available(now, settle));
        let mut status = json!({
            "observedGeneration": set["metadata"]["generation"],
            "currentNumberScheduled": state.pods.len(),
            "desiredNumberScheduled": nodes.len(),
            "numberMisscheduled": 0,
            "numberReady": counting(&|_, pod| pod.is_ready(now)),
        });
        for (key, number) in [
            ("updatedNumberScheduled", counting(&|pod_template, _| pod_template == template)),
            ("numberAvailable", available),
            ("numberUnavailable", nodes.len() - available),
        ] {
            if number > 0 {
                status[key] = number.into();
            }
        }
        let change = state.pods.values().filter_map(|(_, pod)| pod.next_change(now, settle)).min();
        self.set_status(self.kinds.of(BuiltIn::DaemonSet), namespace, name, &status);
        if let Some(due) = change {
            self.agenda.plan(due, Work::DaemonSet(namespace.to_owned(), name.to_owned()));
        }
        self.node_pods.insert(uid, state);
    }

    fn fitting_nodes(&self, selector: &Value) -> Vec<String> {
        let wanted = selector.as_object();
        let fits = |node: &Value| {
            let labels = &node["metadata"]["labels"];
            wanted.into_iter().flatten().all(|(key, value)| &labels[key] == value)
        };
        let nodes = self.store.table(self.kinds.of(BuiltIn::Node)).iter("");
        nodes.filter(|n| fits(n)).filter_map(|n| n["metadata"]["name"].as_str().map(str::to_owned)).collect()
    }
}

/// Replaces pods of older templates while enough others are available.
fn replace_old(
    state: &mut NodePods,
    template: &Value,
    allowed: usize,
    now: Timestamp,
    settle: jiff::SignedDuration,
    bear: impl Fn() -> (Value, Pod),
) {
    let unavailable =
        |pods: &NodePods| pods.pods.values().filter(|(_, p)| !p.is_available(now, settle)).count();
    let mut old: Vec<(bool, String)> = state
        .pods
        .iter()
        .filter(|(_, (pod_template, _))| pod_template != template)
        .map(|(node, (_, pod))| (pod.is_available(now, settle), node.clone()))
        .collect();
    old.sort(); // those that serve nobody go first
    for (serves, node) in old {
        if !serves || unavailable(state) < allowed {
            state.pods.insert(node, bear());
        }
    }
}
