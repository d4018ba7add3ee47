//! Simulated pods: not objects, but when each was born and when it is ready.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// What a rule may look at to decide a pod's fate.
#[derive(Clone, Copy, Debug)]
pub struct PodFacts<'a> {
    /// Namespace of the workload.
    pub namespace: &'a str,
    /// Kind of the workload, `Deployment` or `DaemonSet`.
    pub kind: &'a str,
    /// Name of the workload.
    pub workload: &'a str,
    /// The pod template, with `metadata` and `spec`.
    pub template: &'a Value,
    /// When the pod was born.
    pub born: Timestamp,
}

impl PodFacts<'_> {
    /// The value of a label of the template.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.template["metadata"]["labels"][key].as_str()
    }

    /// The images of the containers.
    pub fn images(&self) -> impl Iterator<Item = &str> {
        self.template["spec"]["containers"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|c| c["image"].as_str())
    }
}

/// When a pod is ready: changes of its readiness, counted from its birth. A pod starts unready.
///
/// ```
/// use std::time::Duration;
/// use canary_sandbox::PodFate;
///
/// // Ready after a second, and crash-looping from the tenth on.
/// let fate = PodFate::crash_loop(Duration::from_secs(1), Duration::from_secs(10));
/// assert_ne!(fate, PodFate::never_ready());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodFate {
    changes: Vec<(Duration, bool)>,
}

impl PodFate {
    /// Ready that long after its birth, for ever.
    pub fn ready_after(delay: Duration) -> Self {
        Self { changes: vec![(delay, true)] }
    }

    /// Never ready.
    pub fn never_ready() -> Self {
        Self { changes: Vec::new() }
    }

    /// Ready after `delay`, and unready for ever `lifetime` after its birth.
    pub fn crash_loop(delay: Duration, lifetime: Duration) -> Self {
        Self::changing([(delay, true), (lifetime, false)])
    }

    /// Ready or not from each of these ages on.
    pub fn changing(changes: impl IntoIterator<Item = (Duration, bool)>) -> Self {
        let mut changes: Vec<_> = changes.into_iter().collect();
        changes.sort_by_key(|(age, _)| *age);
        Self { changes }
    }
}

type Rule = dyn Fn(&PodFacts<'_>) -> Option<PodFate> + Send + Sync;

/// Decides the fate of pods.
#[derive(Clone)]
pub(crate) struct PodRule {
    pub(crate) rule: Option<Arc<Rule>>,
    pub(crate) delay: Duration,
}

impl Default for PodRule {
    fn default() -> Self {
        Self { rule: None, delay: Duration::from_secs(1) }
    }
}

impl PodRule {
    /// The rule's answer; else what the template asks for; else ready after the usual delay.
    fn fate(&self, facts: &PodFacts<'_>) -> PodFate {
        if let Some(fate) = self.rule.as_ref().and_then(|rule| rule(facts)) {
            return fate;
        }
        if facts.label("simulated") == Some("never-ready") {
            return PodFate::never_ready();
        }
        let stated = facts.template["metadata"]["annotations"]["simulated/ready-after"].as_str();
        let stated = stated
            .and_then(|text| text.parse::<SignedDuration>().ok())
            .and_then(|d| Duration::try_from(d).ok());
        PodFate::ready_after(stated.unwrap_or(self.delay))
    }

    pub(crate) fn bear(&self, facts: &PodFacts<'_>) -> Pod {
        Pod { born: facts.born, fate: self.fate(facts) }
    }
}

/// One pod.
#[derive(Clone, Debug)]
pub(crate) struct Pod {
    pub(crate) born: Timestamp,
    fate: PodFate,
}

impl Pod {
    fn moment(&self, age: Duration) -> Timestamp {
        let age = SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX);
        self.born.checked_add(age).unwrap_or(Timestamp::MAX)
    }

    /// Since when the pod has been ready, if it is.
    pub(crate) fn ready_since(&self, now: Timestamp) -> Option<Timestamp> {
        let mut past = self.fate.changes.iter().filter(|(age, _)| self.moment(*age) <= now);
        let (age, ready) = past.next_back()?;
        ready.then(|| self.moment(*age))
    }

    pub(crate) fn is_ready(&self, now: Timestamp) -> bool {
        self.ready_since(now).is_some()
    }

    /// Ready for at least `settle`.
    pub(crate) fn is_available(&self, now: Timestamp, settle: SignedDuration) -> bool {
        self.ready_since(now).is_some_and(|since| now.duration_since(since) >= settle)
    }

    /// When readiness or availability changes next.
    pub(crate) fn next_change(&self, now: Timestamp, settle: SignedDuration) -> Option<Timestamp> {
        let flip = self.fate.changes.iter().map(|(age, _)| self.moment(*age)).find(|at| *at > now);
        let settled =
            self.ready_since(now).and_then(|since| since.checked_add(settle).ok()).filter(|at| *at > now);
        flip.into_iter().chain(settled).min()
    }

    /// Asks the rule again, as if it had been asked at birth.
    pub(crate) fn reconsider(&mut self, rule: &PodRule, facts: &PodFacts<'_>) {
        self.fate = rule.fate(facts);
    }
}

/// The pods of one template of a Deployment.
#[derive(Clone, Debug)]
pub(crate) struct ReplicaSet {
    pub(crate) name: String,
    pub(crate) template: Value,
    pub(crate) pods: Vec<Pod>,
}

/// What the simulated Deployment controller remembers of one Deployment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rollout {
    pub(crate) namespace: String,
    /// The newest is the last.
    pub(crate) sets: Vec<ReplicaSet>,
    pub(crate) revision: u64,
    /// The wanted replicas when last looked at; a change of them is scaling.
    pub(crate) wanted: Option<usize>,
}

/// The pods of a DaemonSet, by node, each with the generation of the template it runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodePods {
    pub(crate) namespace: String,
    pub(crate) pods: std::collections::BTreeMap<String, (Value, Pod)>,
}

/// How many pods there are of some kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PodCount {
    /// All.
    pub total: usize,
    /// Those that are ready.
    pub ready: usize,
}
