//! The API answers no, or somebody else is faster.

use canary_core::{RouterError, Weights};
use futures::future::BoxFuture;
use kube::core::ApiResource;

use super::super::bench::{Bench, share};
use super::super::outcome::{Course, Stop, ensure};
use super::super::tap::{Fault, OVERTAKEN};

/// More requests than any call makes.
const MANY: usize = 60;

/// Somebody writes the object between the router's read and its write. The write must not win unseen, and the next call
/// heals: a conflict is no reason to stay wrong.
pub(super) async fn a_conflict_heals_with_the_next_call(bench: &Bench<'_>) -> Course {
    bench.needs_weights()?;
    bench.live_kind()?;
    bench.fail(Fault::Overtaken("first"));
    let first = bench.router.reconcile(&bench.route).await;
    conflict_or_done(bench, "creating", &first)?;
    bench.begun().await?;

    bench.fail(Fault::Overtaken("second"));
    let moved = bench.router.set_weights(&bench.route, share(20)).await;
    conflict_or_done(bench, "set_weights", &moved)?;
    bench.set(share(20)).await?;
    bench.expect(share(20), "after a conflict and another call").await?;
    let live = bench.live().await?;
    let others = &live["metadata"]["annotations"][OVERTAKEN];
    ensure(others == "second", || {
        format!("set_weights overwrote what somebody else wrote meanwhile: {live}")
    })?;

    bench.edit(|object| bench.adapter.spoil(object)).await?;
    bench.fail(Fault::Overtaken("third"));
    let repaired = bench.router.reconcile(&bench.route).await;
    conflict_or_done(bench, "reconcile", &repaired)?;
    bench.reconcile().await?;
    bench.expect(share(20), "after a conflict of a repair and another call").await
}

fn conflict_or_done(bench: &Bench<'_>, call: &str, result: &Result<(), RouterError>) -> Course {
    let struck = bench.tap.heal();
    ensure(struck, || format!("{call} wrote nothing although something was to change"))?;
    match result {
        Ok(()) | Err(RouterError::Api { conflict: true, .. }) => Ok(()),
        Err(error) => {
            let category = error.category();
            Err(Stop::broken(format!("{call} meets a conflict and reports it as {category}: {error}")))
        }
    }
}

/// Without its definition, every call but `finalize` says which kind is missing: the mesh is not installed.
pub(super) async fn a_missing_definition_is_named(bench: &Bench<'_>) -> Course {
    let installed = |kind: &ApiResource| kind.group.contains('.') && kind.group != "networking.k8s.io";
    let kinds: Vec<_> = bench.adapter.kinds().into_iter().filter(installed).collect();
    if kinds.is_empty() {
        return Err(Stop::NotConcerned("every cluster has the kinds of this router"));
    }
    let live = bench.live_kind()?;
    for kind in kinds {
        bench.tap.heal();
        bench.clear().await?;
        bench.fail(Fault::NotServed(kind.plural.clone()));
        let named = [kind.plural.as_str(), kind.kind.as_str()];
        names("reconcile", &named, bench.router.reconcile(&bench.route).await)?;
        if kind == live {
            names("weights", &named, bench.router.weights(&bench.route).await)?;
            names("set_weights", &named, bench.router.set_weights(&bench.route, share(10)).await)?;
        }
        if let Err(error) = bench.router.finalize(&bench.route).await {
            let seen = format!(
                "{} is not served, so nothing is to be given back, and finalize fails: {error}",
                kind.plural
            );
            return Err(Stop::broken(seen));
        }
        bench.tap.heal();
    }
    bench.begun().await
}

/// An error that does not say what is missing leaves an operator guessing.
fn names<T: std::fmt::Debug>(call: &str, any_of: &[&str], result: Result<T, RouterError>) -> Course {
    match result {
        Ok(seen) => Err(Stop::broken(format!("{call} answers {seen:?} although {} is refused", any_of[0]))),
        Err(error) => {
            let text = error.to_string();
            ensure(any_of.iter().any(|name| text.contains(name)), || {
                format!("{call} fails without a word of {}: {text}", any_of.join(" or "))
            })
        }
    }
}

/// A role that lacks something makes an error that names the verb and the resource.
pub(super) async fn a_missing_permission_is_named(bench: &Bench<'_>) -> Course {
    bench.needs_weights()?;
    let plural = bench.live_kind()?.plural;
    let forbid = |verb| bench.fail(Fault::Forbidden(verb, plural.clone()));
    let creates =
        bench.adapter.needs(&bench.route).iter().all(|n| n["metadata"]["name"] != bench.live_name());
    if creates {
        forbid("create");
        names("reconcile", &[&plural], bench.router.reconcile(&bench.route).await)?;
    }
    bench.tap.heal();
    bench.begun().await?;
    forbid("get");
    names("reconcile", &[&plural], bench.router.reconcile(&bench.route).await)?;
    names("weights", &[&plural], bench.router.weights(&bench.route).await)?;
    forbid("update");
    names("set_weights", &[&plural], bench.router.set_weights(&bench.route, share(10)).await)?;
    bench.tap.heal();
    bench.expect(Weights::PRIMARY, "after a refused write").await?;
    bench.set(share(10)).await?;
    bench.expect(share(10), "once it is allowed").await
}

type Call = for<'a> fn(&'a Bench<'a>) -> BoxFuture<'a, Result<(), RouterError>>;

/// Whichever request of a call fails: the call says so, or has done its work all the same; and the next call does it.
pub(super) async fn an_error_is_not_swallowed(bench: &Bench<'_>) -> Course {
    bench.needs_weights()?;
    bench.live_kind()?;
    let reconcile: Call = |b| b.router.reconcile(&b.route);
    let set: Call = |b| b.router.set_weights(&b.route, share(30));
    let finalize: Call = |b| b.router.finalize(&b.route);
    for (name, spoiled, call) in [
        ("reconcile", false, reconcile),
        ("reconcile", true, reconcile),
        ("set_weights", true, set),
        ("finalize", true, finalize),
    ] {
        let first = name == "reconcile" && !spoiled;
        prepare(bench, first, name == "reconcile" && spoiled).await?;
        call(bench).await.map_err(|e| Stop::broken(format!("{name} fails: {e}")))?;
        bench.settle().await?;
        let wished = bench.state().await?;
        for at in 0..MANY {
            prepare(bench, first, name == "reconcile" && spoiled).await?;
            bench.fail(Fault::Ill(at));
            let result = call(bench).await;
            if !bench.tap.heal() {
                break;
            }
            bench.settle().await?;
            let seen = bench.state().await?;
            ensure(result.is_err() || seen == wished, || {
                format!("request {at} of {name} fails, and {name} reports that all went well")
            })?;
            call(bench).await.map_err(|e| Stop::broken(format!("{name} fails after an error: {e}")))?;
            bench.settle().await?;
            let seen = bench.state().await?;
            ensure(seen == wished, || {
                format!("{name} after one whose request {at} failed leaves {seen:?} instead of {wished:?}")
            })?;
        }
    }
    bench.at(30).await?;
    bench.fail(Fault::Ill(0));
    let read = bench.router.weights(&bench.route).await;
    let asked = bench.tap.heal();
    ensure(!asked || read.is_err(), || format!("weights cannot read and answers {read:?}"))
}

async fn prepare(bench: &Bench<'_>, first: bool, spoiled: bool) -> Course {
    if first {
        return bench.clear().await;
    }
    bench.at(10).await?;
    if spoiled {
        bench.edit(|object| bench.adapter.spoil(object)).await?;
    }
    Ok(())
}
