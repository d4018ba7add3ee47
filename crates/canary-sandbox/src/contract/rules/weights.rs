//! Weights are what was set last, whatever else happens.

use canary_core::Weights;

use super::super::bench::{Bench, share};
use super::super::outcome::{Course, ensure};

/// Both ends, the smallest steps beside them, and the middle.
const SHARES: [i64; 6] = [0, 1, 10, 50, 99, 100];

/// What was set is what `weights` says.
pub(super) async fn weights_are_read_back(bench: &Bench<'_>) -> Course {
    bench.needs_weights()?;
    bench.begun().await?;
    for canary in SHARES.into_iter().chain(SHARES.into_iter().rev()) {
        bench.set(share(canary)).await?;
        bench.expect(share(canary), &format!("after {canary} % were set")).await?;
    }
    Ok(())
}

/// A call that finds its work done sends no write, and reading never does.
pub(super) async fn a_second_call_writes_nothing(bench: &Bench<'_>) -> Course {
    bench.begun().await?;
    bench.without_writing("a second reconcile", bench.reconcile()).await?;
    bench.needs_weights()?;
    for canary in [0, 10, 100, 50] {
        bench.set(share(canary)).await?;
        let again = format!("a second set_weights to {canary} %");
        bench.without_writing(&again, bench.set(share(canary))).await?;
        let repair = format!("a reconcile at {canary} %");
        bench.without_writing(&repair, bench.reconcile()).await?;
        bench.without_writing("weights", bench.expect(share(canary), "after a reconcile")).await?;
    }
    Ok(())
}

/// What others spoil is repaired, and the rollout's weights stay.
pub(super) async fn a_repair_moves_no_traffic(bench: &Bench<'_>) -> Course {
    bench.needs_weights()?;
    bench.live_kind()?;
    bench.begun().await?;
    for canary in [30, 100, 0] {
        bench.set(share(canary)).await?;
        let sound = bench.live().await?;
        bench.edit(|object| bench.adapter.spoil(object)).await?;
        let spoiled = bench.live().await?;
        ensure(spoiled != sound, || format!("the adapter's spoil changes nothing at {canary} %: {sound}"))?;
        bench.reconcile().await?;
        bench.expect(share(canary), &format!("after a repair at {canary} %")).await?;
        let repaired = bench.live().await?;
        ensure(repaired == sound, || format!("reconcile at {canary} % left {repaired} instead of {sound}"))?;
        bench.without_writing("a reconcile after a repair", bench.reconcile()).await?;
    }
    bench.set(Weights::PRIMARY).await
}
