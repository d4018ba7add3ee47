//! The controller as processes that die and start again, on a runtime whose time is paused and whose order is fixed.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use canary_controller::{Clock as _, Controller, RuntimeClock, Settings};
use canary_core::MetricProvider;
use canary_metrics::MetricProviders;
use canary_sandbox::{Sandbox, drive};
use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

use crate::stage::Stage;
use crate::world::{JumpingClock, Provider, Receivers, World, lock};

/// After all trouble is over, the canary has so many seconds to come to rest.
const LIMIT: i64 = 3 * 3600;
/// It rests when nothing was written for so many seconds.
const REST: i64 = 60;
/// A Pod that ended is started again after that time.
const RESTART: Duration = Duration::from_secs(5);

thread_local! {
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Notes panics instead of printing them: the controller survives them, and a run must not hide them.
pub(crate) fn watch_panics() {
    std::panic::set_hook(Box::new(|info| {
        PANICS.with_borrow_mut(|all| all.push(format!("a panic: {info}")));
    }));
}

/// The panics of this thread since the last time.
pub(crate) fn panics() -> Vec<String> {
    PANICS.take()
}

enum End {
    Rested,
    Killed,
    Stuck(String),
}

/// Runs processes until the canary rests; what was wrong if it does not.
pub(crate) fn run(stage: &Arc<Stage>) -> Option<String> {
    let mut released = None;
    for _ in 0..100 {
        match one(stage, &mut released) {
            End::Rested => return None,
            End::Stuck(text) => return Some(text),
            End::Killed if stage.asked_without_end() => {
                return Some("asks again and again, and never waits".into());
            }
            End::Killed => {
                // Nobody is there for a while.
                for _ in 0..stage.down.swap(0, Ordering::Relaxed) {
                    let now = stage.sandbox.now() + SignedDuration::from_secs(1);
                    stage.sandbox.advance(now);
                    stage.pass();
                }
            }
        }
    }
    Some("too many processes died".into())
}

/// One process, until it dies or the canary rests.
fn one(stage: &Arc<Stage>, released: &mut Option<i64>) -> End {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let Ok(runtime) = runtime else { return End::Stuck("no runtime".into()) };
    runtime.block_on(async {
        let base = stage.sandbox.now();
        let driven = drive(stage.sandbox.clone(), base);
        add_controller(stage, Duration::MAX);
        tokio::select! {
            biased;
            () = stage.sandbox.severed() => End::Killed,
            end = live(stage, released) => end,
            never = driven => match never {},
        }
    })
}

/// Starts a controller in the present process, for so long. One that cannot start is started again, as a Pod is.
pub(crate) fn add_controller(stage: &Arc<Stage>, life: Duration) {
    if tokio::runtime::Handle::try_current().is_err() {
        return; // nobody is there to work beside
    }
    let (sandbox, world) = (stage.sandbox.clone(), Arc::clone(&stage.world));
    let clock = RuntimeClock::starting_at(sandbox.now());
    let again = async move {
        while controller(&sandbox, &world, clock).run(CancellationToken::new()).await.is_err() {
            tokio::time::sleep(RESTART).await;
        }
    };
    tokio::spawn(tokio::time::timeout(life, again));
}

fn controller(sandbox: &Sandbox, world: &Arc<World>, clock: RuntimeClock) -> Controller {
    let provider = Arc::clone(world);
    let provider =
        move |_: &_| -> Result<Arc<dyn MetricProvider>, _> { Ok(Arc::new(Provider(Arc::clone(&provider)))) };
    Controller::new(sandbox.client("default"), Settings::default())
        .with_clock(Arc::new(JumpingClock { clock, world: Arc::clone(world) }))
        .with_hooks(Arc::new(Receivers(Arc::clone(world))))
        .with_providers(MetricProviders::default().with("prometheus", provider))
}

/// The user, and the passing of time.
async fn live(stage: &Arc<Stage>, released: &mut Option<i64>) -> End {
    let (begin, clock) = (stage.age(), RuntimeClock::starting_at(stage.sandbox.now()));
    loop {
        stage.pass();
        let (age, phase) = (stage.age(), stage.phase());
        if released.is_none() && matches!(phase.as_str(), "Initialized" | "Succeeded" | "Failed") {
            *released = Some(age);
            stage.release();
        }
        let quiet =
            lock(&stage.ledger).last_write.map_or(age, |at| stage.sandbox.now().duration_since(at).as_secs());
        // A process that has just begun had no time to do anything.
        let settled = released.is_some_and(|at| age - at > REST) && quiet > REST && age - begin > REST;
        if stage.is_calm_since(REST)
            && settled
            && matches!(phase.as_str(), "Initialized" | "Succeeded" | "Failed")
        {
            return End::Rested;
        }
        if age > LIMIT {
            return End::Stuck(format!("does not come to rest: {phase:?} for {quiet} s"));
        }
        let wait = u64::try_from(stage.next_second() - age).unwrap_or(1);
        tokio::time::sleep(Duration::from_secs(wait.max(1))).await;
        stage.sandbox.advance(clock.now());
    }
}
