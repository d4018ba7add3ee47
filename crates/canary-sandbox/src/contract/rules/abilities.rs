//! What a router says that it can do, it does.

use canary_core::{Affinity, RouteSpec, Weights};

use super::super::bench::{Bench, share};
use super::super::outcome::{Course, Stop, ensure};

const COOKIE: &str = "contract-cookie";

/// The same router on another route.
fn with_route<'a>(bench: &Bench<'a>, change: impl FnOnce(&mut RouteSpec)) -> Bench<'a> {
    let mut bench = bench.again();
    change(&mut bench.route);
    bench
}

/// A/B testing: requests that meet the conditions can be sent to the canary and taken back.
pub(super) async fn conditions_choose_requests(bench: &Bench<'_>) -> Course {
    if !bench.can().conditions {
        return Err(Stop::NotConcerned("the router compares no conditions"));
    }
    let bench = with_route(bench, |route| route.conditions = bench.adapter.conditions());
    bench.begun().await?;
    bench.set(Weights::CANARY).await?;
    bench.expect(Weights::CANARY, "while conditions choose").await?;
    bench.without_writing("a second set_weights with conditions", bench.set(Weights::CANARY)).await?;
    bench.without_writing("a reconcile with conditions", bench.reconcile()).await?;
    bench.expect(Weights::CANARY, "after a reconcile with conditions").await?;
    let live = bench.live().await?;
    ensure(live.to_string().contains("x-canary"), || format!("the header x-canary is not compared: {live}"))?;
    bench.set(Weights::PRIMARY).await?;
    bench.expect(Weights::PRIMARY, "after the test").await
}

/// Mirroring: requests are copied, the router says so, and a repair does not end it.
pub(super) async fn requests_are_mirrored(bench: &Bench<'_>) -> Course {
    if !bench.can().mirror {
        return Err(Stop::NotConcerned("the router mirrors nothing"));
    }
    bench.begun().await?;
    bench.set(Weights::MIRROR).await?;
    bench.expect(Weights::MIRROR, "while mirroring").await?;
    bench.without_writing("a second set_weights while mirroring", bench.set(Weights::MIRROR)).await?;
    bench.without_writing("a reconcile while mirroring", bench.reconcile()).await?;
    bench.edit(|object| bench.adapter.spoil(object)).await?;
    bench.reconcile().await?;
    bench.expect(Weights::MIRROR, "after a repair while mirroring").await?;
    bench.set(share(10)).await?;
    bench.expect(share(10), "after mirroring").await
}

/// Session affinity: with a cookie in force the weights are still read back, and without one it is gone.
pub(super) async fn sessions_are_kept(bench: &Bench<'_>) -> Course {
    if !bench.can().session_affinity {
        return Err(Stop::NotConcerned("the router keeps no sessions"));
    }
    let cookie = format!("{COOKIE}=first");
    let with = |current: Option<&String>, previous: Option<&String>| Affinity {
        cookie_name: COOKIE.into(),
        cookie: current.cloned(),
        previous_cookie: previous.cloned(),
        max_age: 86_400,
        ..Affinity::default()
    };
    let running = with_route(bench, |route| route.affinity = Some(with(Some(&cookie), None)));
    running.begun().await?;
    for canary in [10, 50] {
        running.set(share(canary)).await?;
        running.expect(share(canary), "with a session cookie").await?;
        running.without_writing("a second set_weights with a cookie", running.set(share(canary))).await?;
        running.without_writing("a reconcile with a cookie", running.reconcile()).await?;
    }
    let live = running.live().await?;
    ensure(live.to_string().contains(&cookie), || format!("the cookie {cookie} is not set: {live}"))?;
    let ended = with_route(bench, |route| route.affinity = Some(with(None, Some(&cookie))));
    ended.set(Weights::PRIMARY).await?;
    ended.reconcile().await?;
    ended.expect(Weights::PRIMARY, "after the sessions ended").await
}
