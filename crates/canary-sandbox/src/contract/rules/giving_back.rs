//! What was the user's is the user's again, and what went away is made anew.

use canary_core::Weights;
use serde_json::Value;

use super::super::bench::{Bench, share};
use super::super::outcome::{Course, Stop, ensure};
use super::objects::{is_owned, same_object, title};

/// An object that is deleted in the middle of a rollout: nobody claims weights that are nowhere, and the next reconcile
/// makes it anew, with everything on the primary. Where there is nothing left, there is nothing to give back.
pub(super) async fn an_object_that_went_away_comes_back(bench: &Bench<'_>) -> Course {
    bench.needs_weights()?;
    let (kind, name) = (bench.live_kind()?, bench.live_name());
    bench.begun().await?;
    bench.set(share(30)).await?;
    bench.delete(&kind, &name).await?;
    let read = bench.router.weights(&bench.route).await;
    ensure(!matches!(read, Ok(Some(_))), || format!("{name} is gone and weights says {read:?}"))?;
    match bench.router.set_weights(&bench.route, share(40)).await {
        Ok(()) => {
            bench.settle().await?;
            bench.expect(share(40), "after set_weights made the object anew").await?;
            bench.delete(&kind, &name).await?;
        }
        Err(error) => names(&name, "set_weights", &error.to_string())?,
    }
    let needed = bench.adapter.needs(&bench.route);
    if needed.iter().any(|object| object["metadata"]["name"] == name) {
        let done = bench.router.reconcile(&bench.route).await;
        let Err(error) = done else {
            return Err(Stop::broken(format!("{name} is gone and reconcile is content")));
        };
        names(&name, "reconcile", &error.to_string())?;
    } else {
        bench.begun().await?;
        for object in &needed {
            let needed_name = object["metadata"]["name"].as_str().unwrap_or_default();
            bench.delete(&kind, needed_name).await?;
            if let Err(error) = bench.router.reconcile(&bench.route).await {
                names(needed_name, "reconcile", &error.to_string())?;
            }
        }
        bench.delete(&kind, &name).await?;
    }
    let done = bench.router.finalize(&bench.route).await;
    done.map_err(|e| {
        Stop::broken(format!("{name} is gone, so nothing is to be given back, and finalize fails: {e}"))
    })
}

fn names(object: &str, call: &str, text: &str) -> Course {
    ensure(text.contains(object), || {
        format!("{object} is gone and {call} fails without a word of it: {text}")
    })
}

/// Objects that the user had get their specs, labels and annotations back; those that were created go, or are owned by
/// the canary and go with it. Giving back twice is fine.
pub(super) async fn finalize_gives_back_what_was_found(bench: &Bench<'_>) -> Course {
    if let Some(existing) = bench.adapter.existing(&bench.route) {
        bench.put(existing).await?;
    }
    let before = bench.state().await?;
    bench.reconcile().await?;
    if bench.can().weighted {
        bench.set(share(50)).await?;
        bench.set(Weights::PRIMARY).await?;
    }
    for time in ["", "a second "] {
        let done = bench.router.finalize(&bench.route).await;
        done.map_err(|e| Stop::broken(format!("{time}finalize fails: {e}")))?;
        let after = bench.state().await?;
        for old in &before {
            let new = after.iter().find(|new| same_object(old, new)).unwrap_or(&Value::Null);
            ensure(old == new, || format!("{time}finalize leaves {new} of what was {old}"))?;
        }
        let uid = bench.route.owner.as_ref().map(|owner| owner.uid.clone()).unwrap_or_default();
        let is_left = |new: &&Value| !before.iter().any(|old| same_object(old, new));
        for left in after.iter().filter(is_left) {
            let goes = is_owned(left, &uid) || left["metadata"]["namespace"].is_null();
            ensure(goes, || format!("{time}finalize leaves {}, which nobody owns", title(left)))?;
        }
    }
    Ok(())
}
