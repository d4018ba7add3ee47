//! What must hold after every request, whatever went wrong before it. `docs/safety.md` gives the rules in words.
//!
//! A rule judges what the controller's own write did: what users and pods do is only taken note of.

use std::collections::BTreeMap;

use canary_sandbox::{RequestInfo, Sandbox, View};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::setting::{AUTOSCALERS, CANARIES, DEPLOYMENTS, Mesh, NAME, NAMESPACE, Setting};

/// Where to look things up: in a view after a request, or in the sandbox between two.
pub(crate) trait Look {
    fn look(&self, resource: &str, name: &str) -> Option<Value>;
    fn time(&self) -> Timestamp;
}

impl Look for View<'_> {
    fn look(&self, resource: &str, name: &str) -> Option<Value> {
        self.get(resource, NAMESPACE, name)
    }

    fn time(&self) -> Timestamp {
        self.now()
    }
}

impl Look for Sandbox {
    fn look(&self, resource: &str, name: &str) -> Option<Value> {
        self.get(resource, NAMESPACE, name)
    }

    fn time(&self) -> Timestamp {
        self.now()
    }
}

/// What the rules are about, as last seen.
#[derive(Clone, Debug, Default, PartialEq)]
struct Scene {
    /// The canary's largest share in any rule of the route; `None`: there is no route.
    share: Option<i64>,
    /// Of that rule.
    primary_share: i64,
    apex: Option<String>,
    target_replicas: i64,
    target_image: String,
    primary_image: Option<String>,
    primary_replicas: i64,
    phase: String,
    /// The revision that the status names as applied.
    applied: String,
    max_weight: i64,
}

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
}

/// A pod's death may be a moment older than what the controller knows of it.
const NEWS: SignedDuration = SignedDuration::from_secs(2);

impl Ledger {
    /// Caches may be behind until then.
    pub(crate) fn stale_until(&mut self, until: Timestamp) {
        self.stale_until = self.stale_until.max(Some(until));
    }

    /// Takes note of what somebody else did.
    pub(crate) fn note(&mut self, look: &dyn Look, setting: &Setting) {
        let scene = scene(look, setting.mesh);
        self.former_max = self.former_max.max(self.scene.max_weight);
        self.edited = Some(look.time());
        self.images.entry(scene.target_image.clone()).or_insert(look.time());
        if scene.target_image != self.scene.target_image {
            self.images.insert(scene.target_image.clone(), look.time());
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
        let facts = Facts {
            view,
            now: view.now(),
            stale: self.stale_until.is_some_and(|until| view.now() <= until + NEWS),
            edited: self
                .edited
                .is_some_and(|at| view.now().duration_since(at) < SignedDuration::from_secs(60)),
        };
        if request.resource == "canaries" && request.subresource == "status" && after.phase != before.phase {
            self.phases.push(after.phase.clone());
        }
        if after.applied != before.applied {
            self.tried.push(after.target_image.clone());
        }
        if request.verb == "delete" {
            return Err(format!("{} {} was deleted", request.resource, request.name));
        }
        traffic(&before, &after, &facts, setting)?;
        capacity(&before, &after, &facts)?;
        self.promotion(request, &before, &after, &facts, setting)?;
        status(request, &before, &after, &facts, setting)
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
        if !ours || after.primary_image == before.primary_image || before.primary_image.is_none() {
            return Ok(());
        }
        let rolling = ["Progressing", "WaitingPromotion", "Promoting"].contains(&before.phase.as_str());
        require(rolling, || format!("the primary's template changed in {:?}", before.phase))?;
        let image = after.primary_image.clone().unwrap_or_default();
        let applied = self.images.get(&image);
        let known = applied.is_some_and(|at| facts.now.duration_since(*at) >= SignedDuration::from_secs(9));
        let skipped = setting.way == crate::setting::Way::Skip || facts.edited;
        require(known || skipped, || format!("{image} was promoted without analysis"))
    }
}

/// What the rules weigh.
struct Facts<'a> {
    view: &'a View<'a>,
    now: Timestamp,
    stale: bool,
    edited: bool,
}

impl Facts<'_> {
    /// Whether the workload has had no pod to serve for longer than news takes.
    fn is_down(&self, name: &str) -> bool {
        let Some(workload) = self.view.look(DEPLOYMENTS, name) else { return true };
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
        let workload = self.view.look(DEPLOYMENTS, name).unwrap_or_default();
        workload["status"]["availableReplicas"].as_i64().unwrap_or(0) > 0
    }
}

const PRIMARY: &str = "podinfo-primary";

fn require(holds: bool, broken: impl FnOnce() -> String) -> Result<(), String> {
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
            let allowed = !rising || share <= max || facts.is_down(PRIMARY) || facts.edited;
            require(allowed, || format!("{share} % are more than {max} %"))?;
        }
        if share < was && !facts.stale {
            let up = !facts.is_down(PRIMARY) || !facts.is_up(NAME);
            require(up, || format!("{} % go to a primary without pods", 100 - share))?;
        }
    }
    if after.apex != before.apex
        && let Some(selected) = &after.apex
        && !facts.stale
    {
        let other = if selected == PRIMARY { NAME } else { PRIMARY };
        let up = !facts.is_down(selected) || !facts.is_up(other);
        require(up, || format!("the Service selects {selected}, which has no pods"))?;
    }
    let _ = setting;
    Ok(())
}

/// Traffic leaves before capacity does; the primary keeps its pods.
fn capacity(before: &Scene, after: &Scene, facts: &Facts<'_>) -> Result<(), String> {
    if after.target_replicas == 0 && before.target_replicas > 0 {
        let share = after.share.unwrap_or(0);
        require(share == 0, || format!("the target was taken down with {share} % of the traffic"))?;
        let last = facts.is_up(NAME) && facts.is_down(PRIMARY);
        // A Canary that is deleted takes its primary along, and leaves the target as it is.
        let excused = facts.stale || facts.view.look(CANARIES, NAME).is_none();
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
    before: &Scene,
    after: &Scene,
    facts: &Facts<'_>,
    setting: &Setting,
) -> Result<(), String> {
    let written = request.resource == "canaries" && request.subresource == "status";
    if !written || after.phase == before.phase || facts.stale || facts.edited {
        return Ok(());
    }
    let share = after.share.unwrap_or(0);
    let weight =
        facts.view.look(CANARIES, NAME).unwrap_or_default()["status"]["canaryWeight"].as_i64().unwrap_or(0);
    let from = before.phase.as_str();
    let reached = match after.phase.as_str() {
        "Promoting" => after.primary_image.as_ref() == Some(&after.target_image),
        "Finalising" => share == 0,
        "Succeeded" if from != "Waiting" => {
            share == 0
                && after.target_replicas == 0
                && after.primary_image.as_ref() == Some(&after.target_image)
        }
        "Failed" if from != "Waiting" && weight == 100 => share == 100 || !setting.is_routed(),
        "Failed" if from != "Waiting" => share == 0 && after.target_replicas == 0,
        "Initialized" => share == 0 && after.target_replicas == 0 && facts.is_up(PRIMARY),
        _ => true,
    };
    require(reached, || format!("the status says {:?}, and the cluster is {after:?}", after.phase))
}

fn scene(look: &dyn Look, mesh: Mesh) -> Scene {
    let target = look.look(DEPLOYMENTS, NAME).unwrap_or_default();
    let primary = look.look(DEPLOYMENTS, PRIMARY);
    let canary = look.look(CANARIES, NAME).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let image = |workload: &Value| text(&workload["spec"]["template"]["spec"]["containers"][0]["image"]);
    let mut scene = Scene {
        target_replicas: target["spec"]["replicas"].as_i64().unwrap_or(0),
        target_image: image(&target),
        primary_image: primary.as_ref().map(image),
        primary_replicas: primary.as_ref().map_or(0, |p| p["spec"]["replicas"].as_i64().unwrap_or(1)),
        phase: text(&canary["status"]["phase"]),
        applied: text(&canary["status"]["lastAppliedSpec"]),
        max_weight: Setting::max_weight(&canary),
        apex: look
            .look("services", NAME)
            .and_then(|s| s["spec"]["selector"]["app"].as_str().map(str::to_owned)),
        ..Scene::default()
    };
    let Some(route) = mesh.routes().and_then(|kind| look.look(kind, NAME)) else { return scene };
    let (rules, refs, host) = match mesh {
        Mesh::Gateway => ("rules", "backendRefs", "/name"),
        Mesh::Istio | Mesh::Kubernetes => ("http", "route", "/destination/host"),
    };
    for rule in route["spec"][rules].as_array().into_iter().flatten() {
        let (mut own, mut rest) = (0, 0);
        for destination in rule[refs].as_array().into_iter().flatten() {
            let weight = destination["weight"].as_i64().unwrap_or(100);
            let to_canary = destination.pointer(host).is_some_and(|h| h == "podinfo-canary");
            *(if to_canary { &mut own } else { &mut rest }) += weight;
        }
        if scene.share.is_none_or(|share| own > share) {
            (scene.share, scene.primary_share) = (Some(own), rest);
        }
    }
    scene
}

/// What has to hold once all trouble is over and the canary rests.
pub(crate) fn at_the_end(
    sandbox: &Sandbox,
    ledger: &Ledger,
    setting: &Setting,
    bystanders: &[Value],
) -> Result<(), String> {
    let scene = scene(sandbox, setting.mesh);
    let up = |name: &str| {
        let workload = sandbox.look(DEPLOYMENTS, name).unwrap_or_default();
        workload["status"]["availableReplicas"].as_i64().unwrap_or(0) > 0
    };
    let share = scene.share.unwrap_or(0);
    require(share == 0 || up(NAME), || format!("{share} % go to a canary without pods at the end"))?;
    require(share == 100 || up(PRIMARY), || {
        let status = sandbox.look(DEPLOYMENTS, PRIMARY).unwrap_or_default()["status"].clone();
        format!("{} % go to a primary without pods at the end: {status}", 100 - share)
    })?;
    let runs = scene.primary_image.as_ref() == Some(&scene.target_image);
    match scene.phase.as_str() {
        "Succeeded" | "Initialized" => {
            require(runs, || format!("{} was forgotten: {scene:?}", scene.target_image))?;
            if setting.configs {
                let data = |name| sandbox.look("configmaps", name).unwrap_or_default()["data"].clone();
                let (own, copy) = (data("podinfo-config"), data("podinfo-config-primary"));
                require(own == copy, || format!("the config {own} was forgotten, the primary has {copy}"))?;
            }
        }
        "Failed" => {
            let refused = ledger.tried.contains(&scene.target_image);
            require(runs || refused, || format!("{} was neither tried nor refused", scene.target_image))?;
        }
        phase => return Err(format!("it ends in {phase:?}")),
    }
    if setting.autoscaler {
        require(sandbox.look(AUTOSCALERS, NAME).is_some(), || "the user's autoscaler is gone".into())?;
    }
    for own in bystanders {
        let (kind, name) = (&own["kind"], own["metadata"]["name"].as_str().unwrap_or_default());
        let resource = match kind.as_str() {
            Some("ConfigMap") => "configmaps",
            Some("Service") => "services",
            _ => crate::setting::VIRTUAL_SERVICES,
        };
        let content = |o: &Value| if o["spec"].is_null() { o["data"].clone() } else { o["spec"].clone() };
        let found = sandbox.look(resource, name).unwrap_or_default();
        let kept = match resource {
            "services" => found["spec"]["selector"] == own["spec"]["selector"],
            _ => content(&found) == content(own),
        };
        require(kept, || format!("{kind} {name}, which is the user's, was changed"))?;
    }
    Ok(())
}
