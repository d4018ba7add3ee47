//! How many pods each template of a Deployment has: surge, unavailability, scaling in the middle of a rollout.
//!
//! The rules of the real controller, applied until nothing moves; pods start and stop at once, only readiness takes time.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::share;
use crate::pods::{Pod, ReplicaSet};

/// What the Deployment wants, with bounds worked out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) replicas: usize,
    surge: usize,
    unavailable: usize,
    recreate: bool,
    paused: bool,
    settle: SignedDuration,
}

impl Bounds {
    pub(super) fn of(deployment: &Value) -> Self {
        let spec = &deployment["spec"];
        let replicas = usize::try_from(spec["replicas"].as_i64().unwrap_or(1)).unwrap_or(0);
        let rolling = &spec["strategy"]["rollingUpdate"];
        let surge = share(&rolling["maxSurge"], replicas, true);
        let mut unavailable = share(&rolling["maxUnavailable"], replicas, false);
        if surge == 0 && unavailable == 0 {
            unavailable = 1;
        }
        Self {
            replicas,
            surge,
            unavailable: unavailable.min(replicas),
            recreate: spec["strategy"]["type"] == "Recreate",
            paused: spec["paused"] == true,
            settle: super::settle(deployment),
        }
    }

    /// How many pods must be available for the Deployment to be so.
    pub(super) fn least_available(&self) -> usize {
        if self.recreate { self.replicas } else { self.replicas - self.unavailable }
    }
}

/// Moves pods between sets once. `bear` makes a pod of a set. Returns whether anything moved.
pub(super) fn step(
    sets: &mut [ReplicaSet],
    scaling: bool,
    bounds: &Bounds,
    now: Timestamp,
    bear: &mut dyn FnMut(&ReplicaSet) -> Pod,
) -> bool {
    let before: Vec<usize> = sets.iter().map(|s| s.pods.len()).collect();
    if scaling || bounds.paused {
        scale(sets, bounds, now, bear);
    } else if bounds.recreate {
        recreate(sets, bounds, now, bear);
    } else {
        roll(sets, bounds, now, bear);
    }
    sets.iter().map(|s| s.pods.len()).ne(before)
}

fn available(set: &ReplicaSet, bounds: &Bounds, now: Timestamp) -> usize {
    set.pods.iter().filter(|pod| pod.is_available(now, bounds.settle)).count()
}

fn resize(set: &mut ReplicaSet, size: usize, now: Timestamp, bear: &mut dyn FnMut(&ReplicaSet) -> Pod) {
    if set.pods.len() > size {
        // Unready pods go first, and among equals the youngest.
        set.pods.sort_by_key(|pod| (!pod.is_ready(now), pod.born));
        set.pods.truncate(size);
    }
    while set.pods.len() < size {
        let pod = bear(set);
        set.pods.push(pod);
    }
}

fn recreate(
    sets: &mut [ReplicaSet],
    bounds: &Bounds,
    now: Timestamp,
    bear: &mut dyn FnMut(&ReplicaSet) -> Pod,
) {
    let Some((newest, old)) = sets.split_last_mut() else { return };
    for set in old {
        set.pods.clear();
    }
    resize(newest, bounds.replicas, now, bear);
}

fn roll(sets: &mut [ReplicaSet], bounds: &Bounds, now: Timestamp, bear: &mut dyn FnMut(&ReplicaSet) -> Pod) {
    let total: usize = sets.iter().map(|s| s.pods.len()).sum();
    let Some((newest, old)) = sets.split_last_mut() else { return };
    let room = (bounds.replicas + bounds.surge).saturating_sub(total);
    let size = newest.pods.len();
    resize(newest, (size + room).min(bounds.replicas), now, bear);

    let total = newest.pods.len() + old.iter().map(|s| s.pods.len()).sum::<usize>();
    let least = bounds.replicas - bounds.unavailable;
    let unready_new = newest.pods.len() - available(newest, bounds, now);
    let mut removable = total.saturating_sub(least + unready_new);
    for set in old.iter_mut() {
        let unready = set.pods.len() - available(set, bounds, now);
        let gone = unready.min(removable);
        let size = set.pods.len() - gone;
        resize(set, size, now, bear);
        removable -= gone;
    }
    let serving =
        available(newest, bounds, now) + old.iter().map(|s| available(s, bounds, now)).sum::<usize>();
    let mut removable = removable.min(serving.saturating_sub(least));
    for set in old.iter_mut() {
        let gone = set.pods.len().min(removable);
        let size = set.pods.len() - gone;
        resize(set, size, now, bear);
        removable -= gone;
    }
}

/// Another number of replicas is wanted: all templates in use change in proportion.
fn scale(sets: &mut [ReplicaSet], bounds: &Bounds, now: Timestamp, bear: &mut dyn FnMut(&ReplicaSet) -> Pod) {
    let active: Vec<usize> = (0..sets.len()).filter(|at| !sets[*at].pods.is_empty()).collect();
    match active.as_slice() {
        [] => {
            if let Some(newest) = sets.last_mut() {
                resize(newest, bounds.replicas, now, bear);
            }
        }
        [only] => resize(&mut sets[*only], bounds.replicas, now, bear),
        several => {
            let allowed = if bounds.replicas == 0 { 0 } else { bounds.replicas + bounds.surge };
            let total: usize = several.iter().map(|at| sets[*at].pods.len()).sum();
            let mut left = allowed;
            for at in several {
                let size = (sets[*at].pods.len() * allowed / total).min(left);
                resize(&mut sets[*at], size, now, bear);
                left -= size;
            }
            if let Some(newest) = sets.last_mut().filter(|_| left > 0) {
                let size = (newest.pods.len() + left).min(bounds.replicas);
                resize(newest, size, now, bear);
            }
        }
    }
}
