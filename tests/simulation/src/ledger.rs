//! What must hold after every request, whatever went wrong before it. `docs/safety.md` gives the rules in words.
//!
//! A rule judges what the controller's own write did: what users and pods do is only taken note of.

use std::collections::BTreeMap;

use canary_sandbox::{RequestInfo, View};
use jiff::{SignedDuration, Timestamp};

use crate::command::Commands;
use crate::scene::{Scene, available, canary, look, scene};
use crate::setting::{DEPLOYMENTS, NAME, NAMESPACE, PRIMARY, REPLICA_SETS, Setting};

/// The book of one run.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    scene: Scene,
    /// When the target got each of its images, and how long it had them before.
    images: BTreeMap<String, Timestamp>,
    /// Caches may be behind until then; what was decided on them is excused.
    stale_until: Option<Timestamp>,
    /// When somebody else last changed something.
    edited: Option<Timestamp>,
    /// Steps above this maximum were right until then.
    former_max: i64,
    pub(crate) last_write: Option<Timestamp>,
    /// Phases in the order in which they were written.
    pub(crate) phases: Vec<String>,
    /// Images that a rollout was begun with.
    pub(crate) tried: Vec<String>,
    /// The last of them.
    applied_image: String,
    /// The image of the revision that was promoted last.
    promoted_image: String,
    pub(crate) commands: Commands,
    /// The revision and the configuration that failed last, while nothing else was begun.
    failed_with: Option<(String, String)>,
}

/// A pod's death may be a moment older than what the controller knows of it.
const NEWS: SignedDuration = SignedDuration::from_secs(2);

impl Ledger {
    /// Caches may be behind until then.
    pub(crate) fn stale_until(&mut self, until: Timestamp) {
        self.stale_until = self.stale_until.max(Some(until));
    }

    /// Takes note of what somebody else did.
    pub(crate) fn note(&mut self, view: &View<'_>, setting: &Setting) {
        let scene = scene(view, setting.mesh);
        self.commands.note(canary(view));
        self.former_max = self.former_max.max(self.scene.max_weight);
        self.edited = Some(view.now());
        self.images.entry(scene.target_image.clone()).or_insert(view.now());
        if scene.target_image != self.scene.target_image {
            self.images.insert(scene.target_image.clone(), view.now());
        }
        self.scene = scene;
    }

    /// Judges a request that was carried out.
    pub(crate) fn inspect(
        &mut self,
        request: &RequestInfo,
        view: &View<'_>,
        setting: &Setting,
    ) -> Result<(), String> {
        if !request.is_write() || request.resource == "events" {
            return Ok(());
        }
        self.last_write = Some(view.now());
        let before = std::mem::replace(&mut self.scene, scene(view, setting.mesh));
        let after = self.scene.clone();
        let edited = self.edited.map(|at| view.now().duration_since(at));
        let facts = Facts {
            view,
            now: view.now(),
            stale: self.stale_until.is_some_and(|until| view.now() <= until + NEWS),
            edited: edited.is_some_and(|ago| ago < SignedDuration::from_secs(60)),
            just_edited: edited.is_some_and(|ago| ago <= NEWS),
        };
        if request.resource == "canaries" && request.subresource == "status" && after.phase != before.phase {
            self.phases.push(after.phase.clone());
        }
        if after.applied != before.applied {
            self.tried.push(after.target_image.clone());
            self.applied_image.clone_from(&after.target_image);
        }
        if after.promoted != before.promoted {
            self.promoted_image.clone_from(&self.applied_image);
        }
        if request.verb == "delete" {
            return Err(format!("{} {} was deleted", request.resource, request.name));
        }
        self.orders(request, &before, &after, &facts)?;
        traffic(&before, &after, &facts, setting)?;
        capacity(&before, &after, &facts, setting)?;
        self.promotion(request, &before, &after, &facts, setting)?;
        self.made_anew(&before, &after, &facts)?;
        status(request, (&before, &after), &facts, setting, &self.applied_image)
    }

    /// What people ordered is done, and nothing against it.
    fn orders(
        &mut self,
        request: &RequestInfo,
        before: &Scene,
        after: &Scene,
        facts: &Facts<'_>,
    ) -> Result<(), String> {
        let canary = canary(facts.view);
        let moments = (before.moment(), after.moment());
        // Whoever turns the analysis off turns the gates off with it.
        let skips = canary["spec"]["skipAnalysis"] == true;
        let excused = facts.stale || facts.edited || skips || facts.is_down(PRIMARY);
        self.commands.inspect(canary, moments, facts.now, excused)?;
        if request.resource != "canaries" || request.subresource != "status" {
            return Ok(());
        }
        let revision = (after.applied.clone(), after.configs.clone());
        let again = after.phase == "Progressing" && self.failed_with.as_ref() == Some(&revision);
        match after.phase.as_str() {
            "Failed" => self.failed_with = Some(revision),
            "Waiting" => {}
            _ => self.failed_with = None,
        }
        if again { self.commands.begun_again() } else { Ok(()) }
    }

    /// A primary that somebody deleted comes back as what was promoted, as long as that is kept.
    fn made_anew(&self, before: &Scene, after: &Scene, facts: &Facts<'_>) -> Result<(), String> {
        let Some(image) = after.primary_image.as_deref().filter(|_| before.primary_image.is_none()) else {
            return Ok(());
        };
        let wanted = match before.phase.as_str() {
            "" | "Initializing" => return Ok(()),
            "Promoting" | "Finalising" => &self.applied_image,
            _ => &self.promoted_image,
        };
        let kept = facts.view.list(REPLICA_SETS, NAMESPACE);
        let is_kept = kept.iter().any(|set| {
            set["metadata"]["ownerReferences"][0]["name"] == NAME
                && set.pointer("/spec/template/spec/containers/0/image").and_then(|i| i.as_str())
                    == Some(wanted)
        });
        let right = image == wanted || !is_kept || facts.stale;
        require(right, || {
            format!("in {} a primary was made of {image}, and {wanted} was promoted", before.phase)
        })
    }

    fn promotion(
        &self,
        request: &RequestInfo,
        before: &Scene,
        after: &Scene,
        facts: &Facts<'_>,
        setting: &Setting,
    ) -> Result<(), String> {
        let ours = request.resource == "deployments";
        let both = before.primary_image.is_some() && after.primary_image.is_some();
        if !ours || !both || after.primary_image == before.primary_image {
            return Ok(());
        }
        // While the canary is set up, a primary that serves nobody gets what the user applies.
        if before.phase == "Initializing" && !facts.is_up(PRIMARY) {
            return Ok(());
        }
        // The Canary was deleted between the last look and the write.
        if canary(facts.view).is_null() && facts.just_edited {
            return Ok(());
        }
        let rolling = ["Progressing", "WaitingPromotion", "Promoting"].contains(&before.phase.as_str());
        require(rolling, || format!("the primary's template changed in {:?}", before.phase))?;
        let image = after.primary_image.clone().unwrap_or_default();
        let applied = self.images.get(&image);
        let known = applied.is_some_and(|at| facts.now.duration_since(*at) >= SignedDuration::from_secs(9));
        let skipped = setting.way == crate::setting::Way::Skip
            || facts.edited
            || self.commands.promotes_unchecked(&after.applied);
        require(known || skipped, || format!("{image} was promoted without analysis"))
    }
}

/// What the rules weigh.
struct Facts<'a> {
    view: &'a View<'a>,
    now: Timestamp,
    stale: bool,
    edited: bool,
    /// Somebody else changed something in the same moment.
    just_edited: bool,
}

impl Facts<'_> {
    /// Whether the workload has had no pod to serve for longer than news takes.
    fn is_down(&self, name: &str) -> bool {
        let Some(workload) = look(self.view, DEPLOYMENTS, name) else { return true };
        if workload["status"]["availableReplicas"].as_i64().unwrap_or(0) > 0 {
            return false;
        }
        let conditions = workload["status"]["conditions"].as_array();
        let since =
            conditions.into_iter().flatten().find(|c| c["type"] == "Available" && c["status"] == "False");
        let since =
            since.and_then(|c| c["lastTransitionTime"].as_str()).and_then(|t| t.parse::<Timestamp>().ok());
        since.is_none_or(|since| self.now.duration_since(since) > NEWS)
    }

    fn is_up(&self, name: &str) -> bool {
        available(self.view, name) > 0
    }
}

pub(crate) fn require(holds: bool, broken: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(broken()) }
}

/// Traffic only ever goes to workloads with ready pods when there are any; its shares add up; the canary gets no more
/// than it may.
fn traffic(before: &Scene, after: &Scene, facts: &Facts<'_>, setting: &Setting) -> Result<(), String> {
    if let Some(share) = after.share.filter(|_| after.share != before.share) {
        require(share + after.primary_share == 100, || {
            format!("shares are {} and {share}", after.primary_share)
        })?;
        let was = before.share.unwrap_or(0);
        if share > was && !facts.stale {
            let up = !facts.is_down(NAME) || !facts.is_up(PRIMARY);
            require(up, || format!("{share} % go to a canary without pods"))?;
            let rising = matches!(before.phase.as_str(), "Progressing" | "WaitingPromotion");
            let max = after.max_weight;
            let common = after.common_share;
            let allowed = !rising || common <= max || facts.is_down(PRIMARY) || facts.edited;
            require(allowed, || format!("{common} % are more than {max} %"))?;
        }
        if share < was && !facts.stale {
            let up = !facts.is_down(PRIMARY) || !facts.is_up(NAME);
            require(up, || format!("{} % go to a primary without pods", 100 - share))?;
        }
    }
    if after.apex != before.apex
        && let Some(selected) = &after.apex
        // With a Canary that is gone, its Service goes. Nobody can know of what goes between the last look and the write.
        && !(facts.stale || facts.just_edited || canary(facts.view).is_null())
    {
        let other = if selected == PRIMARY { NAME } else { PRIMARY };
        let up = !facts.is_down(selected) || !facts.is_up(other);
        require(up, || format!("the Service selects {selected}, which has no pods"))?;
    }
    let _ = setting;
    Ok(())
}

/// Traffic leaves before capacity does; the primary keeps its pods.
fn capacity(before: &Scene, after: &Scene, facts: &Facts<'_>, setting: &Setting) -> Result<(), String> {
    if after.target_replicas == 0 && before.target_replicas > 0 {
        let share = after.share.unwrap_or(0);
        // Nobody can know of weights that are set, or a primary that is deleted, between the last look and the write.
        let traffic_left = share == 0 || facts.just_edited;
        require(traffic_left, || format!("the target was taken down with {share} % of the traffic"))?;
        let last = facts.is_up(NAME) && facts.is_down(PRIMARY);
        // A Canary that is deleted takes its primary along, and leaves the target as it is.
        // Without a mesh nobody is ever sent to the target, wherever the pods are.
        let excused =
            facts.stale || facts.just_edited || canary(facts.view).is_null() || !setting.is_routed();
        require(!last || excused, || "the last pods that serve were taken down".into())?;
    }
    if before.primary_image.is_some() && after.primary_image.is_some() {
        let fewer = after.primary_replicas < before.primary_replicas;
        let wanted = facts.edited || after.primary_replicas >= 1;
        require(!fewer || wanted, || format!("the primary was scaled to {}", after.primary_replicas))?;
    }
    let same = after.target_image == before.target_image;
    require(same, || "the target's template was changed".into())
}

/// A status names only what was reached.
fn status(
    request: &RequestInfo,
    (before, after): (&Scene, &Scene),
    facts: &Facts<'_>,
    setting: &Setting,
    applied_image: &str,
) -> Result<(), String> {
    let written = request.resource == "canaries" && request.subresource == "status";
    if !written || after.phase == before.phase || facts.stale || facts.edited {
        return Ok(());
    }
    let share = after.share.unwrap_or(0);
    let weight = canary(facts.view)["status"]["canaryWeight"].as_i64().unwrap_or(0);
    let from = before.phase.as_str();
    // The target may have another one by now, whose turn comes next.
    let promoted = after.primary_image.as_deref() == Some(applied_image);
    let reached = match after.phase.as_str() {
        "Promoting" => promoted,
        "Finalising" => share == 0,
        "Succeeded" if from != "Waiting" => share == 0 && after.target_replicas == 0 && promoted,
        "Failed" if from != "Waiting" && weight == 100 => share == 100 || !setting.is_routed(),
        "Failed" if from != "Waiting" => share == 0 && after.target_replicas == 0,
        "Initialized" => share == 0 && after.target_replicas == 0 && facts.is_up(PRIMARY),
        _ => true,
    };
    require(reached, || format!("the status says {:?}, and the cluster is {after:?}", after.phase))
}
