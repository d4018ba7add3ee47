//! One rollout on the real controller code, in virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use canary_controller::{Clock as _, Controller, RuntimeClock, Settings};
use canary_core::Phase;
use canary_metrics::MetricProviders;
use canary_sandbox::{PodFate, Sandbox, Scenario, ScriptedHooks, ScriptedMetrics, Stage, View, drive};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::recording::{RecordingHooks, RecordingMetrics};
use crate::timeline::{Story, Timeline, What};
use crate::verdict::{Verdict, judge};
use crate::world::{Subject, World};

/// A canary that is not initialized by then never will be.
const INITIALIZED_WITHIN: Duration = Duration::from_secs(1800);
/// How often the user looks, and how long what is still to be told may take.
const LOOK: Duration = Duration::from_secs(1);
const AFTERMATH: Duration = Duration::from_secs(5);

/// What to play.
pub(crate) struct Request {
    pub(crate) scenario: Scenario,
    /// Containers and their new images.
    pub(crate) images: Vec<(String, String)>,
    pub(crate) mesh_provider: String,
    pub(crate) limit: Duration,
}

/// What came of one canary.
pub(crate) struct Played {
    pub(crate) story: Story,
    pub(crate) verdict: Verdict,
}

/// Plays all canaries of the world at once; one result each, in their order.
pub(crate) fn play(world: &World, request: &Request) -> anyhow::Result<Vec<Played>> {
    // Paused time needs one thread: the clock jumps when everybody waits.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let timeline = Timeline::default();
    runtime.block_on(run(world, request, &timeline))?;
    let stories = timeline.stories();
    let results = world.canaries.iter().map(|subject| {
        let story = stories.get(&subject.label()).cloned().unwrap_or_default();
        let verdict = judge(subject, &story);
        Played { story, verdict }
    });
    Ok(results.collect())
}

async fn run(world: &World, request: &Request, timeline: &Timeline) -> anyhow::Result<()> {
    let sandbox = &world.sandbox;
    let scenario = Arc::new(request.scenario.clone());
    let base = sandbox.now();
    let clock = RuntimeClock::starting_at(base);
    let new_images = Arc::new(std::sync::Mutex::new(Vec::<String>::new()));
    script_pods(sandbox, &scenario, &new_images);
    watch_events(world, timeline, clock);

    let stage = {
        let timeline = timeline.clone();
        move || {
            let applied = timeline.stories().values().filter_map(|s| s.applied).min();
            let since_revision = applied.map(|at| clock.now().duration_since(at).unsigned_abs());
            Stage { since_revision, weight: timeline.weight() }
        }
    };
    let kinds: BTreeMap<_, _> = world.canaries.iter().flat_map(Subject::hook_kinds).collect();
    let hooks = RecordingHooks {
        script: ScriptedHooks::new(scenario.clone(), kinds.clone(), stage.clone()),
        timeline: timeline.clone(),
        clock,
        kinds,
    };
    let providers = {
        let (scenario, timeline) = (scenario.clone(), timeline.clone());
        let (good, questions) = (world.good_values(), Arc::new(world.questions.clone()));
        MetricProviders::default().with("prometheus", move |_| {
            Ok(Arc::new(RecordingMetrics {
                script: ScriptedMetrics::new(scenario.clone(), stage.clone()).with_good_values(good.clone()),
                timeline: timeline.clone(),
                clock,
                questions: questions.clone(),
            }))
        })
    };
    let settings = Settings { mesh_provider: request.mesh_provider.clone(), ..Settings::default() };
    let stop = CancellationToken::new();
    let controller = Controller::new(sandbox.client("default"), settings)
        .with_clock(Arc::new(clock))
        .with_hooks(Arc::new(hooks))
        .with_providers(providers);
    let user = async {
        let outcome = use_it(world, request, timeline, &new_images, clock).await;
        stop.cancel();
        outcome
    };
    tokio::select! {
        (ended, outcome) = async { tokio::join!(controller.run(stop.clone()), user) } => {
            ended?;
            outcome
        }
        never = drive(sandbox.clone(), base) => match never {},
    }
}

/// Waits for the canaries, applies new revisions, and waits for their ends.
async fn use_it(
    world: &World,
    request: &Request,
    timeline: &Timeline,
    new_images: &std::sync::Mutex<Vec<String>>,
    clock: RuntimeClock,
) -> anyhow::Result<()> {
    let all = |wanted: &dyn Fn(Phase) -> bool| world.canaries.iter().all(|c| wanted(phase(world, c)));
    let initialized = async {
        while !all(&|p| p == Phase::Initialized) {
            tokio::time::sleep(LOOK).await;
        }
    };
    if tokio::time::timeout(INITIALIZED_WITHIN, initialized).await.is_err() {
        remember_phases(world, timeline);
        return Ok(());
    }
    tokio::time::sleep(AFTERMATH).await;
    for subject in &world.canaries {
        let image = apply_revision(world, request, subject, "new", new_images)?;
        let now = clock.now();
        timeline.note(&subject.label(), now, What::Applied { image });
        timeline.stories().entry(subject.label()).or_default().applied = Some(now);
    }
    let mut another = request.scenario.another_revision_at;
    let ended = async {
        while !all(&|p| matches!(p, Phase::Succeeded | Phase::Failed)) {
            if another.is_some_and(|weight| timeline.weight() >= weight) {
                another = None;
                for subject in &world.canaries {
                    let image = apply_revision(world, request, subject, "newer", new_images)?;
                    timeline.note(&subject.label(), clock.now(), What::Applied { image });
                }
            }
            tokio::time::sleep(LOOK).await;
        }
        anyhow::Ok(())
    };
    if let Ok(outcome) = tokio::time::timeout(request.limit, ended).await {
        outcome?;
    }
    tokio::time::sleep(AFTERMATH).await;
    remember_phases(world, timeline);
    Ok(())
}

fn remember_phases(world: &World, timeline: &Timeline) {
    for subject in &world.canaries {
        let phase = phase(world, subject);
        timeline.stories().entry(subject.label()).or_default().phase = phase;
    }
}

fn phase(world: &World, subject: &Subject) -> Phase {
    let canary =
        world.sandbox.get("canaries.flagger.app", &subject.namespace, &subject.name).unwrap_or_default();
    let phase = canary.pointer("/status/phase").and_then(Value::as_str).unwrap_or_default();
    phase.parse().unwrap_or_default()
}

/// Gives the target's containers new images; returns what was applied, in words.
fn apply_revision(
    world: &World,
    request: &Request,
    subject: &Subject,
    suffix: &str,
    new_images: &std::sync::Mutex<Vec<String>>,
) -> anyhow::Result<String> {
    let (sandbox, resource) = (&world.sandbox, subject.target_resource);
    let target = sandbox.get(resource, &subject.namespace, &subject.plan.target).unwrap_or_default();
    let mut containers =
        target.pointer("/spec/template/spec/containers").cloned().unwrap_or_else(|| json!([]));
    let mut applied = Vec::new();
    for container in containers.as_array_mut().into_iter().flatten() {
        let name = container["name"].as_str().unwrap_or_default().to_owned();
        let image = container["image"].as_str().unwrap_or_default().to_owned();
        let (repository, tag) = split_image(&image);
        let asked = request.images.iter().find(|(c, _)| *c == name).map(|(_, image)| image.as_str());
        let new = match asked {
            Some(whole) if whole.contains(['/', ':']) => whole.to_owned(),
            Some(tag) => format!("{repository}:{tag}"),
            None if request.images.is_empty() => {
                format!("{repository}:{}-{suffix}", tag.trim_end_matches("-new"))
            }
            None => continue,
        };
        container["image"] = new.as_str().into();
        applied.push(new);
    }
    if applied.is_empty() {
        let names: Vec<_> = request.images.iter().map(|(name, _)| name.as_str()).collect();
        anyhow::bail!(
            "{} {} has no container {}",
            subject.plan.target_kind,
            subject.plan.target,
            names.join(" or ")
        );
    }
    let mut images = new_images.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    images.extend(applied.iter().cloned());
    drop(images);
    let patch = json!({"spec": {"template": {"spec": {"containers": containers}}}});
    sandbox.patch_object(resource, &subject.namespace, &subject.plan.target, &patch)?;
    Ok(applied.join(", "))
}

/// Repository and tag of an image; the tag is `latest` when there is none.
fn split_image(image: &str) -> (&str, &str) {
    match image.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (image, "latest"),
    }
}

/// Lets the new revision's pods fare as the script says.
fn script_pods(sandbox: &Sandbox, scenario: &Arc<Scenario>, new_images: &Arc<std::sync::Mutex<Vec<String>>>) {
    let (scenario, new_images) = (scenario.clone(), new_images.clone());
    sandbox.set_pod_rule(move |pod| {
        let images = new_images.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let is_new = pod.images().any(|image| images.iter().any(|new| new == image));
        if !is_new {
            return None;
        }
        match (scenario.pods.never_ready, scenario.pods.ready_after_seconds) {
            (true, _) => Some(PodFate::never_ready()),
            (false, Some(seconds)) => Some(PodFate::ready_after(Duration::from_secs(seconds))),
            (false, None) => None,
        }
    });
}

/// Notes the controller's events as they are written.
fn watch_events(world: &World, timeline: &Timeline, clock: RuntimeClock) {
    let timeline = timeline.clone();
    let labels: Vec<_> =
        world.canaries.iter().map(|c| (c.namespace.clone(), c.name.clone(), c.label())).collect();
    let mut seen = BTreeSet::new();
    world.sandbox.after_each_request(move |request, view: &View<'_>| {
        if request.verb != "create" || request.resource != "events" {
            return Ok(());
        }
        for event in view.list("events", &request.namespace) {
            let text =
                |path: &str| event.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
            let (about, namespace) = (text("/involvedObject/name"), text("/involvedObject/namespace"));
            let label =
                labels.iter().find(|(ns, name, _)| *ns == namespace && *name == about).map(|l| l.2.clone());
            let (Some(label), true) = (label, seen.insert(text("/metadata/name"))) else { continue };
            let at = clock.now();
            timeline.note(
                &label,
                at,
                What::Event { warning: text("/type") == "Warning", text: text("/message") },
            );
        }
        Ok(())
    });
}

#[cfg(test)]
mod tests {
    use super::split_image;

    #[test]
    fn a_port_of_a_registry_is_no_tag() {
        assert_eq!(split_image("localhost:5000/app"), ("localhost:5000/app", "latest"));
        assert_eq!(split_image("localhost:5000/app:1.2"), ("localhost:5000/app", "1.2"));
    }
}
