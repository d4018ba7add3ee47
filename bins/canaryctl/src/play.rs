//! One rollout on the real controller code, in virtual time.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::bail;
use canary_controller::{Clock as _, Controller, RuntimeClock, Settings};
use canary_core::Phase;
use canary_sandbox::{PodFate, Sandbox, Scenario, drive};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::load;
use crate::onlooker::Onlooker;
use crate::recording::Recorder;
use crate::revision::{Revision, unknown_containers};
use crate::routing_objects::Scene;
use crate::timeline::{Story, Timeline, What};
use crate::verdict::{Verdict, judge};
use crate::world::{Subject, World};

/// A canary that is not initialized by then never will be.
const INITIALIZED_WITHIN: Duration = Duration::from_secs(1800);
/// How long what is still to be told may take.
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
    /// Its routing objects before, at the first step, and after.
    pub(crate) scenes: Vec<Scene>,
}

/// Plays all canaries of the world at once; one result each, in their order.
pub(crate) fn play(world: &World, request: &Request) -> anyhow::Result<Vec<Played>> {
    let unknown = unknown_containers(&world.sandbox, &world.canaries, &request.images);
    if !unknown.is_empty() {
        bail!("--image: no target has a container {}", unknown.join(" or "));
    }
    // Paused time needs one thread: the clock jumps when everybody waits. Without I/O nobody can be reached by mistake.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let timeline = Timeline::default();
    let scenes = runtime.block_on(run(world, request, &timeline))?;
    let results = world.canaries.iter().zip(scenes).map(|(subject, scenes)| {
        let mut story = timeline.story(&subject.label());
        let verdict = judge(subject, &story, request.limit);
        story.entries.extend(load::lines(subject, &story, &request.scenario));
        // Stable: what happened at one moment keeps its order.
        story.entries.sort_by_key(|entry| entry.at);
        Played { story, verdict, scenes }
    });
    Ok(results.collect())
}

async fn run(world: &World, request: &Request, timeline: &Timeline) -> anyhow::Result<Vec<Vec<Scene>>> {
    let sandbox = &world.sandbox;
    let clock = RuntimeClock::starting_at(world.begin());
    let recorder =
        Recorder { scenario: Arc::new(request.scenario.clone()), timeline: timeline.clone(), clock };
    let settings = Settings { mesh_provider: request.mesh_provider.clone(), ..Settings::default() };
    let controller = Controller::new(sandbox.client("default"), settings)
        .with_clock(Arc::new(clock))
        .with_hooks(Arc::new(recorder.hooks(world)))
        .with_notifiers(recorder.notifiers())
        .with_providers(recorder.providers(world));
    let user = User { world, request, timeline, clock, images: script_pods(sandbox, &request.scenario) };
    let mut onlooker = Onlooker::new(world, timeline, clock)?;
    let stop = CancellationToken::new();
    let watched = async {
        let outcome = user.roll_out(&mut onlooker).await;
        stop.cancel();
        outcome.map(|()| onlooker.scenes())
    };
    tokio::select! {
        (ended, outcome) = async { tokio::join!(controller.run(stop.clone()), watched) } => {
            ended?;
            outcome
        }
        never = drive(sandbox.clone(), world.begin()) => match never {},
    }
}

/// Images of new revisions.
type Images = Arc<Mutex<BTreeSet<String>>>;

/// Who applies revisions.
struct User<'a> {
    world: &'a World,
    request: &'a Request,
    timeline: &'a Timeline,
    clock: RuntimeClock,
    images: Images,
}

impl User<'_> {
    /// Waits for the canaries, applies new revisions, and waits for their ends.
    async fn roll_out(&self, onlooker: &mut Onlooker<'_>) -> anyhow::Result<()> {
        let all = |wanted: fn(Phase) -> bool| self.world.canaries.iter().all(|c| wanted(self.phase(c)));
        let initialized = onlooker.until(|| Ok(all(|p| p == Phase::Initialized)));
        if let Ok(outcome) = timeout(INITIALIZED_WITHIN, initialized).await {
            outcome?;
        }
        self.look_on(onlooker).await?;
        let ready = |c: &&Subject| self.phase(c) == Phase::Initialized;
        let rolling: Vec<&Subject> = self.world.canaries.iter().filter(ready).collect();
        if rolling.is_empty() {
            return Ok(());
        }
        for subject in &rolling {
            self.apply(subject, "new")?;
        }
        let mut to_change = rolling.clone();
        let ended = onlooker.until(|| {
            if let Some(weight) = self.request.scenario.another_revision_at {
                for subject in to_change.extract_if(.., |c| self.share(c) >= weight) {
                    self.apply(subject, "newer")?;
                }
            }
            Ok(rolling.iter().all(|c| matches!(self.phase(c), Phase::Succeeded | Phase::Failed)))
        });
        if let Ok(outcome) = timeout(self.request.limit, ended).await {
            outcome?;
            self.look_on(onlooker).await?;
        }
        Ok(())
    }

    /// Sees what is still to be told.
    async fn look_on(&self, onlooker: &mut Onlooker<'_>) -> anyhow::Result<()> {
        timeout(AFTERMATH, onlooker.until(|| Ok(false))).await.unwrap_or(Ok(()))
    }

    fn phase(&self, subject: &Subject) -> Phase {
        self.timeline.story(&subject.label()).position().phase
    }

    /// How far the rollout is, percent.
    fn share(&self, subject: &Subject) -> i64 {
        let position = self.timeline.story(&subject.label()).position();
        let counted = subject.iterations().map_or(0, |all| position.iterations * 100 / all);
        position.weight.max(counted)
    }

    fn apply(&self, subject: &Subject, suffix: &str) -> anyhow::Result<()> {
        let sandbox = &self.world.sandbox;
        // Whoever chose an image meant the first revision.
        let asked = if suffix == "new" { self.request.images.as_slice() } else { &[] };
        let revision = Revision::of(sandbox, subject, asked, suffix)?;
        self.images.lock().unwrap_or_else(PoisonError::into_inner).extend(revision.images.iter().cloned());
        let (image, made_up) = (revision.images.join(", "), revision.made_up);
        self.timeline.note(&subject.label(), self.clock.now(), What::Applied { image, made_up });
        revision.apply(sandbox, subject)
    }
}

/// Lets the pods of new revisions fare as the script says.
fn script_pods(sandbox: &Sandbox, scenario: &Scenario) -> Images {
    let images = Images::default();
    let (new, pods) = (images.clone(), scenario.pods.clone());
    sandbox.set_pod_rule(move |pod| {
        let new = new.lock().unwrap_or_else(PoisonError::into_inner);
        if !pod.images().any(|image| new.contains(image)) {
            return None;
        }
        match (pods.never_ready, pods.ready_after_seconds) {
            (true, _) => Some(PodFate::never_ready()),
            (false, seconds) => seconds.map(|seconds| PodFate::ready_after(Duration::from_secs(seconds))),
        }
    });
    images
}
