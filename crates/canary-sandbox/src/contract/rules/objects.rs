//! Which objects there are, and what in them is other people's.

use canary_core::Weights;
use serde_json::Value;

use super::super::bench::{Bench, is_still_the_users, share};
use super::super::outcome::{Course, Stop, ensure};

/// Before the first call there is no route; after it everything goes to the primary, and what was created belongs to the
/// canary, so that it goes with it.
pub(super) async fn the_first_call_creates_what_is_missing(bench: &Bench<'_>) -> Course {
    if bench.can().weighted {
        let before = bench.router.weights(&bench.route).await;
        ensure(matches!(before, Ok(None)), || {
            format!("without a route, weights says {before:?} instead of none")
        })?;
    }
    let before = bench.state().await?;
    bench.begun().await?;
    if bench.live_kind().is_ok() {
        bench.live().await?;
    }
    let uid = bench.route.owner.as_ref().map(|owner| owner.uid.clone()).unwrap_or_default();
    let is_new = |object: &&Value| !before.iter().any(|old| same_object(old, object));
    for object in bench.state().await?.iter().filter(is_new) {
        let owned = is_owned(object, &uid) || object["metadata"]["namespace"].is_null();
        ensure(owned, || format!("{} has no owner, so it stays when the canary goes", title(object)))?;
    }
    Ok(())
}

/// An object that a user had is made to split traffic, and their labels and annotations stay on it.
pub(super) async fn an_object_of_the_users_is_taken_over(bench: &Bench<'_>) -> Course {
    let existing = bench.adapter.existing(&bench.route);
    bench.put(existing.ok_or(Stop::NotConcerned("the router takes no object over"))?).await?;
    bench.begun().await?;
    bench.set(share(10)).await?;
    bench.expect(share(10), "after 10 % were set on an object of the user's").await?;
    let live = bench.live().await?;
    ensure(is_still_the_users(&live), || format!("the user's label or annotation is gone: {live}"))
}

/// Fields, labels and annotations of others stay, whatever the router writes.
pub(super) async fn what_others_wrote_survives(bench: &Bench<'_>) -> Course {
    bench.needs_weights()?;
    bench.begun().await?;
    let adapter = bench.adapter;
    let personal = |object: &mut Value| {
        adapter.personalise(object);
        object["metadata"]["labels"]["contract/other"] = "kept".into();
        object["metadata"]["annotations"]["contract/other"] = "kept".into();
    };
    bench.edit(personal).await?;
    let kept = |object: &Value| {
        let mut again = object.clone();
        personal(&mut again);
        again == *object
    };
    let live = bench.live().await?;
    ensure(kept(&live), || format!("the adapter's personalise is not the same when done again: {live}"))?;
    for canary in [10, 100, 0, 50] {
        bench.set(share(canary)).await?;
        let live = bench.live().await?;
        ensure(kept(&live), || format!("set_weights to {canary} % loses what others wrote: {live}"))?;
    }
    bench.edit(|object| adapter.spoil(object)).await?;
    bench.reconcile().await?;
    let live = bench.live().await?;
    ensure(kept(&live), || format!("reconcile loses what others wrote: {live}"))?;
    bench.expect(share(50), "after all that").await?;
    bench.set(Weights::PRIMARY).await
}

pub(super) fn same_object(one: &Value, other: &Value) -> bool {
    one["kind"] == other["kind"] && one["metadata"]["name"] == other["metadata"]["name"]
}

pub(super) fn is_owned(object: &Value, uid: &str) -> bool {
    let owners = object["metadata"]["ownerReferences"].as_array();
    owners.into_iter().flatten().any(|owner| owner["uid"] == uid)
}

pub(super) fn title(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    format!("{} {}", text(&object["kind"]), text(&object["metadata"]["name"]))
}
