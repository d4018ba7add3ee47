//! Somebody who looks at the cluster whenever something was written, and notes how far each canary is.

use std::collections::BTreeSet;
use std::sync::Arc;

use canary_controller::{Clock as _, RuntimeClock};
use canary_core::{Phase, Router, Weight};
use canary_routers::{LiveObjects, Routers};
use canary_sandbox::View;
use serde_json::Value;
use tokio::sync::watch;

use crate::progress::Progress;
use crate::routing_objects::{Gallery, Scene};
use crate::timeline::{Position, Timeline, What};
use crate::world::{Subject, World};

/// Follows the canaries of a world.
pub(crate) struct Onlooker<'a> {
    world: &'a World,
    routers: Vec<Arc<dyn Router>>,
    galleries: Vec<Gallery>,
    written: watch::Receiver<()>,
    timeline: Timeline,
    clock: RuntimeClock,
    progress: Progress,
}

impl<'a> Onlooker<'a> {
    /// Looks at the world from now on.
    pub(crate) fn new(world: &'a World, timeline: &Timeline, clock: RuntimeClock) -> anyhow::Result<Self> {
        let (writing, written) = watch::channel(());
        follow_events(world, timeline, clock, writing);
        let objects = Arc::new(LiveObjects::new(world.sandbox.client("default")));
        let router = |subject: &Subject| Routers::default().router(&subject.plan.provider, objects.clone());
        let routers = world.canaries.iter().map(router).collect::<Result<_, _>>()?;
        let galleries = world.canaries.iter().map(|subject| Gallery::new(&world.sandbox, subject)).collect();
        let progress = Progress::start();
        Ok(Self { world, routers, galleries, written, timeline: timeline.clone(), clock, progress })
    }

    /// Looks after each write until `done` says yes. It may do something itself.
    pub(crate) async fn until(
        &mut self,
        mut done: impl FnMut() -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        loop {
            self.look().await;
            if done()? {
                return Ok(());
            }
            self.progress.reached(self.clock.now().duration_since(self.world.begin()).as_secs());
            self.written.changed().await?;
        }
    }

    /// The routing objects that were seen, one list for each canary.
    pub(crate) fn scenes(self) -> Vec<Vec<Scene>> {
        self.galleries.into_iter().map(Gallery::scenes).collect()
    }

    async fn look(&mut self) {
        let galleries = self.galleries.iter_mut();
        for ((subject, router), gallery) in self.world.canaries.iter().zip(&self.routers).zip(galleries) {
            let canary = self.world.sandbox.get("canaries.flagger.app", &subject.namespace, &subject.name);
            let Some(canary) = canary else { continue };
            // A mesh that cannot be read is for the controller to complain about.
            let weights = router.weights(&subject.route).await.ok().flatten();
            let position = Position {
                phase: phase(&canary),
                weight: weights.map_or(0, |w| share(w.canary)),
                mirrored: weights.is_some_and(|w| w.mirror),
                iterations: canary.pointer("/status/iterations").and_then(Value::as_i64).unwrap_or(0),
            };
            self.timeline.reached(&subject.label(), self.clock.now(), position);
            gallery.look(&self.world.sandbox, position);
        }
    }
}

fn share(weight: Weight) -> i64 {
    weight.percent().into()
}

fn phase(canary: &Value) -> Phase {
    let phase = canary.pointer("/status/phase").and_then(Value::as_str).unwrap_or_default();
    phase.parse().unwrap_or_default()
}

/// Notes the controller's events as they are written, and tells of every write.
fn follow_events(world: &World, timeline: &Timeline, clock: RuntimeClock, writing: watch::Sender<()>) {
    let timeline = timeline.clone();
    let canaries: Vec<_> =
        world.canaries.iter().map(|c| (c.namespace.clone(), c.name.clone(), c.label())).collect();
    let mut seen = BTreeSet::new();
    world.sandbox.after_each_request(move |request, view: &View<'_>| {
        if matches!(request.verb, "get" | "list" | "watch") {
            return Ok(());
        }
        if request.verb == "create" && request.resource == "events" {
            for event in view.list("events", &request.namespace) {
                let text = |path: &str| event.pointer(path).and_then(Value::as_str).unwrap_or_default();
                let about = (text("/involvedObject/namespace"), text("/involvedObject/name"));
                let found =
                    canaries.iter().find(|(namespace, name, _)| about == (namespace.as_str(), name.as_str()));
                let Some((_, _, label)) = found else { continue };
                if seen.insert(text("/metadata/name").to_owned()) {
                    let (warning, text) = (text("/type") == "Warning", text("/message").to_owned());
                    timeline.note(label, clock.now(), What::Event { warning, text });
                }
            }
        }
        writing.send_replace(());
        Ok(())
    });
}
